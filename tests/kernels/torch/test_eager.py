"""Eager attention under the judge: right where it answers, and honest about where it does not."""

from __future__ import annotations

import numpy as np
import pytest

import npu_kernels
from conformance.cases.case import Case
from conformance.kernel import LoadedKernel
from conformance.verdict.ask import ask
from conformance.verdict.expected import Expected
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


def test_its_contract_is_no_wider_than_a_matrix_rounded():
    """DP's rounding counts as one unit roundoff of the format, spread over head_dim_v terms."""
    asked = problem()
    said = eager().contract(asked)
    extra = said.accumulator_roundoff - 2 * 2.0**-24
    assert extra * asked.head_dim_v == pytest.approx(BF16.unit_roundoff)
    assert said.longest_sum * said.accumulator_roundoff >= asked.max_seqlen_k * 2 * 2.0**-24


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
