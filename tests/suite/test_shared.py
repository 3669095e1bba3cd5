"""What the tests of one run share, and what one of them leaves for the report."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.cases import all_cases
from conformance.cases.faults import FAULTS, caught
from conformance.kernel import LoadedKernel, oracle
from conformance.run.outcome import Outcome
from conformance.run.shared import Shared
from conformance.verdict.again import MOST
from conformance.verdict.ask import ask, ask_backward
from reference.problem import Problem, Result

CASE = next(case for case in all_cases() if case.tier == "smoke")


@pytest.fixture
def shared() -> Shared:
    return Shared(seed=0, tier="smoke", threads=1)


def test_all_kernels_meet_one_problem_and_one_answer(shared: Shared) -> None:
    expected = shared.expected(CASE, "fp16")
    assert shared.expected(CASE, "fp16") is expected
    assert shared.expected(CASE, "fp32") is not expected


def test_a_problem_that_a_kernel_wrote_into_is_made_anew(shared: Shared) -> None:
    first = shared.expected(CASE, "fp16").problem
    whole = first.q.copy()
    first.q[:] = 0
    shared.forget_problems()
    assert np.array_equal(shared.expected(CASE, "fp16").problem.q, whole)


def test_a_failure_is_kept_with_its_verdict_and_its_likely_cause(shared: Shared) -> None:
    expected, outcome = shared.expected(CASE, "fp16"), Outcome()
    zeros = LoadedKernel(
        spec="s", name="n", function=lambda problem: oracle(problem.replace(v=0 * problem.v))
    )
    verdict = ask(zeros, expected)
    with pytest.raises(pytest.fail.Exception, match=r"^first\nout: [\s\S]*\nlast$"):
        outcome.conclude(verdict, expected.problem, strict=False, headline="first", notes=["last"])
    assert outcome.verdict is verdict


def test_a_kernels_first_failures_are_looked_at_again_alone_or_with_the_oracles_statistics(
    shared: Shared,
) -> None:
    expected = shared.expected(CASE, "fp16")

    def zeros(problem: Problem, *statistics: object) -> Result:
        given = oracle(problem).tensors()
        return Result(**{name: 0 * x for name, x in given if name[0] == "d" or not statistics})

    zeros.backward = zeros  # type: ignore[attr-defined]
    kernel = LoadedKernel(spec="s", name="n", function=zeros)
    for ask_of, alone in ((ask, False), (ask_backward, True)):
        verdict = ask_of(kernel, expected)
        lines = shared.again(kernel, expected, verdict, backward_alone=alone)
        assert lines == ["asked again: the same again"]
    for _ in range(MOST - 2):
        assert shared.again(kernel, expected, verdict, backward_alone=True)
    assert shared.again(kernel, expected, verdict, backward_alone=True) == []


def test_a_verdict_that_passes_is_kept_without_a_failure(shared: Shared) -> None:
    expected, outcome = shared.expected(CASE, "fp16"), Outcome()
    right = LoadedKernel(spec="s", name="n", function=oracle)
    outcome.conclude(ask(right, expected), expected.problem, strict=False)
    assert outcome.verdict is not None and outcome.likely == ""


def test_a_failure_names_three_faults_that_its_case_catches_and_counts_the_others() -> None:
    ids = list(FAULTS)[:5]
    lines = caught(ids)
    first = FAULTS[ids[0]]
    assert lines[0] == f"this case catches: {first.what}; seen: {first.seen}"
    assert len(lines) == 4 and lines[-1] == "and 2 more"
    assert caught(ids[:3]) == lines[:3] and caught([]) == []
