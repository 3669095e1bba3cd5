"""The definition is right: against mpmath at 50 digits, and against torch's own derivatives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from mpmath import mp
from support.strategies import UNHURRIED, numbers, problems

from oracle.exact import DIGITS, attention, gradients, multiprecise
from oracle.float64_error import float64_error
from oracle.formula import torch_attention
from reference import dense
from reference.dropout import Dropout
from reference.formats import BF16, FP16, FP32, FP64, Array
from reference.mask import Mask
from reference.problem import Problem

RNG_SEED = 20


def small(**changes: object) -> Problem:
    """Two sequences, two query heads on one key head, with gradients."""
    rng = np.random.default_rng(RNG_SEED)
    format = changes.pop("format", FP64)
    shape_q, shape_k = changes.pop("lengths", (3, 4))
    given = {
        "q": numbers(rng, format, 2, shape_q, 2, 2),
        "k": numbers(rng, format, 2, shape_k, 1, 2),
        "v": numbers(rng, format, 2, shape_k, 1, 1),
        "dout": numbers(rng, format, 2, shape_q, 2, 1),
        "format": format,
    }
    return Problem(**(given | changes))


def packed(**changes: object) -> Problem:
    """Sequences of 2, 0 and 3 queries on 1, 2 and 4 keys."""
    rng = np.random.default_rng(RNG_SEED)
    given = {
        "q": numbers(rng, FP64, 5, 2, 2),
        "k": numbers(rng, FP64, 7, 1, 2),
        "v": numbers(rng, FP64, 7, 1, 2),
        "dout": numbers(rng, FP64, 5, 2, 2),
        "cu_seqlens_q": np.array([0, 2, 2, 5]),
        "cu_seqlens_k": np.array([0, 1, 3, 7]),
        "format": FP64,
    }
    return Problem(**(given | changes))


def ramp(*shape: int) -> Array:
    """Numbers from -1 to 1, exact in every format, no two rows alike."""
    count = int(np.prod(shape))
    return ((np.arange(count) * 5 % 17 - 8) / 8).reshape(shape)


def with_hole(array: Array) -> Array:
    """A bias that hides its first pair."""
    array = array.copy()
    array.flat[0] = -np.inf
    return array


SIDE = {"sink": np.array([0.5, -1.0]), "slopes": np.array([0.25, 0.5])}
KEEP = ramp(2, 2, 3, 4) > -0.5
CASES = {
    "plain": small(),
    "fp16": small(format=FP16),
    "bf16": small(format=BF16),
    "fp32": small(format=FP32),
    "scale": small(scale=-3.5),
    "causal": small(mask=Mask(window=(None, 0))),
    "causal, dead rows": small(lengths=(4, 2), mask=Mask(window=(None, 0))),
    "top-left": small(mask=Mask(window=(None, 0), anchor="top-left")),
    "window": small(mask=Mask(window=(1, 0))),
    "negative window": small(mask=Mask(window=(3, -1)), sink=SIDE["sink"]),
    "prefix": small(mask=Mask(window=(None, -1), prefix=(1, 2))),
    "keep": small(mask=Mask(keep=KEEP)),
    "bias": small(bias=ramp(2, 2, 3, 4)),
    "bias for each key": small(bias=with_hole(ramp(1, 2, 1, 4))),
    "bias for each query": small(bias=ramp(3, 1)),
    "softcap": small(softcap=1.5),
    "alibi": small(slopes=ramp(2, 2)),
    "sink": small(sink=SIDE["sink"]),
    "dlse": small(dlse=ramp(2, 2, 3)),
    "dropout": small(dropout=Dropout(p=0.3, seed=2**40 + 7, offset=2**33 + 1)),
    "dropout bits": small(dropout=Dropout(p=0.5, bits=np.arange(90, 96, dtype=np.uint8))),
    "no keys": small(lengths=(2, 0)),
    "no keys, sink": small(lengths=(2, 0), sink=SIDE["sink"], dlse=ramp(2, 2, 2)),
    "no queries, dropout": small(lengths=(0, 3), dropout=Dropout(p=0.5)),
    "packed": packed(mask=Mask(window=(1, 0)), bias=ramp(3, 1, 3, 4), dlse=ramp(2, 5)),
    "packed, all": packed(
        mask=Mask(window=(2, 0), prefix=(0, 1, 2), keep=ramp(3, 2, 1, 4) > -0.9),
        bias=with_hole(ramp(2, 3, 1)),
        softcap=2.0,
        dropout=Dropout(p=0.25, seed=9),
        dlse=ramp(2, 5),
        **SIDE,
    ),
    "all": small(
        mask=Mask(window=(None, 0), anchor="top-left", prefix=1, keep=KEEP),
        bias=with_hole(ramp(2, 1, 3, 4)),
        softcap=2.0,
        dropout=Dropout(p=0.25, seed=9),
        dlse=ramp(2, 2, 3),
        **SIDE,
    ),
}


def assert_within(got: Array, want: Array, allowed: Array) -> None:
    """Where infinite, the same; elsewhere within what is allowed."""
    assert got.shape == want.shape
    finite = np.isfinite(want.astype(np.float64))
    np.testing.assert_array_equal(got[~finite], want[~finite].astype(np.float64))
    with mp.workdps(DIGITS):
        errors = [abs(g - w) for g, w in zip(got[finite], want[finite], strict=True)]
    assert all(e <= a for e, a in zip(errors, allowed[finite], strict=True))


@pytest.mark.parametrize("name", CASES)
def test_out_and_lse_are_those_of_fifty_digits(name: str) -> None:
    problem = CASES[name]
    got, allowed = dense.attention(problem), float64_error(problem)
    with mp.workdps(DIGITS):
        out, lse = attention(problem, multiprecise(problem))
    assert_within(got.out, out, allowed.out)
    assert_within(got.lse, lse, allowed.lse)


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_differences_of_fifty_digits(name: str) -> None:
    problem = CASES[name]
    got, allowed = dense.attention(problem), float64_error(problem)
    with mp.workdps(DIGITS):
        want = gradients(problem)
    for tensor, slope in want.items():
        assert_within(getattr(got, tensor), slope, getattr(allowed, tensor))


@settings(UNHURRIED, max_examples=60)
@given(problems(max_seqlen=4, max_heads=2))
def test_out_and_lse_are_those_of_fifty_digits_whatever_meets(problem: Problem) -> None:
    got, allowed = dense.attention(problem), float64_error(problem)
    with mp.workdps(DIGITS):
        out, lse = attention(problem, multiprecise(problem))
    assert_within(got.out, out, allowed.out)
    assert_within(got.lse, lse, allowed.lse)


@settings(UNHURRIED, max_examples=150)
@given(problems())
def test_everything_is_what_torch_derives_whatever_meets(problem: Problem) -> None:
    got, allowed = dense.attention(problem), float64_error(problem)
    want = torch_attention(problem)
    assert [name for name, _ in got.tensors()] == [name for name, _ in want.tensors()]
    for name, tensor in want.tensors():
        assert_within(getattr(got, name), tensor, 2 * getattr(allowed, name))  # each errs so far


def test_rows_that_see_nothing_give_zeros_and_minus_infinity() -> None:
    answer = dense.attention(small(mask=Mask(keep=np.zeros(4, np.bool_))))
    assert (answer.lse == -np.inf).all()
    assert not any(tensor.any() for name, tensor in answer.tensors() if name != "lse")


def test_rows_that_see_only_the_sink_give_zeros_and_the_sink() -> None:
    sink = np.array([0.5, -1.0])
    answer = dense.attention(small(mask=Mask(keep=np.zeros(4, np.bool_)), sink=sink))
    assert (answer.lse == sink[:, None]).all()
    assert not answer.out.any()


def test_without_dout_there_are_no_gradients() -> None:
    assert [name for name, _ in dense.attention(small(dout=None)).tensors()] == ["out", "lse"]


def test_one_rounding_to_float32_would_be_noticed() -> None:
    """A bound that allows everything would make this file say nothing."""
    problem = CASES["all"]
    allowed = float64_error(problem)
    for name, tensor in dense.attention(problem).tensors():
        assert (np.abs(FP32.round(tensor) - tensor) > 2 * getattr(allowed, name)).any()
