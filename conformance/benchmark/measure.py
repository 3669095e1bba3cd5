"""How a workload is made ready to be timed and judged, and what is told beside its time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from conformance.benchmark import roofline
from conformance.benchmark.flops import bytes_moved, flops
from conformance.benchmark.machine import libraries, processor
from conformance.benchmark.peak_memory import peak_memory
from conformance.benchmark.workloads import FORMAT, Workload
from conformance.kernel import LoadedKernel, checked, unchanged
from conformance.kernel.launch import Called, Launch, launch_of, run
from conformance.laws.transform import take, take_result
from conformance.run.record import Record
from conformance.verdict.expected import Expected
from conformance.verdict.explain import explain
from conformance.verdict.verdict import Verdict, judge
from reference.formats import FORMATS
from reference.problem import Problem

JUDGED = 2**31
"""Multiplications of q k that are judged: one key head always, more while they are no more."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Ready:
    """A launch that has run once, and what its result is judged by.

    Attributes
    ----------
    kernel : LoadedKernel
    problem : Problem
    launch : Launch
    heads : list of int
        Key heads that are judged.
    question : Expected
        Of these heads.
    """

    kernel: LoadedKernel
    problem: Problem
    launch: Launch
    heads: list[int]
    expected: Expected

    def verdict(self) -> Verdict:
        """On what the last launch gave; whatever the kernel raises comes through."""
        whole = checked(self.launch.result())
        got = take_result(whole, "heads", self.heads, group=self.problem.group)
        part, contract = self.expected.problem, self.kernel.contract(self.problem)
        allowed = self.expected.allowed(contract)
        return judge(got, self.expected.answer, allowed, problem=part, contract=contract)

    def told(self, verdict: Verdict) -> str:
        """The verdict in words."""
        return explain(verdict, self.expected.problem)


def prepared(kernel: LoadedKernel, workload: Workload, *, seed: int) -> Ready:
    """The workload, launched once; whatever the kernel raises comes through."""
    problem = workload.case.problem(FORMATS[FORMAT], seed=seed)
    with unchanged(problem):
        launch = launch_of(kernel, problem)
        run(launch)
    heads = judged_heads(problem)
    part = Expected(problem=take(problem, "heads", heads))
    return Ready(kernel=kernel, problem=problem, launch=launch, heads=heads, expected=part)


def judged_heads(problem: Problem) -> list[int]:
    """Key heads that are judged: evenly spread, the last among them."""
    of_head = problem.group * int(np.dot(problem.seqlens_q, problem.seqlens_k)) * problem.head_dim
    count = min(problem.heads_k, max(1, JUDGED // of_head))
    return [(i + 1) * problem.heads_k // count - 1 for i in range(count)]


def facts(ready: Ready, verdict: Verdict, workload: Workload, stats: Any, *, seed: int) -> Record:
    """What schema.json calls "benchmark".

    Parameters
    ----------
    verdict : Verdict
        On the last launch that was timed.
    stats : pytest-benchmark's, of the rounds
    """
    kernel, problem, launch = ready.kernel, ready.problem, ready.launch
    memory, note = peak_memory(kernel, workload, problem, launch, seed=seed)
    done, against = flops(problem), roofline.gflops(problem, kernel.device)
    gflops = done / stats.median / 1e9
    modelled: Callable[[], Record] | None = getattr(launch, "modelled", None)
    return {
        "workload": workload.id,
        "pass": workload.pass_,
        "causal": workload.causal,
        "seconds_median": stats.median,
        "seconds_min": stats.min,
        "seconds_iqr": stats.iqr,
        "flops": done,
        "bytes": bytes_moved(problem),
        "gflops": gflops,
        "matmul_gflops": against,
        "matmul_fraction": None if against is None else gflops / against,
        "copy_gbytes": roofline.gbytes(kernel.device),
        "peak_memory_bytes": memory,
        "peak_memory_note": note,
        "tokens_per_second": _tokens_per_second(workload, stats.median),
        "ratio": max(float(score.ratio) for score in verdict.tensors),
        "judged": f"{len(ready.heads)} of {problem.heads_k} key heads",
        "device": kernel.device,
        "processor": processor(kernel.device),
        "libraries": libraries(),
        "prepared": not isinstance(launch, Called),
        "scaled_down": workload.scaled_down,
        "modelled": None if modelled is None else modelled(),
    }


def _tokens_per_second(workload: Workload, seconds: float) -> float:
    """Of the real workload, if its time is to that of the timed one as their products are."""
    real = workload.real or workload
    return real.tokens / (seconds * workload.scaled_down)
