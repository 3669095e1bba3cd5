"""Each workload: verified, then timed. Runs with --benchmark-only alone."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from conformance.benchmark.measure import facts, prepare, time_rounds
from conformance.benchmark.workloads import Workload
from conformance.kernel import LoadedKernel
from conformance.plugin import run_of
from conformance.run.outcome import Outcome
from conformance.run.plain import to_json


def test_workload(
    kernel: LoadedKernel,
    workload: Workload,
    benchmark: Any,
    outcome: Outcome,
    request: pytest.FixtureRequest,
) -> None:
    run = run_of(request.config)
    prepared = prepare(kernel, workload, seed=run.seed)
    conclude = partial(outcome.conclude, problem=prepared.expected.problem, strict=run.strict)
    benchmark.has_error = True  # pytest-benchmark then saves no times, unless all below is right
    benchmark.group = workload.name if len(run.kernels) > 1 else workload.pass_
    conclude(prepared.verdict(), headline="wrong, so it is not timed")
    time_rounds(benchmark, prepared)
    last = prepared.verdict()
    conclude(last, headline="right at first, wrong when timed")
    outcome.benchmark = facts(prepared, last, workload, benchmark.stats.stats, seed=run.seed)
    benchmark.extra_info.update(to_json(outcome.benchmark))
    benchmark.has_error = False
