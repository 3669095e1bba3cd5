"""The vendor's standards: figures worked out by hand, limits, and what they let through."""

from __future__ import annotations

import json
from math import inf, nan, nextafter, sqrt

import numpy as np
import pytest

from conformance.standards import single
from conformance.standards.dual import evaluate_dual
from conformance.standards.single import STANDARDS, TINY, Figure, evaluate
from conformance.verdict.verdict import judge
from reference import blockwise
from reference.bounds import error_bound
from reference.contract import Contract
from reference.formats import BF16, FORMATS, FP16, FP32, FP64, Array, Format
from reference.problem import Problem, Result


def every(got: Array, want: Array, format: Format = FP16, *, other: Array | None = None):
    """All standards; the benchmark is exact where none is given."""
    other = np.array(want) if other is None else other
    return evaluate(got, want, format) | evaluate_dual(got, other, want, format)


def one_off(error: float, *, among: int, golden: float = 0.0) -> tuple[Array, Array]:
    """An answer with one error, and the golden one: `golden` there, 0 elsewhere."""
    want = np.zeros(among)
    want[among // 2] = golden
    got = want.copy()
    got[among // 2] += error
    return got, want


def ask(format: Format) -> tuple[Problem, Result]:
    """256 queries and keys of 4 heads, and the golden answer."""
    rng = np.random.default_rng(0)
    q, k, v = (format.round(rng.normal(size=(1, 256, 4, 16))) for _ in range(3))
    problem = Problem(q=q, k=k, v=v, format=format)
    return problem, blockwise.attention(problem)


def test_the_columns_are_in_the_order_of_the_table():
    assert list(every(np.ones(1), np.ones(1))) == list(STANDARDS)


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("ecosystem A", {"MERE": 0.5 / 3, "MARE": 0.25}),
        ("mixed tolerance", {"unmatched": 2 / 3, "max error": 1, "max error in ulps": 256}),
        ("double thousandth", {"share": 2 / 3}),
        ("error balance", {"|EB|": 0, "MARE": 0.25, "MERE": 0.5 / 3, "RMSE": sqrt(1.25 / 3)}),
    ],
)
def test_figures_are_those_worked_out_by_hand(name, figures):
    """Errors +0.5 of 2, -1 of 4 (a quarter of each), none of 8; an ulp of 2 is 2**-9."""
    told = evaluate(np.array([2.5, 3.0, 8.0]), np.array([2.0, 4.0, 8.0]), FP16)[name]
    assert told.figures == pytest.approx(figures, rel=1e-6)
    assert told.limits.keys() == told.figures.keys()
    assert told.accepts is False


def test_ratios_are_those_worked_out_by_hand():
    """Twice the benchmark's errors on 2 and 4; one of two small values counts, in both runs."""
    want = np.array([2.0, 4.0, 2.0**-12, 0.0])
    other = want + np.array([0.25, -0.5, 2.0**-15, 0.0])
    got = want + np.array([0.5, -1.0, 2.0**-14, 2.0**-16])
    told = evaluate_dual(got, other, want, FP16)
    ratios = {"MARE ratio": 2, "MERE ratio": 2, "RMSE ratio": 2, "small-value ratio": 1}
    assert told["dual L0"].figures == pytest.approx(ratios, rel=1e-5)
    assert [figure.accepts for figure in told.values()] == [True, False, False]


@pytest.mark.parametrize(
    ("name", "format", "limits"),
    [
        ("ecosystem A", FP16, [2**-10, 10 * 2**-10]),
        ("ecosystem A", BF16, [2**-7, 10 * 2**-7]),
        ("ecosystem A", FP32, [2**-13, 10 * 2**-13]),
        ("mixed tolerance", FP16, [0.01, 0.1, 32]),
        ("mixed tolerance", BF16, [0.01, 1, 32]),
        ("mixed tolerance", FP32, [0.01, 0.01, 32]),
        ("double thousandth", FP16, [1e-3]),
        ("double thousandth", BF16, [1e-3]),
        ("double thousandth", FP32, [1e-4]),
        ("error balance", FP16, [2**-10, 15 * 2**-8, 2**-8, 2**-8]),
        ("error balance", BF16, [2**-7, 15 * 2**-7, 2**-7, 2**-7]),
        ("error balance", FP32, [2**-14, 15 * 2**-11, 2**-11, 2**-11]),
        ("dual L0", FP16, [10, 2, 2, 2]),
        ("dual L1", BF16, [5, 1.5, 1.5, 2]),
        ("dual L2", FP32, [2, 1.2, 1.2, 2]),
    ],
)
def test_limits_are_the_published_ones(name, format, limits):
    """Sources: experimental_standard.md, commercial_standard.md, helpers of CANN operators."""
    told = every(np.ones(1), np.ones(1), format)[name]
    assert list(told.limits.values()) == limits
    assert told.accepts is True


T = 2.0**-10
AT_MARE = 10 * T * TINY  # of 0: relative to 1e-7


@pytest.mark.parametrize(
    ("name", "format", "most", "too_much"),
    [
        # below: what is at the limit is rejected
        ("ecosystem A", FP16, (nextafter(T * TINY, 0), 1, 0), (T * TINY, 1, 0)),
        ("ecosystem A", FP16, (nextafter(AT_MARE, 0), 100, 0), (AT_MARE, 100, 0)),
        ("error balance", FP16, (T / 2, 1, 1), (T, 1, 1)),
        ("error balance", FP16, (-T / 2, 1, 1), (-T, 1, 1)),
        ("error balance", FP16, (0.0585, 1000, 1), (0.0586, 1000, 1)),  # MARE: 15 * 2**-8
        ("error balance", FP16, (0.99 * 2**-12, 1, 2**-4), (1.01 * 2**-12, 1, 2**-4)),  # MERE
        ("error balance", FP16, (0.0390, 100, 64), (0.0391, 100, 64)),  # RMSE: 2**-8
        # at most: what is at the limit is accepted
        ("mixed tolerance", FP16, (0.1, 100, 0), (0.1, 99, 0)),
        ("mixed tolerance", FP16, (0.1, 100, 0), (nextafter(0.1, 1), 100, 0)),
        ("mixed tolerance", FP16, (32, 100, 1024), (33, 100, 1024)),  # 1 ulp is 1
        ("mixed tolerance", FP16, (2**-9, 1, 0), (nextafter(2**-9, 1), 1, 0)),
        ("mixed tolerance", BF16, (2**-6, 1, 0), (nextafter(2**-6, 1), 1, 0)),
        ("mixed tolerance", FP32, (2**-16 + 2**-10, 1, 1), (2**-15 + 2**-10, 1, 1)),
        ("double thousandth", FP16, (1e-3, 1, 0), (nextafter(1e-3, 1), 1, 0)),
        ("double thousandth", BF16, (0.1, 1000, 0), (0.1, 999, 0)),
        ("double thousandth", FP32, (0.1, 10_000, 0), (0.1, 9_999, 0)),
    ],
)
def test_at_its_limit_a_standard_accepts_as_its_text_says(name, format, most, too_much):
    for (error, among, golden), accepts in ((most, True), (too_much, False)):
        told = evaluate(*one_off(error, among=among, golden=golden), format)[name]
        assert told.accepts is accepts, told


@pytest.mark.parametrize(
    ("name", "mare", "mean"), [("dual L0", 10, 2), ("dual L1", 5, 1.5), ("dual L2", 2, 1.2)]
)
def test_a_level_accepts_up_to_its_ratios(name, mare, mean):
    want = np.ones(1000)
    other = want + 2.0**-9
    for times, accepts in ((0.999, True), (1.001, False)):
        one, all_of_them = other.copy(), want + mean * times * 2.0**-9
        one[7] = 1 + mare * times * 2.0**-9
        assert evaluate_dual(one, other, want, FP16)[name].accepts is accepts
        assert evaluate_dual(all_of_them, other, want, FP16)[name].accepts is accepts


@pytest.mark.parametrize(
    ("format", "bound", "limit"),
    [(FP16, 2**-11, 2**-16), (BF16, 2**-8, 2**-16), (FP32, 2**-14, 2**-30)],
    ids=lambda value: getattr(value, "name", None),
)
def test_small_values_are_counted_and_twice_the_count_is_accepted(format, bound, limit):
    """At the limit an error does not count; at the bound a value is not small."""
    golden = np.full(8, bound / 2)
    for counted, accepts in ((0, True), (2, True), (3, False)):
        got = golden + np.where(np.arange(8) < counted, 2 * limit, limit)
        told = evaluate_dual(got, golden, golden, format)["dual L2"]
        assert (told.figures["small-value ratio"], told.accepts) == (counted, accepts)
    golden = np.full(8, float(bound))
    told = evaluate_dual(golden + 2 * limit, golden, golden, format)["dual L2"]
    assert told.figures["small-value ratio"] == 0
    assert told.figures["RMSE ratio"] == pytest.approx(2 * limit / TINY)


@pytest.mark.parametrize("format", [FP16, BF16, FP32], ids=lambda format: format.name)
@pytest.mark.parametrize(
    ("given", "golden"),
    [(nan, 0.0), (nan, 1.0), (inf, 1.0), (-inf, 1.0), (1.0, inf), (-inf, inf), (1.0, nan)],
)
def test_a_nan_or_a_wrong_infinity_is_never_accepted(format, given, golden):
    """One in 20 000: no share, no mean and no count hides it."""
    want = np.ones(20_000)
    got = want.copy()
    want[9_000], got[9_000] = golden, given
    told = every(got, want, format, other=np.ones(20_000))
    assert [figure.accepts for figure in told.values()] == [False] * len(STANDARDS)
    assert not any(np.isnan(list(figure.figures.values())).any() for figure in told.values())


@pytest.mark.parametrize(
    ("given", "golden"), [(nan, nan), (inf, inf), (inf, 65520.0), (-inf, -1e6)]
)
def test_a_right_infinity_and_a_golden_nan_are_accepted(given, golden):
    got, want = np.array([given, 1.0]), np.array([golden, 1.0])
    assert all(figure.accepts for figure in every(got, want, FP16, other=got).values())


def test_an_infinity_of_the_benchmark_is_allowed_and_excuses_nothing_else():
    want, other = np.ones(4), np.array([inf, 1.0, 1.0, 1.0])
    assert all(one.accepts for one in evaluate_dual(other, other, want, FP16).values())
    got = np.array([inf, 1.5, 1.0, 1.0])
    assert not any(one.accepts for one in evaluate_dual(got, other, want, FP16).values())


def test_an_empty_tensor_is_accepted_without_error():
    told = every(np.zeros((2, 0, 4)), np.zeros((2, 0, 4)))
    assert all(figure.accepts for figure in told.values())
    assert {error for figure in told.values() for error in figure.figures.values()} == {0.0}


def test_fp64_has_no_limits_so_no_verdict():
    assert set(map(repr, every(np.ones(3), np.ones(3), FP64).values())) == {repr(Figure())}


@pytest.mark.parametrize("format", FORMATS.values(), ids=lambda format: format.name)
def test_figures_are_plain_and_do_not_depend_on_the_blocks(format, monkeypatch):
    rng = np.random.default_rng(1)
    want = rng.normal(size=(3, 1000)) * 0.001
    got, other = (format.round(want + rng.normal(size=want.shape) * 1e-5) for _ in range(2))
    whole = every(got, want, format, other=other)
    monkeypatch.setattr(single, "BLOCK", 7)
    for name, pieces in every(got, want, format, other=other).items():
        assert pieces.figures == pytest.approx(whole[name].figures, rel=1e-12)
        plain = [*pieces.figures.values(), *pieces.limits.values()]
        assert json.loads(json.dumps(plain)) == plain and {type(x) for x in plain} <= {float}


def test_the_double_thousandth_accepts_a_lost_row_that_the_bound_rejects():
    """One row of 256 in one of 4 heads is less than a thousandth of the tensor."""
    problem, want = ask(FP16)
    got = FP16.round(want.out)
    got[0, 200, 3] = 0.0
    assert evaluate(got, want.out, FP16)["double thousandth"].accepts
    answer = Result(out=got, lse=FP32.round(want.lse))
    verdict = judge(answer, want, error_bound(problem, Contract(), result=want), problem=problem)
    assert [(score.name, score.failing.sum()) for score in verdict.failures] == [("out", 16)]
    assert verdict.failures[0].ratio > 100


def test_mere_and_mare_reject_a_kernel_that_rounds_its_weights_as_every_kernel_does():
    """Where v cancels, out is near 0 and its error is that of the terms: relative errors say 1."""
    problem, want = ask(FP16)
    got = blockwise.attention(problem, contract=Contract())
    assert not evaluate(got.out, want.out, FP16)["ecosystem A"].accepts
    allowed = error_bound(problem, Contract(), result=want)
    assert judge(got, want, allowed, problem=problem).passes(strict=True)
