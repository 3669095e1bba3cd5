"""Fixtures of the suite's tests; the plugin says which kernels and cases there are."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conformance.cases.faults import caught
from conformance.golden import records
from conformance.golden.sets import recorded
from conformance.kernel import LoadedKernel
from conformance.plugin import run_of
from conformance.run.outcome import Outcome
from conformance.verdict.expected import Expected
from conformance.verdict.verdict import Verdict


@pytest.fixture
def outcome() -> Outcome:
    """What this test leaves for the report and for the end of the run."""
    return Outcome()


@pytest.fixture
def expected(request: pytest.FixtureRequest) -> Expected:
    """The problem of this test with the oracle's answer, which other kernels share."""
    case, format = request.param
    return run_of(request.config).shared.expected(case, format)


@pytest.fixture
def conclude(
    request: pytest.FixtureRequest, kernel: LoadedKernel, expected: Expected, outcome: Outcome
) -> Callable[[Verdict], None]:
    """Keeps a verdict for the report, and fails the test with its text if it does not pass."""
    case, _ = request.node.callspec.params["expected"]
    run, notes = run_of(request.config), [f"why this case: {case.why}", *caught(case.catches)]
    alone = request.node.get_closest_marker("backward_alone") is not None

    def keep(verdict: Verdict) -> None:
        if verdict.failures:
            notes[:0] = run.shared.again(kernel, expected, verdict, backward_alone=alone)
        outcome.conclude(verdict, expected.problem, strict=run.strict, notes=notes)

    return keep


@pytest.fixture
def ratchet(request: pytest.FixtureRequest, kernel: LoadedKernel) -> Callable[[Verdict], None]:
    """Fails the test if a kernel uses more than twice the ratio that its record says."""
    case, format = request.node.callspec.params["expected"]
    record = run_of(request.config).shared.golden_record(kernel)

    def hold(verdict: Verdict) -> None:
        if lines := records.beyond(verdict, recorded(record, case.id, format)):
            heal = f"python -m conformance.golden --kernel {kernel.spec} --write"
            lines.append(f"if that is meant: {heal}")
            pytest.fail("\n".join(lines), pytrace=False)

    return hold
