"""Rules of acceptance are what their sources say, and see the same answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from conformance.kernel import LoadedKernel, load
from conformance.standards.acceptance import (
    OURS,
    RULES,
    accepts,
    baseline_of,
    count_rejections,
    is_close,
    within_twice,
)
from conformance.verdict.ask import ask
from conformance.verdict.error import Compared
from conformance.verdict.expected import Expected
from conformance.verdict.verdict import judge
from reference.formats import BF16, FP16, FP32, FP64
from reference.problem import Problem, Unsupported


@pytest.fixture
def expected():
    rng = np.random.default_rng(0)
    q, k, v, dout = (BF16.round(rng.normal(size=(1, 40, 2, 16))) for _ in range(4))
    return Expected(problem=Problem(q=q, k=k, v=v, dout=dout, format=BF16))


@pytest.mark.parametrize("format", [FP16, BF16, FP32, FP64], ids=lambda format: format.name)
@pytest.mark.parametrize(("factor", "accepted"), [(0.9, True), (1.1, False)])
@pytest.mark.parametrize("want", [0.0, 1.0, -256.0])
def test_closeness_is_decided_by_torchs_own_defaults(format, factor, accepted, want):
    torch = pytest.importorskip("torch")
    dtype = getattr(torch, {"fp16": "float16", "bf16": "bfloat16"}.get(format.name, "float64"))
    dtype = torch.float32 if format == FP32 else dtype
    rtol, atol = torch.testing._comparison.default_tolerances(dtype)
    got = np.array([want + factor * (atol + rtol * abs(want))])
    assert is_close(compared(got, np.array([want]), format)) == accepted


def test_nan_is_close_to_nothing_and_equal_infinities_are():
    nan, inf = np.array([np.nan]), np.array([np.inf])
    assert not is_close(compared(nan, nan, BF16))
    assert is_close(compared(inf, inf, BF16))


@pytest.mark.parametrize(("error", "accepted"), [(2.0, True), (2.5, False), (np.nan, False)])
def test_twice_a_baselines_largest_error_is_accepted_and_no_more(error, accepted):
    want = np.zeros(3)
    assert within_twice(np.array([0, error, 0]), want, np.array([0, 0, -1.0]), FP32) == accepted


def test_a_right_kernel_is_counted_as_accepted_by_our_rule(expected):
    counts = count_rejections([load("conformance.kernel:oracle")], expected)
    assert counts[OURS] == (0, 1)
    assert counts.keys() == RULES.keys()


def test_a_kernel_that_declines_is_not_counted(expected):
    def declines(problem):
        raise Unsupported("everything")

    kernel = LoadedKernel(spec="", name="declines", function=declines)
    assert set(count_rejections([kernel], expected).values()) == {(0, 0)}


def test_no_rule_accepts_a_missing_tensor(expected):
    whole = ask(load("conformance.kernel:oracle"), expected)
    verdict = judge(
        replace(whole.got, dq=None),
        expected.answer,
        expected.allowed(whole.contract),
        problem=expected.problem,
    )
    assert not any(accepts(verdict, expected, baseline_of(expected.problem)).values())


def compared(got, want, format):
    """Two tensors as the judge compares them."""
    nothing = np.zeros_like(want)
    return Compared(format=format, got=got, want=want, error=nothing, ratio=nothing, sigma=nothing)
