"""The judge: what passes, what fails, and what is suspicious."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from conformance.laws.assertions import make_problem
from conformance.verdict.error import ratio_of, signed_error
from conformance.verdict.statistics import RMS_LIMIT, SIGMAS
from conformance.verdict.verdict import judge
from reference import blockwise, dense
from reference.bounds import Allowed, error_bound
from reference.contract import Contract
from reference.formats import BF16, FP16, FP32, FP64
from reference.mask import Mask
from reference.problem import Problem, Result

TENSORS = ("out", "lse", "dq", "dk", "dv", "dbias", "dsink")
NAN, INF = math.nan, math.inf


def ask(format=FP16, *, seqlen_q=5, seqlen_k=7, **asked) -> Problem:
    """A small problem with every tensor that a result can have."""
    rng = np.random.default_rng(7)
    shapes = {"q": (2, seqlen_q, 4, 8), "k": (2, seqlen_k, 2, 8), "v": (2, seqlen_k, 2, 6)}
    shapes |= {"dout": (2, seqlen_q, 4, 6), "bias": (1, 4, 1, seqlen_k)}
    tensors = {name: format.round(rng.normal(size=shape)) for name, shape in shapes.items()}
    return Problem(**(tensors | {"format": format, "sink": np.zeros(4, np.float32)} | asked))


def dead_rows_asked() -> Problem:
    """Rows 0 and 1 see no key, and there is no sink."""
    return ask(seqlen_q=7, seqlen_k=5, sink=None, mask=Mask(window=(None, 0)))


def oracle(problem: Problem, contract=None) -> tuple[Result, Allowed]:
    want = dense.attention(problem)
    return want, error_bound(problem, contract or Contract(), result=want)


def rounded(problem: Problem, want: Result) -> Result:
    """The oracle's answer as a perfect kernel stores it."""
    return Result(
        **{
            name: (FP32 if name in ("lse", "dsink") else problem.format).round(tensor)
            for name, tensor in want.tensors()
            if name in TENSORS
        }
    )


def verdict(problem=None, contract=None, **changes):
    """The judge on a perfect answer with some tensors changed, by functions of them."""
    problem = problem or ask()
    want, allowed = oracle(problem, contract)
    got = rounded(problem, want)
    changed = {name: change(getattr(got, name)) for name, change in changes.items()}
    return judge(
        replace(got, **changed), want, allowed, problem=problem, contract=contract or Contract()
    )


def reasons(verdict) -> dict[str, str]:
    return {score.name: score.reason for score in verdict.failures}


def put(value):
    def change(tensor):
        tensor = tensor.copy()
        tensor.flat[3] = value
        return tensor

    return change


@pytest.mark.parametrize("format", [FP16, BF16, FP32], ids=lambda format: format.name)
def test_a_perfectly_rounded_answer_passes(format):
    told = verdict(ask(format))
    assert told.passes(strict=True)
    assert [score.name for score in told.tensors] == list(TENSORS)
    assert all(score.ratio < 1 for score in told.tensors)


def test_an_fp64_answer_passes():
    problem = ask(FP64, sink=np.zeros(4))
    want, allowed = oracle(problem)
    assert judge(want, want, allowed, problem=problem).passes(strict=True)


@pytest.mark.parametrize("name", TENSORS)
@pytest.mark.parametrize("value", [NAN, INF, -INF, 1000.0], ids=str)
def test_one_wrong_element_of_any_tensor_fails(name, value):
    told = verdict(**{name: put(value)})
    assert list(reasons(told)) == [name]
    (score,) = told.failures
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
    told = verdict(out=change)
    assert not told.passes()
    assert text in reasons(told)["out"]


@pytest.mark.parametrize("name", ["dq", "dk", "dv", "dbias", "dsink"])
def test_a_gradient_that_is_asked_for_must_be_there(name):
    assert "missing" in reasons(verdict(**{name: lambda tensor: None}))[name]


def test_a_missing_lse_is_reported_and_allowed():
    told = verdict(lse=lambda lse: None)
    assert told.passes()
    assert told.absent == ("lse",)


def test_a_declared_format_of_out_is_the_one_that_counts():
    want = dense.attention(ask())
    contract = Contract(out=FP32)
    told = verdict(contract=contract, out=lambda _: FP32.round(want.out))
    assert told.passes()


def test_an_lse_in_base_2_passes_if_declared_and_fails_if_not():
    def to_base_2(lse):
        return FP32.round(lse.astype(np.float64) / math.log(2))

    assert verdict(lse=to_base_2, contract=Contract(lse_base=2.0)).passes()
    assert list(reasons(verdict(lse=to_base_2))) == ["lse"]
    assert list(reasons(verdict(contract=Contract(lse_base=2.0)))) == ["lse"]


def test_dead_rows_are_exact():
    problem = dead_rows_asked()
    assert verdict(problem).passes()
    tiny = FP16.half_subnormal * 2
    assert list(reasons(verdict(problem, out=put(tiny)))) == ["out"]
    assert list(reasons(verdict(problem, lse=lambda lse: np.maximum(lse, -1e30)))) == ["lse"]


def test_dead_rows_follow_the_contract():
    problem, contract = dead_rows_asked(), Contract(dead_rows=(1.0, INF))

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
    problem = ask()
    lse = FP32.round(dense.attention(problem).lse)
    stale = np.rint(lse + 2)
    right = FP32.round(np.exp(lse.astype(np.float64) - stale))
    assert pair(problem, stale, right).passes()
    assert list(reasons(pair(problem, stale, 2 * right))) == ["softmax_max, softmax_sum"]
    assert list(reasons(pair(problem, stale, -right))) == ["softmax_max, softmax_sum"]


def test_a_pair_in_dead_rows_is_minus_infinity_and_zero():
    problem = dead_rows_asked()
    lse = FP32.round(dense.attention(problem).lse)
    total = np.where(np.isneginf(lse), 0, 1).astype(np.float32)
    assert pair(problem, lse, total).passes()
    assert not pair(problem, np.maximum(lse, -1), total + 1).passes()


def test_half_a_pair_fails():
    problem = ask()
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


def allowing(problem, want, *, worst, sigma) -> Allowed:
    """An allowance of our own: the same everywhere."""
    tensors = {name: tensor for name, tensor in want.tensors() if name in TENSORS}
    return Allowed(
        worst=Result(**{name: np.full(x.shape, worst) for name, x in tensors.items()}),
        sigma=Result(**{name: np.full(x.shape, sigma) for name, x in tensors.items()}),
    )


def many_rows() -> Problem:
    """Enough rows that an error of one sign in all of them is no chance."""
    return ask(FP64, sink=np.zeros(4), seqlen_q=50)


def suspicion(error, *, contract=None) -> str:
    """What is said of dq when its error is `error(dq)` and sigma is 1, within the bound."""
    problem = many_rows()
    want = dense.attention(problem)
    allowed = allowing(problem, want, worst=1e6, sigma=1.0)
    got = replace(want, dq=want.dq + error(want.dq))
    told = judge(got, want, allowed, problem=problem, contract=contract or Contract())
    assert told.passes()
    assert told.passes(strict=True) == (not told.suspicions)
    return "".join(score.suspicion for score in told.suspicions)


def proportional(dq) -> float:
    """A slope that is 16 sigma, where the errors of a row's channels may be one: sigma is 1."""
    return float(2 * SIGMAS * np.linalg.norm(np.abs(dq).sum(axis=-1)) / (dq**2).sum())


def test_errors_that_are_improbable_are_suspicious():
    dq = dense.attention(many_rows()).dq
    alternating = np.where(np.arange(dq.size).reshape(dq.shape) % 2, 1.0, -1.0)
    assert suspicion(lambda dq: 0.5 * alternating) == ""
    assert "largest" in suspicion(lambda dq: put(SIGMAS + 1)(0 * dq))
    assert "root mean square" in suspicion(lambda dq: (RMS_LIMIT + 1) * alternating)
    assert "proportional" in suspicion(lambda dq: proportional(dq) * dq)


def test_a_declared_systematic_error_is_not_suspicious():
    slope = proportional(dense.attention(many_rows()).dq)
    assert suspicion(lambda dq: slope * dq, contract=Contract(exp_rel=slope)) == ""


def test_a_suspicious_tensor_fails_when_strict():
    problem = ask(FP64, sink=np.zeros(4))
    want = dense.attention(problem)
    told = judge(
        replace(want, out=put(9.0)(0 * want.out) + want.out),
        want,
        allowing(problem, want, worst=10.0, sigma=1.0),
        problem=problem,
    )
    assert told.passes() and not told.passes(strict=True)
    assert [score.name for score in told.suspicions] == ["out"]


def test_a_case_whose_bound_is_infinite_too_often_fails():
    problem = ask(FP64, sink=np.zeros(4))
    want = dense.attention(problem)
    told = judge(want, want, allowing(problem, want, worst=INF, sigma=INF), problem=problem)
    assert "the case says nothing" in reasons(told)["out"]


def test_values_near_the_ends_of_float64_keep_their_statistics():
    problem = many_rows()
    truth = dense.attention(problem)
    for size in (1e-300, 1e300):
        want = replace(truth, out=truth.out * size)
        got = replace(want, out=want.out * 1.5)
        allowed = allowing(problem, want, worst=INF, sigma=1.0)
        allowed = Allowed(
            worst=replace(allowed.worst, out=np.full(want.out.shape, 10 * size)),
            sigma=replace(allowed.sigma, out=np.full(want.out.shape, size)),
        )
        score = judge(got, want, allowed, problem=problem).tensors[0]
        assert 0 < score.slope_z < INF and 0 < score.z_rms < INF


def test_a_backward_is_judged_without_out_and_lse():
    problem = ask()
    want, allowed = oracle(problem)
    gradients = replace(rounded(problem, want), out=None, lse=None)
    told = judge(gradients, replace(want, out=None, lse=None), allowed, problem=problem)
    assert told.passes() and told.absent == ()


def test_an_answer_without_elements_passes():
    told = verdict(ask(seqlen_q=0, dout=np.zeros((2, 0, 4, 6), np.float32)))
    assert told.passes(strict=True)


@pytest.mark.parametrize("base", [2.0, 10.0])
def test_an_imitation_in_another_base_keeps_its_contract(base):
    problem, contract = make_problem("fp32"), Contract(lse_base=base)
    want = blockwise.attention(problem)
    allowed = error_bound(problem, contract, result=want)
    got = blockwise.attention(problem, contract=contract)
    verdict = judge(got, want, allowed, problem=problem, contract=contract)
    assert verdict.passes() and "softmax_max, softmax_sum" in [one.name for one in verdict.tensors]
