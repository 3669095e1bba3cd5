"""Makes the Record of a test from what it left in its Outcome."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import cast

import pytest

from conformance.benchmark.workloads import Workload
from conformance.cases.saved import AnyCase
from conformance.kernel import LoadedKernel
from conformance.report.spread import map_of, spread_of
from conformance.run.outcome import Outcome
from conformance.run.plain import to_json
from conformance.run.record import Entry, FormatName, Record, StandardRecord, TensorRecord
from conformance.standards.dual import evaluate_dual
from conformance.standards.single import evaluate
from conformance.verdict.conventions import written
from conformance.verdict.expected import Expected
from conformance.verdict.verdict import TensorVerdict, Verdict
from reference.contract import Contract
from reference.formats import Format
from reference.problem import Result
from reference.problem.features import FEATURES


def record_of(
    item: pytest.Function,
    kernel: LoadedKernel,
    outcome: Outcome,
    *,
    declined: str,
    failed: str,
    command: str = "",
    detailed: bool = False,
    dual: bool = False,
) -> Record:
    """The Record of a test, but for its outcome and duration, which pytest's report has.

    Parameters
    ----------
    declined, failed : str
        Why; empty if it was not.
    command : str
        Runs this test alone.
    detailed : bool
        With how its errors are spread and what the vendor's standards say, for a report.
    dual : bool
        With the verdicts of the standards that compare with a run in the same format.
    """
    expected, verdict = item.funcargs.get("expected"), outcome.verdict
    tensors = () if verdict is None else verdict.tensors
    others = _others(expected, verdict) if dual and detailed else None
    case = _case(item)
    entry = Entry(
        kernel=kernel.name,
        group=group_of(item.path),
        test=item.originalname,
        case=_id(item) if case is None else case[0].id,
        format="" if case is None else cast(FormatName, case[1]),
        why="" if case is None else case[0].why,
        catches=() if case is None else case[0].catches,
        declined=declined,
        failed=failed,
        likely=outcome.likely,
        command=command,
        seqlen_q=expected.problem.max_seqlen_q if isinstance(expected, Expected) else None,
        seqlen_k=expected.problem.max_seqlen_k if isinstance(expected, Expected) else None,
        features=tuple(sorted(expected.problem.features)) if isinstance(expected, Expected) else (),
        contract={} if verdict is None else contract_of(verdict.contract),
        absent=() if verdict is None else tuple(verdict.absent),
        tensors=tuple(_tensor(one, others, detailed=detailed) for one in tensors),
        benchmark=outcome.benchmark,
    )
    return Record(
        entry=entry,
        spreads={one.name: spread_of(one) for one in tensors if detailed and one.compared},
        map=map_of(max(tensors, key=lambda one: one.ratio)) if detailed and tensors else None,
        remarks=tuple(outcome.remarks),
        pictures=tuple(outcome.pictures),
    )


def lost(report: pytest.TestReport, kernels: Sequence[str]) -> Entry:
    """The Entry of a test that left no Record: its process died, or its set-up or end failed."""
    test, _, id = report.nodeid.rpartition("::")[2].partition("[")
    id = id.removesuffix("]")
    kernel = max((name for name in kernels if id.startswith(name)), key=len, default="")
    return Entry(
        kernel=kernel,
        group=group_of(Path(report.nodeid.partition("::")[0])),
        test=test,
        case=id.removeprefix(kernel).strip("-"),
        outcome="failed",
        failed=str(report.longrepr).strip() or "its process died",
    )


def group_of(path: Path) -> str:
    """The group of a test by its file: "laws" of test_laws.py."""
    return path.stem.removeprefix("test_")


def contract_of(contract: Contract) -> dict[str, object]:
    """The fields of a contract that are not the default, formats by name."""
    default = Contract()
    return {
        field.name: value.name if isinstance(value, Format) else to_json(value)
        for field in fields(contract)
        if (value := getattr(contract, field.name)) != getattr(default, field.name)
    }


def words(declined: str) -> list[str]:
    """The features that a declined problem was declined for; none if it was a limit in words."""
    return [word for word in re.split(r"[\s,;]+", declined) if word in FEATURES]


def _case(item: pytest.Function) -> tuple[AnyCase, str] | None:
    return cast("tuple[AnyCase, str] | None", item.callspec.params.get("expected"))


def _id(item: pytest.Function) -> str:
    """The id of a workload, or of a law's parameters: the test's id without its kernel."""
    params = item.callspec.params
    if "workload" in params:
        return cast(Workload, params["workload"]).name
    ids = list(item.callspec._idlist)
    return "-".join(ids[1:] if next(iter(params)) == "kernel" else ids[:-1])


def _tensor(tensor: TensorVerdict, others: Result | None, *, detailed: bool) -> TensorRecord:
    return TensorRecord(
        name=tensor.name,
        ratio=float(tensor.ratio),
        z_max=_float(tensor.z_max),
        z_rms=_float(tensor.z_rms),
        slope_z=_float(tensor.slope_z),
        elements=tensor.elements,
        failing=0 if tensor.failing is None else int(tensor.failing.sum()),
        worst=None if tensor.worst is None else tuple(int(at) for at in tensor.worst),
        got=float(tensor.got),
        want=float(tensor.want),
        allowed=float(tensor.allowed),
        failed=tensor.reason,
        suspicious=tensor.suspicion,
        not_computed=tensor.not_computed,
        standards=_standards(tensor, others) if detailed else {},
    )


def _float(statistic: float | None) -> float | None:
    return None if statistic is None else float(statistic)


def _others(expected: object, verdict: Verdict | None) -> Result | None:
    """The answer of a run in the same format, in the contract's conventions."""
    if verdict is None or not isinstance(expected, Expected):
        return None
    return written(expected.in_format, verdict.contract)


def _standards(tensor: TensorVerdict, others: Result | None) -> Mapping[str, StandardRecord]:
    """What the vendor's standards say of a tensor, by their name."""
    if (compared := tensor.compared) is None:
        return {}
    figures = evaluate(compared.got, compared.want, compared.format)
    other = getattr(others, tensor.name, None)
    if other is not None:
        figures |= evaluate_dual(compared.got, other, compared.want, compared.format)
    return {
        name: StandardRecord(
            figures={of: float(number) for of, number in figure.figures.items()},
            accepts=bool(figure.accepts),
        )
        for name, figure in figures.items()
        if figure.accepts is not None
    }
