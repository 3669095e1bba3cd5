"""How a workload is prepared, judged and timed, and the facts that stand beside its time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
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
from conformance.run.plain import from_json
from conformance.run.record import Benchmark, Modelled
from conformance.verdict.expected import Expected
from conformance.verdict.verdict import Verdict, judge
from reference.formats import FORMATS
from reference.problem import Problem

JUDGED = 2**31
"""Multiplications of q k that are judged: one key head always, more while they are no more."""


@dataclass(frozen=True, eq=False, kw_only=True)
class PreparedWorkload:
    """A launch that has run once, and what its result is judged by.

    Attributes
    ----------
    kernel : LoadedKernel
    problem : Problem
    launch : Launch
    heads : list of int
        Key heads that are judged.
    expected : Expected
        The problem of these heads alone, with the oracle's answer.
    """

    kernel: LoadedKernel
    problem: Problem
    launch: Launch
    heads: list[int]
    expected: Expected

    def verdict(self) -> Verdict:
        """The verdict on the last launch's result; what the kernel raises is not caught."""
        whole = checked(self.launch.result(), self.problem)
        got = take_result(whole, "heads", self.heads, group=self.problem.group)
        part, contract = self.expected.problem, self.kernel.contract(self.problem)
        allowed = self.expected.allowed(contract)
        return judge(got, self.expected.answer, allowed, problem=part, contract=contract)


def prepare(kernel: LoadedKernel, workload: Workload, *, seed: int) -> PreparedWorkload:
    """The workload, launched once; what the kernel raises is not caught."""
    problem = workload.case.problem(FORMATS[FORMAT], seed=seed)
    with unchanged(problem):
        launch = launch_of(kernel, problem)
        run(launch)
    heads = judged_heads(problem)
    part = Expected(problem=take(problem, "heads", heads))
    return PreparedWorkload(
        kernel=kernel, problem=problem, launch=launch, heads=heads, expected=part
    )


def judged_heads(problem: Problem) -> list[int]:
    """Indices of the key heads that are judged: evenly spread, the last one among them."""
    of_head = problem.group * int(np.dot(problem.seqlens_q, problem.seqlens_k)) * problem.head_dim
    count = min(problem.heads_k, max(1, JUDGED // of_head))
    return [(i + 1) * problem.heads_k // count - 1 for i in range(count)]


def time_rounds(benchmark: Any, prepared: PreparedWorkload) -> None:
    """Time the launch by pytest-benchmark's fixture `benchmark`, in as many rounds as it is told.

    On an emulator one round is timed: its time says nothing about a device, and spread even less.
    """
    launch = partial(run, prepared.launch)
    if prepared.kernel.device == "emulator":
        benchmark.pedantic(launch, rounds=1)
    else:
        benchmark(launch)


def facts(
    prepared: PreparedWorkload, verdict: Verdict, workload: Workload, stats: Any, *, seed: int
) -> Benchmark:
    """The Benchmark of a workload: times in seconds, memory in bytes, rates in GFLOP/s.

    Parameters
    ----------
    verdict : Verdict
        The verdict on the last launch that was timed.
    stats : statistics of the rounds by pytest-benchmark, in seconds
    """
    kernel, problem, launch = prepared.kernel, prepared.problem, prepared.launch
    memory, note = peak_memory(kernel, workload, problem, launch, seed=seed)
    count, matmul = flops(problem), roofline.gflops(problem, kernel.device)
    gflops = count / stats.median / 1e9
    modelled: Callable[[], Mapping[str, object]] | None = getattr(launch, "modelled", None)
    return Benchmark(
        workload=workload.id,
        pass_=workload.pass_,
        causal=workload.causal,
        seconds_median=stats.median,
        seconds_min=stats.min,
        seconds_iqr=stats.iqr,
        flops=count,
        bytes=bytes_moved(problem),
        gflops=gflops,
        matmul_gflops=matmul,
        matmul_fraction=None if matmul is None else gflops / matmul,
        copy_gbytes=roofline.gbytes(kernel.device),
        peak_memory_bytes=memory,
        peak_memory_note=note,
        tokens_per_second=_tokens_per_second(workload, stats.median),
        ratio=max(float(tensor.ratio) for tensor in verdict.tensors),
        judged=f"{len(prepared.heads)} of {problem.heads_k} key heads",
        device=kernel.device,
        processor=processor(kernel.device),
        libraries=libraries(),
        prepared=not isinstance(launch, Called),
        scaled_down=workload.scaled_down,
        modelled=None
        if modelled is None
        else {chip: from_json(Modelled, time) for chip, time in modelled().items()},
    )


def line(measured: Benchmark) -> str:
    """The facts that are printed as soon as a workload is timed."""
    milliseconds = 1e3 * measured.seconds_median
    return f"{milliseconds:8.3g} ms, worst error / allowed {measured.ratio:.2g}"


def _tokens_per_second(workload: Workload, seconds: float) -> float:
    """Tokens per second of the real workload, if time grows as the number of multiplications."""
    real = workload.real or workload
    return real.tokens / (seconds * workload.scaled_down)
