"""The text of a failure: where, how far, in which pattern."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from conformance.verdict.explain import describe, explain
from conformance.verdict.places import summary
from conformance.verdict.verdict import judge
from reference import dense
from reference.bounds import error_bound
from reference.dropout import Dropout
from reference.formats import FP32
from reference.problem import Problem


def ask(**changes) -> Problem:
    rng = np.random.default_rng(1)
    shapes = {"q": (1, 70, 4, 32), "k": (1, 70, 2, 32), "v": (1, 70, 2, 32), "dout": (1, 70, 4, 32)}
    tensors = {name: FP32.round(rng.normal(size=shape)) for name, shape in shapes.items()}
    return Problem(**(tensors | {"format": FP32} | changes))


def ask_packed() -> Problem:
    dense_problem, cu_seqlens = ask(), np.array([0, 30, 30, 70])
    tensors = {name: getattr(dense_problem, name)[0] for name in ("q", "k", "v", "dout")}
    bias = np.zeros((3, 4, 1, 40), np.float32)
    return ask(**tensors, cu_seqlens_q=cu_seqlens, cu_seqlens_k=cu_seqlens, bias=bias)


def told(problem: Problem, **changes) -> str:
    """The text for the oracle's answer with some tensors changed."""
    want = dense.attention(problem)
    tensors = {name: changes.get(name, lambda x: x)(tensor) for name, tensor in want.tensors()}
    got = replace(want, **{name: FP32.round(tensor) for name, tensor in tensors.items()})
    verdict = judge(got, want, error_bound(problem, result=want), problem=problem)
    return explain(verdict, problem)


def at(*index, value=9.0):
    def change(tensor):
        tensor = tensor.copy()
        tensor[index] = value
        return tensor

    return change


@pytest.mark.parametrize(
    ("indices", "size", "text"),
    [
        ([0, 1, 2, 3], 4, "all 4"),
        ([1, 3], 4, "1, 3 of 4"),
        ([128, 129, 130], 257, "128-130 of 257"),
        ([0, 2, 4, 6], 8, "0-6 (every 2nd) of 8"),
        ([1, 4, 7, 10, 13], 20, "1-13 (every 3rd) of 20"),
        ([0, 1, 8, 9, 16], 20, "0-1, 8-9, 16 of 20"),
        ([0, 3, 5, 9, 10, 13, 15, 18], 20, "0, 3, 5, 9-10, 13, 15, ... (7 runs, 8 in all) of 20"),
    ],
)
def test_failing_indices_are_told_as_runs(indices, size, text):
    assert summary(np.array(indices), size) == text


def test_a_dense_element_is_told_by_the_names_of_its_axes():
    text = told(ask(), out=at(0, 7, 2, 5))
    assert "out: 1 of 8960 elements are beyond the bound" in text
    assert "worst at batch 0, row 7, head 2, channel 5: got 9, oracle" in text
    assert "where: rows 7 of 70; heads 2 of 4; channels 5 of 32" in text


def test_a_packed_element_is_told_by_its_sequence():
    text = told(
        ask_packed(), out=at(35, 1, 0), dk=at(29, 0, 3), lse=at(2, 69), dbias=at(2, 3, 0, 9)
    )
    assert "row 35, head 1, channel 0 (row 5 of sequence 2)" in text
    assert "key 29, key head 0, channel 3 (key 29 of sequence 0)" in text
    assert "head 2, row 69 (row 39 of sequence 2)" in text
    assert "worst at sequence 2, head 3, row 0, key 9:" in text


def test_a_sink_is_told_by_its_head():
    text = told(ask(sink=np.zeros(4, np.float32)), dsink=at(3))
    assert "worst at head 3: got 9" in text


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ((slice(16, 32), slice(48, 64)), "failing rows begin and end at multiples of 16"),
        ((slice(16, 20), slice(32, 37), slice(48, 49), slice(64, 67)), "failing rows begin at"),
        ((slice(0, 16), slice(30, 32), slice(45, 48), slice(60, 64)), "failing rows end at"),
    ],
)
def test_failures_that_begin_or_end_with_a_tile_are_told_so(rows, text):
    assert text in told(ask(), out=several(rows))


@pytest.mark.parametrize(
    "rows", [(16,), (slice(64, None),), (slice(0, 32),), (16, 48), (16, 33, 48, 64)]
)
def test_no_tile_is_guessed_from_edges_that_an_accident_would_have(rows):
    assert "multiples of" not in told(ask(), out=several(rows))


def several(rows):
    def change(tensor):
        tensor = tensor.copy()
        for one in rows:
            tensor[0, one] = 9.0
        return tensor

    return change


@pytest.mark.parametrize(("elements", "says"), [(1, False), (4, False), (5, True)])
def test_a_factor_needs_elements_that_agree(elements, says):
    def change(out):
        out = out.copy()
        out[0, 7, 2, :elements] *= 3.7
        return out

    assert ("x oracle" in told(ask(), out=change)) == says


def test_a_factor_of_one_explains_nothing():
    text = told(ask(), out=lambda out: out * (1 + 4e-4))
    assert "out: " in text and "x oracle" not in text


@pytest.mark.parametrize(
    ("name", "factor", "text"),
    [
        ("lse", 1.4426950408889634, "1.443 x oracle (log2(e): base 2 instead of e)"),
        ("lse", 0.6931471805599453, "0.6931 x oracle (ln(2): base e instead of 2)"),
        ("dk", 32**0.5, "(1 / scale: not scaled)"),
        ("dk", 32**-0.5, "(scale: scaled twice)"),
        ("dv", 0.5, "(1 / group: one head of each group)"),
        ("out", -1.0, "(the sign)"),
        ("out", 0.0, "(nothing was written, or everything was masked)"),
        ("out", 3.7, "got is 3.7 x oracle\n"),
    ],
)
def test_a_factor_that_explains_the_error_is_named(name, factor, text):
    assert text in told(ask(), **{name: lambda tensor: tensor * factor})


def test_the_factors_of_dropout_are_named():
    problem = ask(dropout=Dropout(p=0.2, seed=1))
    assert "(1 - p of dropout)" in told(problem, out=lambda out: out * 0.8)
    assert "(1 / (1 - p) of dropout)" in told(problem, out=lambda out: out / 0.8)


def test_nan_and_infinity_are_counted():
    text = told(ask(), out=at(0, slice(0, 2), value=np.nan), lse=at(0, 0, 0, value=np.inf))
    assert "of 8960 values, 256 are NaN, 0 infinite" in text
    assert "of 280 values, 0 are NaN, 1 infinite" in text


def test_what_is_right_and_what_was_asked_is_told_too():
    text = told(ask(), out=at(0, 0, 0, 0))
    assert "within the bound (worst error / allowed): lse " in text
    assert text.endswith(f"problem: {describe(ask())}")
    assert "batch, seqlen_q, seqlen_k = 1, 70, 70; heads_q 4, heads_k 2" in text
    assert "(30, 0, 40), (30, 0, 40)" in describe(ask_packed())


def test_a_malformed_tensor_has_no_place():
    text = told(ask(), out=lambda out: out[:, :3])
    assert text.splitlines()[0] == "out: has shape (1, 3, 4, 32): give (1, 70, 4, 32)"
    assert "worst at" not in text
