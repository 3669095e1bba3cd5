"""The fast oracle is the definition, at any tile size and any number of threads."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.crossed import PLAIN, assert_same_bits, assert_within, crossed_problem
from support.strategies import UNHURRIED, numbers, problems

from oracle.float64_error import float64_error
from reference import blockwise, dense
from reference.blockwise import gradient, one_pass
from reference.contract import Contract
from reference.formats import BF16, FP64
from reference.mask import Mask
from reference.parallel.scratch import RECALLED, Scratch
from reference.problem import Problem, Result

BLOCKS = st.integers(1, 8)
FEW = settings(UNHURRIED, max_examples=40)

# float64_error collects at least (2 n + 40) u for n keys, and once in the definition. Tiles add a
# correction by exp and a product, 6 u, to each weight of the gradient's two: 12 n u, below 6 times.
TWO_SIDES_AND_CORRECTIONS = 1 + 1 + 6


def scaled(result: Result, factor: float) -> Result:
    return Result(**{name: factor * tensor for name, tensor in result.tensors()})


@given(problem=problems(), block_q=BLOCKS, block_k=BLOCKS)
@UNHURRIED
def test_tiles_of_any_size_give_the_definition(problem, block_q, block_k):
    got = blockwise.attention(problem, block_q=block_q, block_k=block_k, threads=1)
    allowed = scaled(float64_error(problem), TWO_SIDES_AND_CORRECTIONS)
    assert_within(got, dense.attention(problem), allowed)


@pytest.mark.parametrize("scale", [0.01, 1.0, 40.0])
@pytest.mark.parametrize("window", [(None, None), (None, 0), (5, 3)])
@pytest.mark.parametrize("dlse", [None, np.ones((2, 4, 9))], ids=["", "dlse"])
def test_plain_scores_give_the_definition_whether_small_or_large(scale, window, dlse):
    problem = crossed_problem(**PLAIN | {"scale": scale, "mask": Mask(window=window), "dlse": dlse})
    got = blockwise.attention(problem, block_q=4, block_k=3)
    allowed = scaled(float64_error(problem), TWO_SIDES_AND_CORRECTIONS)
    assert_within(got, dense.attention(problem), allowed)


@pytest.mark.parametrize("window", [(None, 0), (0, None), (40, 3), (200, 70)])
@pytest.mark.parametrize("seqlen_k", [200, 300])
def test_a_strip_is_cut_where_its_rows_see_different_keys(window, seqlen_k):
    rows, keys = 2 * one_pass.EDGE, one_pass.EDGE  # of a strip; attention doubles both
    rng = np.random.default_rng(0)
    q, k = (numbers(rng, FP64, 1, length, 1, 4) for length in (rows, seqlen_k))
    problem = Problem(q=q, k=k, v=k, dout=q, format=FP64, scale=0.1, mask=Mask(window=window))
    got = blockwise.attention(problem, block_q=rows // 2, block_k=keys // 2)
    allowed = scaled(float64_error(problem), TWO_SIDES_AND_CORRECTIONS)
    assert_within(got, dense.attention(problem), allowed)


@given(problem=problems(max_seqlen=5), block_q=BLOCKS, block_k=BLOCKS)
@FEW
def test_threads_change_no_bit(problem, block_q, block_k):
    one, two, three = (
        blockwise.attention(problem, block_q=block_q, block_k=block_k, threads=threads)
        for threads in (1, 2, 3)
    )
    assert_same_bits(one, two)
    assert_same_bits(one, three)


@pytest.mark.parametrize("scale", [0.01, 40.0], ids=["small", "large"])
@pytest.mark.parametrize("contract", [None, Contract()], ids=["oracle", "imitation"])
def test_threads_change_no_bit_of_plain_scores(scale, contract):
    problem = crossed_problem(**PLAIN, lengths=(40, 40), scale=scale, mask=Mask(window=(None, 0)))
    runs = [
        blockwise.attention(problem, block_q=3, block_k=5, contract=contract, threads=threads)
        for threads in (1, 2, 3)
    ]
    assert_same_bits(runs[0], runs[1])
    assert_same_bits(runs[0], runs[2])


BIASES = {
    "whole": (2, 4, 9, 13),
    "of keys": (2, 4, 1, 13),
    "of rows": (9, 1),
    "of heads": (4, 1, 1),
}


@pytest.mark.parametrize("shape", BIASES.values(), ids=BIASES)
def test_threads_change_no_bit_of_a_bias_gradient(shape):
    problem = crossed_problem(bias=numbers(np.random.default_rng(2), FP64, *shape))
    runs = [blockwise.attention(problem, block_q=2, block_k=2, threads=n) for n in (1, 4)]
    assert_same_bits(*runs)


def test_rows_that_see_nothing_follow_the_convention():
    problem = crossed_problem(**PLAIN | {"mask": Mask(window=(None, -13))})
    sink = problem.replace(sink=np.array([1.0, 2.0, 3.0, 4.0]))
    own = Contract(dead_rows=(math.nan, math.inf))
    dead = np.s_[:, :, 0]
    oracle, with_sink, declared = (
        blockwise.attention(one, contract=contract)
        for one, contract in ((problem, None), (sink, None), (problem, own))
    )
    for result, out, lse, top, total in (
        (oracle, 0, -math.inf, -math.inf, 0),
        (with_sink, 0, sink.sink, sink.sink, 1),
        (declared, math.nan, math.inf, -math.inf, 0),
    ):
        np.testing.assert_array_equal(result.out[:, 0], np.full_like(result.out[:, 0], out))
        for tensor, value in (("lse", lse), ("softmax_max", top), ("softmax_sum", total)):
            tensor = getattr(result, tensor)[dead]
            np.testing.assert_array_equal(tensor, np.broadcast_to(value, tensor.shape))
        assert not result.dq[:, 0].any()
        assert np.isfinite(result.dk).all()


@given(problem=problems())
@FEW
def test_maximum_and_sum_make_up_lse(problem):
    result = blockwise.attention(problem, block_q=3, block_k=2)
    with np.errstate(divide="ignore"):
        lse = result.softmax_max + np.log(result.softmax_sum)
    np.testing.assert_array_equal(lse, result.lse)


def test_empty_tiles_are_not_computed():
    keep = np.ones((9, 13), np.bool_)
    keep[:, 4:8] = False
    clean = crossed_problem(mask=Mask(keep=keep))
    k, v = clean.k.copy(), clean.v.copy()
    k[:, 4:8], v[:, 4:8] = np.nan, np.nan
    poisoned = clean.replace(k=k, v=v, poisoned=True)
    assert_same_bits(*(blockwise.attention(one, block_k=4) for one in (clean, poisoned)))


def test_windows_leave_keys_beyond_them_untouched():
    problem = crossed_problem(lengths=(16, 16), mask=Mask(window=(3, 0)), **PLAIN)
    last = problem.dout.copy()
    last[:, 4:] = 0
    k = problem.k.copy()
    k[:, 4:] = np.nan
    seen = problem.replace(k=k, poisoned=True)
    first_rows = blockwise.attention(seen, block_q=4, block_k=4).out[:, :4]
    assert np.isfinite(first_rows).all()


@pytest.mark.parametrize("contract", [None, Contract(lse_base=2.0)], ids=["oracle", "imitation"])
def test_the_backward_alone_gives_the_same_gradients(contract):
    problem = crossed_problem(BF16)
    whole = blockwise.attention(problem, contract=contract)
    alone = blockwise.backward(problem, whole.out, whole.lse, contract=contract)
    assert [name for name, _ in alone.tensors()] == ["dq", "dk", "dv", "dbias", "dsink"]
    for name, tensor in alone.tensors():
        np.testing.assert_array_equal(tensor, getattr(whole, name), err_msg=name)


def test_scratch_recalls_no_more_than_the_last_few():
    scratch, asked = Scratch(FP64.dtype), []
    for key in (*range(RECALLED), 0, RECALLED, 0):
        scratch.recall(key, lambda key=key: asked.append(key) or np.zeros(1))
    assert asked == [*range(RECALLED), RECALLED, 0]


def test_memory_does_not_grow_with_the_square_of_the_length():
    rng, n = np.random.default_rng(3), 2048
    q, k, v, dout = (numbers(rng, FP64, 1, n, 1, 4) for _ in range(4))
    problem = Problem(q=q, k=k, v=v, dout=dout, format=FP64)
    tracemalloc.start()
    blockwise.attention(problem, block_q=32, block_k=32, threads=2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < n * n  # bytes: less than one to a pair


def test_an_error_in_one_task_ends_the_others(monkeypatch):
    tile = gradient._tile

    def fail(head, per_row, keys, *rest):
        if keys.at.start == 0:
            raise MemoryError("no tile")
        return tile(head, per_row, keys, *rest)

    monkeypatch.setattr(gradient, "_tile", fail)
    with pytest.raises(MemoryError, match="no tile"):
        blockwise.attention(crossed_problem(), block_q=2, block_k=2, threads=3)


def test_an_error_in_one_strip_ends_the_others(monkeypatch):
    forward = one_pass._forward

    def fail(result, memory, head, rows, *rest):
        if rows.start == 0:
            raise MemoryError("no strip")
        return forward(result, memory, head, rows, *rest)

    monkeypatch.setattr(one_pass, "_forward", fail)
    with pytest.raises(MemoryError, match="no strip"):
        blockwise.attention(crossed_problem(**PLAIN), block_q=2, block_k=2, threads=3)


WRONG = {
    "block_q": (
        lambda: blockwise.attention(crossed_problem(), block_q=0),
        "block_q is 0: give at least 1",
    ),
    "block_k": (
        lambda: blockwise.attention(crossed_problem(), block_k=-1),
        "block_k is -1: give at least 1",
    ),
    "threads": (lambda: blockwise.attention(crossed_problem(), threads=0), "threads is 0"),
    "dout": (
        lambda: blockwise.backward(crossed_problem(dout=None, dlse=None), np.zeros(1), np.zeros(1)),
        "the problem has no dout",
    ),
    "out": (
        lambda: blockwise.backward(crossed_problem(), np.zeros(1), np.zeros(1)),
        r"out has shape \(1,\)",
    ),
    "lse": (
        lambda: blockwise.backward(crossed_problem(), np.zeros((2, 9, 4, 3)), np.zeros(1)),
        r"lse has shape \(1,\): give \(2, 4, 9\)",
    ),
}


@pytest.mark.parametrize(("call", "text"), WRONG.values(), ids=WRONG)
def test_wrong_use_is_explained(call, text):
    with pytest.raises(ValueError, match=text):
        call()
