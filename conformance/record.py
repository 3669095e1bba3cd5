"""What is kept of one test for the report: plain values, so that it can cross processes."""

from __future__ import annotations

import math
import re
from dataclasses import fields
from typing import Any, cast

import pytest

from conformance.compare import Score, Verdict
from conformance.kernel import Subject
from conformance.oracle import Asked, Question
from conformance.workloads import Workload
from reference.contract import Contract
from reference.features import FEATURES
from reference.formats import Format

VERDICT = pytest.StashKey[Verdict | None]()
BENCHMARK = pytest.StashKey[dict[str, Any]]()
KEY = "conformance"  # in a report's user_properties

Record = dict[str, Any]


def record_of(item: pytest.Function, kernel: Subject, *, declined: str, failed: str) -> Record:
    """Everything about one test but its outcome and duration, which pytest's report has.

    Parameters
    ----------
    declined, failed : str
        Why; empty if it was not.
    """
    params, question = item.callspec.params, item.funcargs.get("question")
    record: Record = {"kernel": kernel.name, "test": item.originalname, "declined": declined}
    record["failed"] = failed
    if "workload" in params:
        return record | _of_benchmark(item)
    if not isinstance(question, Question):
        record["case"] = item.callspec.id.replace(f"{kernel.name}-", "").replace(
            f"-{kernel.name}", ""
        )
        return record | {"features": [], "absent": [], "tensors": [], "contract": {}}
    case, format = cast("tuple[Asked, str]", params["question"])
    verdict = item.stash.get(VERDICT, None)
    scores = () if verdict is None else verdict.scores
    return record | {
        "case": case.id,
        "format": format,
        "features": sorted(question.problem.features),
        "contract": {} if verdict is None else contract_of(verdict.contract),
        "absent": [] if verdict is None else list(verdict.absent),
        "tensors": [_tensor(score) for score in scores],
    }


def _of_benchmark(item: pytest.Function) -> Record:
    verdict = item.stash.get(VERDICT, None)
    told: Record = {
        "case": cast(Workload, item.callspec.params["workload"]).name,
        "features": [],
        "contract": {} if verdict is None else contract_of(verdict.contract),
        "absent": [] if verdict is None else list(verdict.absent),
        "tensors": [] if verdict is None else [_tensor(score) for score in verdict.scores],
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


def _tensor(score: Score) -> Record:
    failing = 0 if score.failing is None else int(score.failing.sum())
    return {
        "name": score.name,
        "budget": _plain(score.budget),
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
    }


def _plain(value: Any) -> Any:
    """A value that JSON can say; numbers that it cannot are "inf", "-inf" and "nan"."""
    if isinstance(value, Format):
        return value.name
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    return value
