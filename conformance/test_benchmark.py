"""Each workload: verified, then timed. Runs with --benchmark-only alone."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from conformance.benchmark.measure import facts, prepared
from conformance.benchmark.workloads import Workload
from conformance.kernel import LoadedKernel
from conformance.kernel.launch import run
from conformance.plugin import run_of
from conformance.run.record import BENCHMARK, VERDICT


def test_workload(
    kernel: LoadedKernel, workload: Workload, benchmark: Any, request: pytest.FixtureRequest
) -> None:
    asked, node = run_of(request.config), request.node
    ready = prepared(kernel, workload, seed=asked.seed)
    node.stash[VERDICT] = first = ready.verdict()
    benchmark.has_error = True  # times are saved only of what is right to the end
    if not first.passes(strict=asked.strict):
        pytest.fail(f"wrong, so it is not timed\n{ready.told(first)}", pytrace=False)
    benchmark.group = workload.name if len(asked.kernels) > 1 else workload.pass_
    benchmark(partial(run, ready.launch))
    node.stash[VERDICT] = last = ready.verdict()
    if not last.passes(strict=asked.strict):
        pytest.fail(f"right at first, wrong when timed\n{ready.told(last)}", pytrace=False)
    told = facts(ready, last, workload, benchmark.stats.stats, seed=asked.seed)
    node.stash[BENCHMARK] = told
    benchmark.extra_info.update(told)
    benchmark.has_error = False
