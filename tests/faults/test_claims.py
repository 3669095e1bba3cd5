"""Cases catch what they say: the judge rejects each broken kernel, and accepts the whole one.

The suite's power is a tested number: every fault of the catalogue has a broken kernel, and some
case catches it in each format in which it is a fault.
"""

from __future__ import annotations

import pytest

from conformance.cases import all_cases
from conformance.cases.case import Case
from conformance.cases.faults import FAULTS
from conformance.run.shared import Shared
from conformance.verdict.verdict import Verdict, judge
from faults import MUTANTS
from faults.host_kernel import Host
from reference.contract import Contract
from reference.mask import Mask
from reference.problem import Problem

WHOLE = "whole"  # stands for the kernel that has no fault
SHARED = Shared(seed=0, tier="default", threads=None)
CASES = [case for case in all_cases() if case.catches]
CLAIMS = [
    pytest.param(small, format, fault, id=f"{case.id}-{format}-{fault}")
    for case, small in ((case, case.variant()) for case in CASES)
    for format in case.formats
    for fault in (WHOLE, *case.catches)
    if fault == WHOLE or (fault in FAULTS and format in FAULTS[fault].formats)
]


def sibling(problem: Problem) -> Problem:
    """Another question with the same queries: half of the keys, another scale, another mask."""
    causal = problem.mask.window == (None, 0)
    half = slice(0, problem.max_seqlen_k // 2)
    return problem.replace(
        k=problem.k[:, half],
        v=problem.v[:, half],
        scale=2 * problem.scale,
        mask=Mask() if causal else Mask(window=(None, 0)),
    )


def verdict(fault: str, case: Case, format: str) -> Verdict:
    """What the judge says of a kernel: after a sibling question, where the case is about that."""
    expected = SHARED.expected(case, format)
    kernel = Host() if fault == WHOLE else MUTANTS[fault]()
    if any(FAULTS[name].needs_two_calls for name in {fault, *case.catches} & FAULTS.keys()):
        kernel(sibling(expected.problem))
    return judge(
        kernel(expected.problem),
        expected.answer,
        expected.allowed(Contract()),
        problem=expected.problem,
        contract=Contract(),
    )


def is_strict(fault: str, case: Case, format: str) -> bool:
    """Whether the claim is about the statistics; then the whole kernel must satisfy them too."""
    faults = case.catches if fault == WHOLE else (fault,)
    return any(format in FAULTS[name].strict_only for name in faults if name in FAULTS)


@pytest.mark.parametrize(("case", "format", "fault"), CLAIMS)
def test_the_judge_rejects_what_a_case_catches_and_accepts_the_whole_kernel(
    case: Case, format: str, fault: str
) -> None:
    passes = verdict(fault, case, format).passes(strict=is_strict(fault, case, format))
    assert passes == (fault == WHOLE)


def test_cases_catch_nothing_but_faults_of_the_catalogue() -> None:
    assert {fault for case in CASES for fault in case.catches} <= FAULTS.keys()


def test_every_fault_has_a_broken_kernel() -> None:
    assert MUTANTS.keys() == FAULTS.keys()


@pytest.mark.parametrize("fault", FAULTS)
def test_some_case_catches_each_fault_in_every_format_of_it(fault: str) -> None:
    caught = {format for case in CASES if fault in case.catches for format in case.formats}
    assert caught >= set(FAULTS[fault].formats)


def test_each_claim_is_made_once() -> None:
    assert all(len(set(case.catches)) == len(case.catches) for case in CASES)
