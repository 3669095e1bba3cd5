"""Every fault that is put into our kernel is refused, and with the right words."""

from __future__ import annotations

from dataclasses import replace

import pytest

import npu_kernels
from conformance.verdict.verdict import judge
from injections.backward import INJECTIONS_OF_THE_BACKWARD
from injections.chip import INJECTIONS as OF_THE_CHIP
from injections.gradients import INJECTIONS_OF_GRADIENTS
from injections.injection import Injection, faulty
from injections.scores import INJECTIONS_OF_SCORES
from npu_kernels.ascend_c.binding import CheckFailed
from reference import dense
from reference.bounds import error_bound
from reference.problem import Problem

INJECTIONS = (
    OF_THE_CHIP | INJECTIONS_OF_SCORES | INJECTIONS_OF_THE_BACKWARD | INJECTIONS_OF_GRADIENTS
)


def failures(kernel, problem: Problem) -> set[str]:
    """The tensors that the judge rejects."""
    contract = kernel.contract(problem)
    want = dense.attention(problem)
    allowed = error_bound(problem, contract, result=want)
    verdict = judge(kernel(problem), want, allowed, problem=problem, contract=contract)
    return {score.name for score in verdict.failures}


@pytest.mark.parametrize("name", [name for name, one in INJECTIONS.items() if one.by == "emulator"])
def test_the_emulator_refuses(name, tmp_path):
    injection = INJECTIONS[name]
    kernel = faulty(injection, tmp_path)
    with pytest.raises(CheckFailed) as report:
        kernel(injection.problem())
    missing = [text for text in injection.says if text not in str(report.value)]
    assert not missing, report.value


@pytest.mark.parametrize("name", [name for name, one in INJECTIONS.items() if one.by == "judge"])
def test_the_judge_rejects(name, tmp_path):
    injection = INJECTIONS[name]
    assert failures(faulty(injection, tmp_path), injection.problem()) >= set(injection.says)


def test_without_a_fault_every_question_is_answered_well():
    for injection in INJECTIONS.values():
        assert not failures(npu_kernels.emulated, injection.problem())


def test_after_a_refusal_the_library_runs_on(tmp_path):
    injection = INJECTIONS["tensor-not-freed"]
    kernel = faulty(injection, tmp_path)
    for _ in range(2):
        with pytest.raises(CheckFailed):
            kernel(injection.problem())
    fast = replace(kernel, options=replace(kernel.options, fast=True))
    with pytest.raises(CheckFailed):
        fast(injection.problem())
    assert not failures(npu_kernels.emulated, injection.problem())


@pytest.mark.parametrize("old", ["there is no such line", "    "])
def test_an_injection_that_does_not_apply_is_an_error(old, tmp_path):
    injection = Injection(file="forward/cube.h", old=old, new="", says=())
    with pytest.raises(ValueError, match=r"cube.h has \d+ times"):
        faulty(injection, tmp_path)
