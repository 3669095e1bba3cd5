"""How a workload is timed: prepared, launched, judged; then launched again under the clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from conformance.compare import Verdict, judge
from conformance.explain import explain
from conformance.kernel import Subject
from conformance.launch import Launch, launch_of
from conformance.oracle import Question
from conformance.transform import take, take_result
from conformance.workloads import FORMAT, Workload
from reference.formats import FORMATS
from reference.problem import Problem, Result

JUDGED = 2**31
"""Multiplications of one product that are judged at least: one head, and more while they fit."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Verified:
    """A launch whose result was judged.

    Attributes
    ----------
    launch : Launch
    verdict : Verdict
        On the heads that were judged.
    problem : Problem
    text : str
        The verdict in words.
    """

    launch: Launch
    verdict: Verdict
    problem: Problem
    text: str


def verified(kernel: Subject, workload: Workload, *, seed: int) -> Verified:
    """Launch the workload once and judge what it gave; whatever the kernel raises comes through."""
    problem = workload.case.problem(FORMATS[FORMAT], seed=seed)
    launch = launch_of(kernel, problem)
    launch.launch()
    launch.synchronize()
    part, got = judged(problem, launch.result())
    question = Question(problem=part)
    contract = kernel.contract(problem)
    verdict = judge(
        got, question.answer, question.allowed(contract), problem=part, contract=contract
    )
    return Verified(launch=launch, verdict=verdict, problem=problem, text=explain(verdict, part))


def judged(problem: Problem, result: Result) -> tuple[Problem, Result]:
    """The heads that are judged: the last of the last sequence, and evenly spread before it."""
    heads = _spread(problem.heads_k, problem.group * _pairs(problem) * problem.head_dim)
    part, got = take(problem, "heads", heads), result
    got = take_result(result, "heads", heads, group=problem.group)
    return part, got


def _pairs(problem: Problem) -> int:
    return int(np.dot(problem.seqlens_q, problem.seqlens_k))


def _spread(count: int, work: int) -> list[int]:
    chosen = min(count, max(1, JUDGED // max(work, 1)))
    return sorted({count - 1 - i * count // chosen for i in range(chosen)})


def timed(ready: Verified, workload: Workload, benchmark: Any) -> dict[str, Any]:
    """Time launches with pytest-benchmark; what is known of them then."""
    launch = ready.launch

    def once() -> None:
        launch.launch()
        launch.synchronize()

    benchmark(once)
    stats = benchmark.stats.stats
    return {
        "workload": workload.id,
        "pass": workload.pass_,
        "seconds_median": stats.median,
        "seconds_min": stats.min,
        "seconds_iqr": stats.iqr,
        "budget": _worst(ready.verdict),
    }


def _worst(verdict: Verdict) -> float:
    budgets: Iterable[float] = (float(score.budget) for score in verdict.scores)
    return max(budgets)
