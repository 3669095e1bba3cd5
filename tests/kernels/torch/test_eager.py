"""Eager attention under the judge: right where it answers, and honest about where it does not."""

from __future__ import annotations

import numpy as np
import pytest

import npu_kernels
from conformance.cases.case import Case
from conformance.kernel import LoadedKernel
from conformance.verdict.ask import ask
from conformance.verdict.expected import Expected
from conformance.verdict.verdict import judge
from reference.formats import BF16, FORMATS, FP16
from reference.problem import Unsupported


def eager() -> LoadedKernel:
    return LoadedKernel(spec="", name="eager", function=npu_kernels.eager)


def problem(format=BF16, **asked):
    return Case("eager", "", seqlen_q=33, heads_q=4, heads_k=2, **asked).problem(format)


@pytest.mark.parametrize("format", ["fp16", "bf16", "fp32", "fp64"])
@pytest.mark.parametrize("window", [(None, None), (None, 0), (5, 2)])
def test_it_keeps_its_contract(format, window):
    verdict = ask(eager(), Expected(problem=problem(FORMATS[format], window=window)))
    assert verdict.passes(), verdict.failures


@pytest.mark.parametrize("family", ["uniform", "mean-v"])
@pytest.mark.parametrize("format", [FP16, BF16], ids=lambda one: one.name)
def test_its_rounding_of_dp_is_no_suspicion_because_its_contract_says_so(family, format):
    asked = problem(format, seqlen_k=257, family=family)
    expected, said = Expected(problem=asked), eager().contract(asked)
    for contract, passes in ((said, True), (said.replace(dweights=None), False)):
        allowed = expected.allowed(contract)
        verdict = judge(eager()(asked), expected.answer, allowed, problem=asked, contract=contract)
        assert verdict.passes(strict=True) == passes


@pytest.mark.parametrize(
    ("format", "factor", "why"),
    [
        (FP16, 1000.0, "scores rounded to fp16 may be off by"),
        (BF16, 2.0**-120, "flushes their products"),
    ],
)
def test_what_rounding_makes_meaningless_is_declined(format, factor, why):
    asked = problem(format)
    with pytest.raises(Unsupported, match=why):
        npu_kernels.eager(asked.replace(q=format.round(asked.q * np.float32(factor))))


def test_it_is_prepared_once_and_launched_often():
    asked = problem()
    launch = npu_kernels.eager.prepare(asked)
    for _ in range(2):
        launch.launch()
        launch.synchronize()
    once = npu_kernels.eager(asked)
    for name, tensor in launch.result().tensors():
        assert np.array_equal(tensor, getattr(once, name)), name
