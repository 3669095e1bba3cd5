"""Each workload: verified, then timed. Runs with --benchmark-only alone."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.bench import prepared, timed
from conformance.kernel import Subject
from conformance.plugin import run_of
from conformance.record import BENCHMARK, VERDICT
from conformance.workloads import Workload


def test_workload(
    kernel: Subject, workload: Workload, benchmark: Any, request: pytest.FixtureRequest
) -> None:
    run, node = run_of(request.config), request.node
    ready = prepared(kernel, workload, seed=run.seed)
    node.stash[VERDICT] = verdict = ready.verdict()
    if not verdict.passes(strict=run.strict):
        pytest.fail(f"wrong, so it is not timed\n{ready.told(verdict)}", pytrace=False)
    benchmark.group = workload.name if len(run.subjects) > 1 else workload.pass_
    facts = timed(ready, verdict, workload, benchmark, seed=run.seed)
    node.stash[VERDICT] = last = ready.verdict()
    if not last.passes(strict=run.strict):
        benchmark.has_error = True  # its times are not saved
        pytest.fail(f"right at first, wrong when timed\n{ready.told(last)}", pytrace=False)
    node.stash[BENCHMARK] = facts
    benchmark.extra_info.update(facts)
