"""What is kept of one test for the report: plain values, so that it can cross processes."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, cast

import pytest

from conformance.benchmark.workloads import Workload
from conformance.kernel import LoadedKernel
from conformance.report.spread import map_of, spread_of
from conformance.standards.dual import evaluate_dual
from conformance.standards.single import evaluate
from conformance.verdict.conventions import written
from conformance.verdict.expected import AnyCase, Expected
from conformance.verdict.verdict import TensorVerdict, Verdict
from reference.contract import Contract
from reference.formats import Format
from reference.problem.features import FEATURES

VERDICT = pytest.StashKey[Verdict | None]()
BENCHMARK = pytest.StashKey[dict[str, Any]]()
KEY = "conformance"  # in a report's user_properties
REMARK = "conformance remark"  # there, too: a line for the end of the run
PICTURE = "conformance picture"  # and an SVG file in the report's folder, to be shown on its page

Record = dict[str, Any]


def record_of(
    item: pytest.Function,
    kernel: LoadedKernel,
    *,
    declined: str,
    failed: str,
    command: str = "",
    detailed: bool = False,
    dual: bool = False,
) -> Record:
    """Everything about one test but its outcome and duration, which pytest's report has.

    Parameters
    ----------
    declined, failed : str
        Why; empty if it was not.
    command : str
        Runs this test alone.
    detailed : bool
        With how its errors are spread and what the vendor's standards say, for a report.
    dual : bool
        With those of the standards that take a run in the same format.
    """
    params, expected = item.callspec.params, item.funcargs.get("expected")
    record: Record = {"kernel": kernel.name, "test": item.originalname, "declined": declined}
    record |= {"failed": failed, "command": command}
    if "workload" in params:
        return record | _of_benchmark(item)
    if not isinstance(expected, Expected):
        first = next(iter(params)) == "kernel"  # its id is at one end: see the plugin
        ids = list(item.callspec._idlist)
        record["case"] = "-".join(ids[1:] if first else ids[:-1])
        return record | {"features": [], "absent": [], "tensors": [], "contract": {}}
    case, format = cast("tuple[AnyCase, str]", params["expected"])
    verdict = item.stash.get(VERDICT, None)
    scores = () if verdict is None else verdict.tensors
    if detailed and scores:
        record["map"] = map_of(max(scores, key=lambda score: score.ratio))
    return record | {
        "case": case.id,
        "format": format,
        "why": case.why,
        "seqlen_q": expected.problem.max_seqlen_q,
        "seqlen_k": expected.problem.max_seqlen_k,
        "features": sorted(expected.problem.features),
        "contract": {} if verdict is None else contract_of(verdict.contract),
        "absent": [] if verdict is None else list(verdict.absent),
        "tensors": [
            _tensor(score) | (_details(score, expected, verdict, dual=dual) if detailed else {})
            for score in scores
        ],
    }


def lost(report: pytest.TestReport, kernels: Sequence[str]) -> Record:
    """Of a test that left no record: its process died, or it failed before or after its call."""
    test, _, id = report.nodeid.rpartition("::")[2].partition("[")
    id = id.removesuffix("]")
    kernel = max((name for name in kernels if id.startswith(name)), key=len, default="")
    text = str(report.longrepr).strip() or "its process died"
    record: Record = {"kernel": kernel, "test": test, "case": id.removeprefix(kernel).strip("-")}
    record |= {"declined": "", "failed": text, "command": "", "features": [], "absent": []}
    return record | {"tensors": [], "contract": {}, "outcome": "failed", "seconds": 0.0}


def _of_benchmark(item: pytest.Function) -> Record:
    verdict = item.stash.get(VERDICT, None)
    told: Record = {
        "case": cast(Workload, item.callspec.params["workload"]).name,
        "features": [],
        "contract": {} if verdict is None else contract_of(verdict.contract),
        "absent": [] if verdict is None else list(verdict.absent),
        "tensors": [] if verdict is None else [_tensor(score) for score in verdict.tensors],
    }
    if (facts := item.stash.get(BENCHMARK, None)) is not None:
        told["benchmark"] = facts
    return told


def contract_of(contract: Contract) -> Record:
    """The fields of a contract that are not the default, formats by name."""
    default = Contract()
    return {
        field.name: _plain(value)
        for field in fields(contract)
        if (value := getattr(contract, field.name)) != getattr(default, field.name)
    }


def words(declined: str) -> list[str]:
    """The features that a declined problem was declined for; none if it was a limit in words."""
    return [word for word in re.split(r"[\s,;]+", declined) if word in FEATURES]


def _tensor(score: TensorVerdict) -> Record:
    failing = 0 if score.failing is None else int(score.failing.sum())
    return {
        "name": score.name,
        "ratio": _plain(score.ratio),
        "z_max": _plain(score.z_max),
        "z_rms": _plain(score.z_rms),
        "slope_z": _plain(score.slope_z),
        "elements": score.elements,
        "failing": failing,
        "worst": None if score.worst is None else list(score.worst),
        "got": _plain(score.got),
        "want": _plain(score.want),
        "allowed": _plain(score.allowed),
        "failed": score.reason,
        "suspicious": score.suspicion,
        "not_computed": score.not_computed,
    }


def _details(
    score: TensorVerdict, expected: Expected, verdict: Verdict | None, *, dual: bool
) -> Record:
    """How errors are spread, and what the vendor's standards say of the tensor."""
    if (compared := score.compared) is None:
        return {}
    figures = evaluate(compared.got, compared.want, compared.format)
    if dual and verdict is not None:
        other = getattr(written(expected.in_format, verdict.contract), score.name, None)
        if other is not None:
            figures |= evaluate_dual(compared.got, other, compared.want, compared.format)
    told = {
        name: {"figures": {of: _plain(number) for of, number in figure.figures.items()}}
        | {"accepts": figure.accepts}
        for name, figure in figures.items()
        if figure.accepts is not None
    }
    return {"spread": spread_of(score), "standards": told}


def _plain(value: Any) -> Any:
    """A value that JSON can say; numbers that it cannot are "inf", "-inf" and "nan"."""
    if isinstance(value, Format):
        return value.name
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    return value
