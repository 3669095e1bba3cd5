"""Each workload: verified, then timed. Runs with --benchmark-only alone."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.benchmark.measure import PreparedWorkload, facts, line, prepare, time_rounds
from conformance.benchmark.progress import TIMED
from conformance.benchmark.workloads import Workload
from conformance.kernel import LoadedKernel
from conformance.plugin import run_of
from conformance.run.record import BENCHMARK, VERDICT
from conformance.verdict.verdict import Verdict


def test_workload(
    kernel: LoadedKernel, workload: Workload, benchmark: Any, request: pytest.FixtureRequest
) -> None:
    run, node = run_of(request.config), request.node
    prepared = prepare(kernel, workload, seed=run.seed)
    benchmark.has_error = True  # pytest-benchmark then saves no times, unless all below is right
    benchmark.group = workload.name if len(run.kernels) > 1 else workload.pass_
    verify(prepared, request, headline="wrong, so it is not timed")
    time_rounds(benchmark, prepared)
    last = verify(prepared, request, headline="right at first, wrong when timed")
    measured = facts(prepared, last, workload, benchmark.stats.stats, seed=run.seed)
    node.stash[BENCHMARK] = measured
    node.user_properties.append((TIMED, line(measured)))
    benchmark.extra_info.update(measured)
    benchmark.has_error = False


def verify(prepared: PreparedWorkload, request: pytest.FixtureRequest, *, headline: str) -> Verdict:
    """The verdict on the last launch, kept for the report; the test fails if it does not pass."""
    request.node.stash[VERDICT] = verdict = prepared.verdict()
    if not verdict.passes(strict=run_of(request.config).strict):
        pytest.fail(f"{headline}\n{prepared.explained(verdict)}", pytrace=False)
    return verdict
