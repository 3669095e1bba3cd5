"""Fixtures of the accuracy tests; the plugin says which kernels and questions there are."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conformance.golden import records, suite
from conformance.kernel import LoadedKernel
from conformance.plugin import run_of
from conformance.run.record import VERDICT
from conformance.verdict.expected import Expected, expect
from conformance.verdict.explain import explain
from conformance.verdict.verdict import Verdict


@pytest.fixture
def expected(request: pytest.FixtureRequest) -> Expected:
    """The problem of this test with the oracle's answer, which other kernels share."""
    case, format = request.param
    return expect(case, format, run_of(request.config).seed)


@pytest.fixture
def conclude(request: pytest.FixtureRequest, expected: Expected) -> Callable[[Verdict], None]:
    """Keeps a verdict for the report, and fails the test with its text if it does not pass."""

    def keep(verdict: Verdict) -> None:
        request.node.stash[VERDICT] = verdict
        if not verdict.passes(strict=run_of(request.config).strict):
            case, _ = request.node.callspec.params["expected"]
            text = explain(verdict, expected.problem)
            pytest.fail(f"{text}\nasked because: {case.why}", pytrace=False)

    return keep


@pytest.fixture
def ratchet(request: pytest.FixtureRequest, kernel: LoadedKernel) -> Callable[[Verdict], None]:
    """Fails the test if a kernel uses more than twice the ratio that its record says."""
    case, format = request.node.callspec.params["expected"]

    def hold(verdict: Verdict) -> None:
        if lines := records.beyond(verdict, suite.recorded(kernel, case.id, format)):
            heal = f"python -m conformance.golden --kernel {kernel.spec} --write"
            lines.append(f"if that is meant: {heal}")
            pytest.fail("\n".join(lines), pytrace=False)

    return hold
