"""Fixtures of the accuracy tests; the plugin says which kernels and questions there are."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conformance.golden import records, suite
from conformance.kernel import Subject
from conformance.plugin import run_of
from conformance.run.record import VERDICT
from conformance.verdict import expected
from conformance.verdict.expected import Question
from conformance.verdict.explain import explain
from conformance.verdict.verdict import Verdict


@pytest.fixture
def question(request: pytest.FixtureRequest) -> Question:
    """The problem of this test with the oracle's answer, which other kernels share."""
    case, format = request.param
    return expected.question(case, format, run_of(request.config).seed)


@pytest.fixture
def conclude(request: pytest.FixtureRequest, question: Question) -> Callable[[Verdict], None]:
    """Keeps a verdict for the report, and fails the test with its text if it does not pass."""

    def keep(verdict: Verdict) -> None:
        request.node.stash[VERDICT] = verdict
        if not verdict.passes(strict=run_of(request.config).strict):
            case, _ = request.node.callspec.params["question"]
            text = explain(verdict, question.problem)
            pytest.fail(f"{text}\nasked because: {case.why}", pytrace=False)

    return keep


@pytest.fixture
def ratchet(request: pytest.FixtureRequest, kernel: Subject) -> Callable[[Verdict], None]:
    """Fails the test if a kernel uses more than twice the budget that its record says."""
    case, format = request.node.callspec.params["question"]

    def hold(verdict: Verdict) -> None:
        if lines := records.beyond(verdict, suite.recorded(kernel, case.id, format)):
            heal = f"python -m conformance.golden --kernel {kernel.spec} --write"
            lines.append(f"if that is meant: {heal}")
            pytest.fail("\n".join(lines), pytrace=False)

    return hold
