"""The judge: what passes and what fails, element by element and tensor by tensor."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from support.verdicts import (
    TENSORS,
    dead_rows,
    oracle,
    problem_with,
    put,
    reasons,
    rounded,
    verdict,
)

from conformance.laws.assertions import make_problem
from conformance.verdict.error import ratio_of, signed_error
from conformance.verdict.verdict import judge
from reference import blockwise, dense
from reference.bounds import error_bound
from reference.contract import Contract
from reference.formats import BF16, FP16, FP32, FP64

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize("format", [FP16, BF16, FP32], ids=lambda format: format.name)
def test_a_perfectly_rounded_answer_passes(format):
    judged = verdict(problem_with(format))
    assert judged.passes(strict=True)
    assert [score.name for score in judged.tensors] == list(TENSORS)
    assert all(score.ratio < 1 for score in judged.tensors)


def test_an_fp64_answer_passes():
    problem = problem_with(FP64, sink=np.zeros(4))
    want, allowed = oracle(problem)
    assert judge(want, want, allowed, problem=problem).passes(strict=True)


@pytest.mark.parametrize("name", TENSORS)
@pytest.mark.parametrize("value", [NAN, INF, -INF, 1000.0], ids=str)
def test_one_wrong_element_of_any_tensor_fails(name, value):
    judged = verdict(**{name: put(value)})
    assert list(reasons(judged)) == [name]
    (score,) = judged.failures
    assert np.flatnonzero(score.failing).tolist() == [3]
    assert score.ratio > 1 and score.worst == np.unravel_index(3, score.failing.shape)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda out: None, "missing"),
        (lambda out: out[:1], "has shape (1, 5, 4, 6): give (2, 5, 4, 6)"),
        (lambda out: out.astype(np.float16), "is float16: give float32"),
        (lambda out: out.astype(np.float64), "is float64: give float32"),
        (lambda out: out.tolist(), "is a list: give a NumPy array"),
        (put(np.float32(1 / 3)), "1 of 240 values that are not exact in fp16"),
    ],
    ids=["missing", "shape", "float16", "float64", "list", "inexact"],
)
def test_a_malformed_tensor_fails_and_says_how_to_mend_it(change, text):
    judged = verdict(out=change)
    assert not judged.passes()
    assert text in reasons(judged)["out"]


@pytest.mark.parametrize("name", ["dq", "dk", "dv", "dbias", "dsink"])
def test_a_gradient_that_is_asked_for_must_be_there(name):
    assert "missing" in reasons(verdict(**{name: lambda tensor: None}))[name]


def test_a_missing_lse_is_reported_and_allowed():
    judged = verdict(lse=lambda lse: None)
    assert judged.passes()
    assert judged.absent == ("lse",)


def test_a_declared_format_of_out_is_the_one_that_counts():
    want = dense.attention(problem_with())
    contract = Contract(out=FP32)
    judged = verdict(contract=contract, out=lambda _: FP32.round(want.out))
    assert judged.passes()


def test_an_lse_in_base_2_passes_if_declared_and_fails_if_not():
    def to_base_2(lse):
        return FP32.round(lse.astype(np.float64) / math.log(2))

    assert verdict(lse=to_base_2, contract=Contract(lse_base=2.0)).passes()
    assert list(reasons(verdict(lse=to_base_2))) == ["lse"]
    assert list(reasons(verdict(contract=Contract(lse_base=2.0)))) == ["lse"]


def test_dead_rows_are_exact():
    problem = dead_rows()
    assert verdict(problem).passes()
    tiny = FP16.half_subnormal * 2
    assert list(reasons(verdict(problem, out=put(tiny)))) == ["out"]
    assert list(reasons(verdict(problem, lse=lambda lse: np.maximum(lse, -1e30)))) == ["lse"]


def test_dead_rows_follow_the_contract():
    problem, contract = dead_rows(), Contract(dead_rows=(1.0, INF))

    def other(value):
        return lambda tensor: np.where(np.isneginf(tensor), np.float32(value), tensor)

    def ones(out):
        out = out.copy()
        out[:, :2] = 1
        return out

    assert verdict(problem, contract, out=ones, lse=other(INF)).passes()
    assert list(reasons(verdict(problem, contract))) == ["out", "lse"]


def pair(problem, m, total, contract=None):
    """The judge on an answer that has softmax_max and softmax_sum."""
    want, allowed = oracle(problem)
    got = replace(rounded(problem, want), softmax_max=m, softmax_sum=total)
    return judge(got, want, allowed, problem=problem)


def test_any_maximum_is_legal_whose_pair_gives_lse():
    problem = problem_with()
    lse = FP32.round(dense.attention(problem).lse)
    stale = np.rint(lse + 2)
    right = FP32.round(np.exp(lse.astype(np.float64) - stale))
    assert pair(problem, stale, right).passes()
    assert list(reasons(pair(problem, stale, 2 * right))) == ["softmax_max, softmax_sum"]
    assert list(reasons(pair(problem, stale, -right))) == ["softmax_max, softmax_sum"]


def test_a_pair_in_dead_rows_is_minus_infinity_and_zero():
    problem = dead_rows()
    lse = FP32.round(dense.attention(problem).lse)
    total = np.where(np.isneginf(lse), 0, 1).astype(np.float32)
    assert pair(problem, lse, total).passes()
    assert not pair(problem, np.maximum(lse, -1), total + 1).passes()


def test_half_a_pair_fails():
    problem = problem_with()
    m = np.zeros(problem.shape_lse, np.float32)
    assert "give softmax_max and softmax_sum" in reasons(pair(problem, m, None))["softmax_sum"]
    assert "has shape" in reasons(pair(problem, m, m[:1]))["softmax_sum"]


LARGEST = FP16.largest  # rounds to itself; FP16.overflow_threshold and above to infinity


@pytest.mark.parametrize(
    ("got", "want", "worst", "passes"),
    [
        (0.0, 0.0, 0.0, True),
        (1.0, 0.0, 0.0, False),
        (2.0, 1.0, 1.0, True),
        (2.5, 1.0, 1.0, False),
        (NAN, 1.0, 1.0, False),
        (1.0, 1.0, NAN, True),
        (2.0, 1.0, NAN, False),
        (2.0, 1.0, INF, True),
        (INF, LARGEST, 16.0, True),
        (INF, LARGEST, 15.0, False),
        (-INF, LARGEST, 16.0, False),
        (INF, 2 * LARGEST, 0.0, True),
        (-INF, 2 * LARGEST, 0.0, False),
        (LARGEST, 2 * LARGEST, 100.0, False),
        (LARGEST, LARGEST + 100, 100.0, True),
        (-INF, -INF, 0.0, True),
        (INF, -INF, 0.0, False),
        (-1e30, -INF, 0.0, False),
        (-1e30, -INF, INF, False),
    ],
)
def test_an_element_passes_within_its_bound_and_where_overflow_is_legal(got, want, worst, passes):
    got, want, worst = (np.array([value]) for value in (got, want, worst))
    ratio = ratio_of(signed_error(got, want, FP16), want, worst)
    assert bool((ratio <= 1).all()) is passes


def test_a_backward_is_judged_without_out_and_lse():
    problem = problem_with()
    want, allowed = oracle(problem)
    gradients = replace(rounded(problem, want), out=None, lse=None)
    judged = judge(gradients, replace(want, out=None, lse=None), allowed, problem=problem)
    assert judged.passes() and judged.absent == ()


def test_an_answer_without_elements_passes():
    judged = verdict(problem_with(seqlen_q=0, dout=np.zeros((2, 0, 4, 6), np.float32)))
    assert judged.passes(strict=True)


@pytest.mark.parametrize("base", [2.0, 10.0])
def test_an_imitation_in_another_base_keeps_its_contract(base):
    problem, contract = make_problem("fp32"), Contract(lse_base=base)
    want = blockwise.attention(problem)
    allowed = error_bound(problem, contract, result=want)
    got = blockwise.attention(problem, contract=contract)
    verdict = judge(got, want, allowed, problem=problem, contract=contract)
    assert verdict.passes() and "softmax_max, softmax_sum" in [one.name for one in verdict.tensors]
