"""The fast oracle is the definition, at any tile size and any number of threads."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from float64_error import float64_error
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import UNHURRIED, numbers, problems, side_format

from reference import blockwise, blockwise_backward, blockwise_strips, dense
from reference.blockwise_scratch import RECALLED, Scratch
from reference.bounds import error_bound
from reference.contract import Contract
from reference.dropout import Dropout
from reference.formats import BF16, FORMATS, FP16, FP32, FP64, Format
from reference.mask import Mask
from reference.problem import Problem, Result

BLOCKS = st.integers(1, 8)
FEW = settings(UNHURRIED, max_examples=40)

# float64_error collects at least (2 n + 40) u for n keys, and once in the definition. Tiles add a
# correction by exp and a product, 6 u, to each weight of the gradient's two: 12 n u, below 6 times.
TWO_SIDES_AND_CORRECTIONS = 1 + 1 + 6


def some(format: Format = FP64, lengths: tuple[int, int] = (9, 13), **changes: object) -> Problem:
    """Two sequences, four query heads on two key heads, with gradients."""
    rng = np.random.default_rng(1)
    side = side_format(format)
    given = {
        "q": numbers(rng, format, 2, lengths[0], 4, 5),
        "k": numbers(rng, format, 2, lengths[1], 2, 5),
        "v": numbers(rng, format, 2, lengths[1], 2, 3),
        "dout": numbers(rng, format, 2, lengths[0], 4, 3),
        "format": format,
        "bias": numbers(rng, format, 2, 4, *lengths),
        "sink": numbers(rng, side, 4),
        "slopes": side.round(rng.random(4)),
        "dlse": numbers(rng, side, 2, 4, lengths[0]),
        "softcap": 3.0,
        "dropout": Dropout(p=0.25, seed=5),
        "mask": Mask(window=(6, 2)),
    }
    return Problem(**(given | changes))


PLAIN = dict.fromkeys(("bias", "sink", "slopes", "dlse", "softcap", "dropout"))

BIAS = numbers(np.random.default_rng(4), BF16, 2, 4, 9, 13)  # exact in every format that is tried


def assert_same_bits(a: Result, b: Result) -> None:
    for (name, x), (_, y) in zip(a.tensors(), b.tensors(), strict=True):
        np.testing.assert_array_equal(x, y, err_msg=name)


def assert_within(got: Result, want: Result, allowed: Result) -> None:
    got_tensors, allowed_tensors = dict(got.tensors()), dict(allowed.tensors())
    for name, x in want.tensors():
        y, room = got_tensors[name], allowed_tensors[name]
        finite = np.isfinite(x)
        np.testing.assert_array_equal(x[~finite], y[~finite], err_msg=name)
        error = np.abs(y[finite].astype(np.float64) - x[finite])
        assert (error <= room[finite]).all(), f"{name}: {error.max()}, allowed {room.max()}"


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
    problem = some(**PLAIN | {"scale": scale, "mask": Mask(window=window), "dlse": dlse})
    got = blockwise.attention(problem, block_q=4, block_k=3)
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
    problem = some(**PLAIN, lengths=(40, 40), scale=scale, mask=Mask(window=(None, 0)))
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
    problem = some(bias=numbers(np.random.default_rng(2), FP64, *shape))
    runs = [blockwise.attention(problem, block_q=2, block_k=2, threads=n) for n in (1, 4)]
    assert_same_bits(*runs)


CONTRACTS = {
    "default": Contract(),
    "scores": Contract(S=BF16, pre=BF16),
    "weights": Contract(P=FP16, dS=FP16, l_rounded=True),
    "stored": Contract(n_out=8, n_out_kv=16, out=BF16),
    "narrow": Contract(u_acc=BF16.unit_roundoff, rounding="away"),
    "half": Contract(u_acc=FP16.unit_roundoff),
    "exp": Contract(exp_rel=2.0**-10, lse_base=2.0),
}


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
@pytest.mark.parametrize("format", FORMATS.values(), ids=FORMATS)
def test_an_imitation_repeats_its_bits_in_the_declared_formats(format, contract):
    problem = some(format)
    one, two = (
        blockwise.attention(problem, block_q=4, block_k=4, contract=contract, threads=threads)
        for threads in (1, 3)
    )
    assert_same_bits(one, two)
    terms = contract.terms(format)
    for tensor in (one.out, one.dq, one.dk, one.dv, one.dbias):
        assert terms.out.holds(tensor)
    assert one.lse.dtype == terms.compute.dtype


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
@pytest.mark.parametrize("format", [FP16, BF16, FP32], ids=lambda format: format.name)
@pytest.mark.parametrize(
    "changes",
    [PLAIN, PLAIN | {"bias": BIAS}, {}],
    ids=["plain", "bias", "every feature"],
)
def test_an_imitation_keeps_its_own_contract(format, contract, changes):
    problem = some(format, **changes)
    got = blockwise.attention(problem, block_q=4, block_k=4, contract=contract)
    want = blockwise.attention(problem)
    natural = Result(
        **{
            name: tensor * math.log(contract.lse_base) if name == "lse" else tensor
            for name, tensor in got.tensors()
        }
    )
    worst = error_bound(problem, contract, result=want).worst
    answer = {name: tensor for name, tensor in want.tensors() if name in dict(worst.tensors())}
    assert_within(natural, Result(**answer), worst)


SHORTCUTS = {
    "S": ({"S": BF16}, "lse"),
    "pre": ({"pre": BF16}, "lse"),
    "P": ({"P": BF16}, "out"),
    "dS": ({"dS": BF16}, "dq"),
    "out": ({"out": BF16}, "out"),
    "accumulator": ({"u_acc": BF16.unit_roundoff}, "out"),
    "half accumulator": ({"u_acc": FP16.unit_roundoff}, "dk"),
    "row sum": ({"P": BF16, "l_rounded": True}, "lse"),
    "stored out": ({"out": BF16, "n_out": 4}, "out"),
    "stored dq": ({"out": BF16, "n_out": 4}, "dq"),
    "stored dk": ({"out": BF16, "n_out_kv": 4}, "dk"),
    "exp": ({"exp_rel": 2.0**-10}, "lse"),
    "base": ({"lse_base": 2.0}, "lse"),
    "ties": ({"pre": BF16, "rounding": "away"}, "out"),
}


@pytest.mark.parametrize(("fields", "tensor"), SHORTCUTS.values(), ids=SHORTCUTS)
def test_each_declared_shortcut_is_taken(fields, tensor):
    problem = some(FP16, lengths=(40, 40), mask=Mask(), scale=1.0, **PLAIN)  # q has bf16's ties
    last = list(fields)[-1]
    before = Contract(**{name: value for name, value in fields.items() if name != last})
    taken, not_taken = (
        getattr(blockwise.attention(problem, block_q=8, block_k=8, contract=contract), tensor)
        for contract in (Contract(**fields), before)
    )
    assert (taken != not_taken).any()


def test_rows_that_see_nothing_follow_the_convention():
    problem = some(**PLAIN | {"mask": Mask(window=(None, -13))})
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
    clean = some(mask=Mask(keep=keep))
    k, v = clean.k.copy(), clean.v.copy()
    k[:, 4:8], v[:, 4:8] = np.nan, np.nan
    poisoned = clean.replace(k=k, v=v, poisoned=True)
    assert_same_bits(*(blockwise.attention(one, block_k=4) for one in (clean, poisoned)))


def test_windows_leave_keys_beyond_them_untouched():
    problem = some(lengths=(16, 16), mask=Mask(window=(3, 0)), **PLAIN)
    last = problem.dout.copy()
    last[:, 4:] = 0
    k = problem.k.copy()
    k[:, 4:] = np.nan
    seen = problem.replace(k=k, poisoned=True)
    first_rows = blockwise.attention(seen, block_q=4, block_k=4).out[:, :4]
    assert np.isfinite(first_rows).all()


@pytest.mark.parametrize("contract", [None, Contract(lse_base=2.0)], ids=["oracle", "imitation"])
def test_the_backward_alone_gives_the_same_gradients(contract):
    problem = some(BF16)
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
    blockwise.attention(problem, block_q=64, block_k=64, threads=2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < n * n  # bytes: less than one to a pair


def test_an_error_in_one_task_ends_the_others(monkeypatch):
    tile = blockwise_backward._tile

    def fail(head, per_row, keys, *rest):
        if keys.at.start == 0:
            raise MemoryError("no tile")
        return tile(head, per_row, keys, *rest)

    monkeypatch.setattr(blockwise_backward, "_tile", fail)
    with pytest.raises(MemoryError, match="no tile"):
        blockwise.attention(some(), block_q=2, block_k=2, threads=3)


def test_an_error_in_one_strip_ends_the_others(monkeypatch):
    forward = blockwise_strips._forward

    def fail(result, memory, head, rows, *rest):
        if rows.start == 0:
            raise MemoryError("no strip")
        return forward(result, memory, head, rows, *rest)

    monkeypatch.setattr(blockwise_strips, "_forward", fail)
    with pytest.raises(MemoryError, match="no strip"):
        blockwise.attention(some(**PLAIN), block_q=2, block_k=2, threads=3)


WRONG = {
    "block_q": (lambda: blockwise.attention(some(), block_q=0), "block_q is 0: give at least 1"),
    "block_k": (lambda: blockwise.attention(some(), block_k=-1), "block_k is -1: give at least 1"),
    "threads": (lambda: blockwise.attention(some(), threads=0), "threads is 0"),
    "dout": (
        lambda: blockwise.backward(some(dout=None, dlse=None), np.zeros(1), np.zeros(1)),
        "the problem has no dout",
    ),
    "out": (lambda: blockwise.backward(some(), np.zeros(1), np.zeros(1)), r"out has shape \(1,\)"),
    "lse": (
        lambda: blockwise.backward(some(), np.zeros((2, 9, 4, 3)), np.zeros(1)),
        r"lse has shape \(1,\): give \(2, 4, 9\)",
    ),
}


@pytest.mark.parametrize(("call", "text"), WRONG.values(), ids=WRONG)
def test_wrong_use_is_explained(call, text):
    with pytest.raises(ValueError, match=text):
        call()
