"""Each workload: verified, then timed. Runs with --benchmark-only alone."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.bench import timed, verified
from conformance.kernel import Subject
from conformance.plugin import run_of
from conformance.record import BENCHMARK, VERDICT
from conformance.workloads import Workload


def test_workload(
    kernel: Subject, workload: Workload, benchmark: Any, request: pytest.FixtureRequest
) -> None:
    run = run_of(request.config)
    ready = verified(kernel, workload, seed=run.seed)
    request.node.stash[VERDICT] = ready.verdict
    if not ready.verdict.passes(strict=run.strict):
        pytest.fail(f"wrong, so it is not timed\n{ready.text}", pytrace=False)
    benchmark.group = workload.name if len(run.subjects) > 1 else workload.pass_
    facts = timed(ready, workload, benchmark, seed=run.seed)
    request.node.stash[BENCHMARK] = facts
    benchmark.extra_info.update(facts)
