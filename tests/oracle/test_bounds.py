"""The bound holds for kernels that keep their contract, is tight, and notices those that do not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.strategies import UNHURRIED, problems

from conformance.cases.case import Case
from conformance.cases.inputs import FAMILIES
from reference import blockwise
from reference.bounds import error_bound
from reference.bounds.float32 import tiles
from reference.bounds.float32.tiles import MARGIN
from reference.bounds.scaling import LARGEST_ERROR
from reference.contract import Contract
from reference.dropout import Dropout
from reference.formats import BF16, FORMATS, FP16, FP32, FP64
from reference.problem.result import Result

SIGMAS = 8

SHORTCUTS = {
    "q * scale in bf16": ("peaked", Contract(scaled_q=BF16)),
    "scores in bf16": ("peaked", Contract(scores=BF16)),
    "row sum of rounded weights": ("uniform", Contract(row_sum_rounded=True)),
    "accumulators in bf16": ("mean-v", Contract(out_roundings=7, dkv_roundings=3)),
    "exp with 12 bits": ("normal", Contract(exp_rel=2.0**-12)),
}

# Changes of a contract that promise less.
LOOSER = (
    {"out": BF16},
    {"weights": BF16},
    {"dscores": BF16},
    {"scores": FP16},
    {"scaled_q": FP16},
    {"dweights": BF16},
    {"accumulator_roundoff": 2.0**-20},
    {"exp_rel": 2.0**-18},
    {"exp_ulps": 64.0},
    {"exp_flush_below": 2.0**-20},
    {"row_sum_rounded": True},
    {"out_roundings": 4},
    {"dkv_roundings": 4},
    {"tanh_rel": 64.0},
    {"tanh_abs": 2.0**-20},
)


def ask(family="normal", format=FP16, *, seed=0, **shape):
    shape = {"batch": 1, "heads_q": 1, "seqlen_q": 33, "seqlen_k": 70, "head_dim": 24} | shape
    return Case("bound", "", family=family, **shape).problem(format, seed=seed)


def bound_of(problem, contract=None, **options):
    """The bound about the oracle's answer."""
    return error_bound(problem, contract, result=blockwise.attention(problem), **options)


def ratios(problem, contract, *, promised=None):
    """Largest error of an imitated kernel: in units of the bound, and of sigma; by tensor."""
    want = blockwise.attention(problem)
    allowed = error_bound(problem, promised or contract, result=want)
    got = dict(blockwise.attention(problem, contract=contract, block_q=32, block_k=32).tensors())
    overflow = contract.resolve(problem.format).out.overflow_threshold
    ratio, score = {}, {}
    for (name, worst), (_, sigma) in pairs(allowed.worst, allowed.sigma):
        true = getattr(want, name)
        with np.errstate(all="ignore"):
            legal = (got[name] == true) | (np.abs(true) + worst >= overflow)
            error = np.where(legal, 0.0, np.abs(got[name] - true))
            ratio[name] = np.max(np.where(legal, 0, error / worst), initial=0.0)
            score[name] = np.max(np.where(legal, 0, error / sigma), initial=0.0)
    return ratio, score


def pairs(one: Result, other: Result):
    return zip(one.tensors(), other.tensors(), strict=True)


@pytest.mark.parametrize("format", [BF16, FP16, FP32], ids=lambda format: format.name)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_kernel_that_keeps_its_contract_stays_within_the_bound_and_eight_sigma(family, format):
    for seed in range(20):
        ratio, score = ratios(ask(family, format, seed=seed), Contract())
        assert max(ratio.values()) <= 1, (seed, ratio)
        assert max(score.values()) <= SIGMAS, (seed, score)


@UNHURRIED
@given(problem=st.sampled_from(sorted(FORMATS)).flatmap(lambda f: problems(format=FORMATS[f])))
def test_the_bound_holds_whatever_features_meet(problem):
    ratio, _ = ratios(problem, Contract())
    assert max(ratio.values()) <= 1, ratio


# (typical, worst) ratio of error to bound: median and maximum over the families of a case's largest
# ratio, rows 130, keys 257, head_dim 64. docs/numerics.md, section 10, has the same figures.
TIGHTNESS = {
    BF16: {
        "out": (0.41, 0.66),
        "lse": (0.0062, 0.029),
        "dq": (0.073, 0.34),
        "dk": (0.084, 0.49),
        "dv": (0.36, 0.82),
    },
    FP16: {
        "out": (0.24, 0.58),
        "lse": (0.0068, 0.027),
        "dq": (0.05, 0.27),
        "dk": (0.085, 0.37),
        "dv": (0.33, 0.59),
    },
    FP32: {
        "out": (0.0035, 0.026),
        "lse": (0.0086, 0.034),
        "dq": (0.001, 0.004),
        "dk": (0.0006, 0.0045),
        "dv": (0.0026, 0.014),
    },
}
FACTOR = 2  # by which the order of additions of another machine may move a figure


@pytest.mark.parametrize("format", TIGHTNESS, ids=lambda format: format.name)
def test_the_bound_is_as_tight_as_the_table_says(format):
    shape = {"seqlen_q": 130, "seqlen_k": 257, "head_dim": 64}
    cases = [
        ratios(ask(family, format, seed=seed, **shape), Contract())[0]
        for family in FAMILIES
        for seed in range(2)
    ]
    for name, figures in TIGHTNESS[format].items():
        measured = [case[name] for case in cases]
        for what, was, now in zip(
            ("typical", "worst"), figures, (np.median(measured), max(measured)), strict=True
        ):
            print(f"{format.name} {name} {what} {now:.2g}")
            assert was / FACTOR <= now <= min(was * FACTOR, 1), (name, what, now)


@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_an_undeclared_shortcut_exceeds_the_bound_and_a_declared_one_does_not(shortcut):
    family, contract = SHORTCUTS[shortcut]
    problem = ask(family, BF16, seqlen_k=200, head_dim=40)
    assert max(ratios(problem, contract, promised=Contract())[0].values()) > 1
    assert max(ratios(problem, contract)[0].values()) <= 1


@pytest.mark.parametrize("change", LOOSER, ids=lambda change: next(iter(change)))
def test_who_promises_less_is_allowed_more(change):
    problem = ask(format=FP32, softcap=20.0 if "tanh" in next(iter(change)) else None)
    strict, loose = (bound_of(problem, c, float64=True) for c in (Contract(), Contract(**change)))
    for result in ("worst", "sigma"):
        for (name, less), (_, more) in pairs(getattr(strict, result), getattr(loose, result)):
            assert (more >= less).all(), (result, name)
    assert any((more > less).all() for (_, less), (_, more) in pairs(strict.worst, loose.worst))


def test_a_shorter_chain_of_additions_is_allowed_less():
    problem = ask(format=FP32)
    long, short = bound_of(problem), bound_of(problem, Contract(longest_sum=16))
    assert (short.worst.out < long.worst.out).all()


EXTRAS = {
    "plain": {},
    "causal": {"window": (None, 0)},
    "window": {"seqlen_q": 520, "seqlen_k": 520, "window": (40, 0)},
    "many keys": {"seqlen_q": 20, "seqlen_k": 2000},
    "keep": {"keep": "random bhqk"},
    "sink": {"sink": "random"},
    "packed": {"lens_q": (33, 0, 5), "lens_k": (33, 3, 5), "dlse": True},
    "gqa": {"heads_q": 6, "heads_k": 2},
}


@pytest.mark.parametrize("format", [BF16, FP16, FP32], ids=lambda format: format.name)
@pytest.mark.parametrize("extra", EXTRAS)
def test_float32_gives_the_bound_of_float64_or_a_little_more(extra, format):
    problem = ask(format=format, **{"seqlen_q": 70} | EXTRAS[extra])
    quick, slow = bound_of(problem), bound_of(problem, float64=True)
    # 8 of some 2 head_dim + 12 units of an exponent's error are replaced by what bounds them
    slack = 8 / (2 * problem.head_dim) + 2 * LARGEST_ERROR
    for (name, more), (_, less) in pairs(quick.worst, slow.worst):
        assert (more >= less).all(), name
        assert (more <= less * (1 + slack)).all(), name
    for (name, one), (_, other) in pairs(quick.sigma, slow.sigma):
        assert (one >= other * (2 - MARGIN)).all(), name
        assert one.mean() <= other.mean() * (1 + slack), name


@pytest.mark.parametrize("format", [BF16, FP32], ids=lambda format: format.name)
def test_weights_that_are_made_again_are_those_that_were_kept(format, monkeypatch):
    problem = ask(format=format, seqlen_q=65, seqlen_k=300, window=(None, 0))
    kept = bound_of(problem)
    monkeypatch.setattr(tiles, "KEPT", 0)
    again = bound_of(problem)
    for result in ("worst", "sigma"):
        for (name, one), (_, other) in pairs(getattr(kept, result), getattr(again, result)):
            assert np.array_equal(one, other), (result, name)


def test_tiles_threads_and_the_oracles_answer_change_nothing():
    problem = ask(seqlen_q=65, seqlen_k=70, heads_q=2, window=(None, 0))
    first = bound_of(problem, block_q=32, block_k=16, threads=1)
    for threads in (2, 3):
        again = bound_of(problem, block_q=32, block_k=16, threads=threads)
        for (name, one), (_, other) in pairs(first.worst, again.worst):
            assert np.array_equal(one, other), name
    for other in (
        bound_of(problem, block_q=7, block_k=70),
        error_bound(problem, result=blockwise.attention(problem)),
    ):
        for (name, one), (_, two) in pairs(first.worst, other.worst):
            assert (np.abs(one - two) <= (MARGIN - 1) * one).all(), name


def test_the_oracles_own_error_is_allowed_in_fp64_whatever_the_kernel_promises():
    problem, exact = ask(format=FP64), Contract(accumulator_roundoff=0.0, exp_ulps=0.0)
    usual, allowed = bound_of(problem), bound_of(problem, exact)
    for (name, twice), (_, worst) in pairs(usual.worst, allowed.worst):
        assert (worst >= twice / 2).all() and (worst < twice).all(), name
    for (name, twice), (_, sigma) in pairs(usual.sigma, allowed.sigma):
        assert (sigma >= twice / 2**0.5 * (1 - 2.0**-50)).all(), name


def test_a_row_that_sees_nothing_is_allowed_nothing():
    problem = ask(seqlen_q=40, seqlen_k=20, window=(None, 0), sink="random", dlse=True)
    for sink in (problem.sink, None):
        allowed = bound_of(problem.replace(sink=sink))
        for result in (allowed.worst, allowed.sigma):
            for dead in (result.out[:, :20], result.lse[..., :20], result.dq[:, :20]):
                assert not dead.any()
            assert (result.out[:, 20:] > 0).all()


def test_nothing_is_promised_where_additions_lose_everything():
    worst = bound_of(ask(), Contract(accumulator_roundoff=2.0**-3)).worst
    assert all(np.isposinf(tensor).all() for _, tensor in worst.tensors())


def test_large_errors_of_scores_still_bound_out_and_lse():
    problem = ask("huge", BF16)
    worst = bound_of(problem, Contract(scaled_q=BF16, accumulator_roundoff=2.0**-12)).worst
    assert np.isfinite(worst.out).all() and np.isfinite(worst.lse).all()
    assert (worst.out > np.abs(problem.v).max() / 2).any()


@pytest.mark.parametrize(
    "change",
    [{"scores": FP16}, {"scaled_q": FP16}, {"dweights": FP16}, {"dscores": FP16}],
    ids=lambda change: next(iter(change)),
)
def test_nothing_is_promised_where_an_intermediate_overflows(change):
    problem = ask("huge", BF16)
    problem = problem.replace(q=problem.q * 2.0**8, dout=problem.dout * 2.0**18)
    assert np.isposinf(bound_of(problem, Contract(**change)).worst.dq).any()
    assert np.isfinite(bound_of(problem, Contract()).worst.out).all()


def test_a_backward_on_exact_statistics_is_allowed_less_and_keeps_to_it():
    problem, contract = ask(format=BF16, seqlen_k=200), Contract()
    want = blockwise.attention(problem)
    given = error_bound(problem, result=want, exact_statistics=True).worst
    own = error_bound(problem, result=want).worst
    got = blockwise.backward(problem, BF16.round(want.out), FP32.round(want.lse), contract=contract)
    for name in ("dq", "dk", "dv"):
        assert (getattr(given, name) <= getattr(own, name)).all()
        error = np.abs(getattr(got, name) - getattr(want, name))
        assert (error <= getattr(given, name)).all(), name


@pytest.mark.parametrize("axes", ["1111", "b1qk", "11q1", "1h1k", "bhqk"])
@pytest.mark.parametrize("format", [BF16, FP64], ids=lambda format: format.name)
def test_a_bias_is_summed_over_the_axes_it_lacks(axes, format):
    problem = ask(format=format, batch=2, heads_q=2, bias=f"normal {axes}", softcap=5.0)
    ratio, score = ratios(problem, Contract())
    assert 0 < ratio["dbias"] <= 1
    assert score["dbias"] <= SIGMAS


def test_dropout_from_the_stream_keeps_within_the_bound_and_eight_sigma():
    problem = ask(batch=2).replace(dropout=Dropout(p=0.3, seed=5))
    ratio, score = ratios(problem, Contract())
    assert max(ratio.values()) <= 1
    assert max(score.values()) <= SIGMAS


def test_an_answer_that_lacks_a_gradient_is_refused():
    problem = ask()
    with pytest.raises(ValueError, match="result lacks dk, dq, dv"):
        error_bound(problem, result=blockwise.attention(problem.replace(dout=None)))


@pytest.mark.parametrize("blocks", [{"block_q": 0}, {"block_k": -1}])
def test_a_tile_has_at_least_one_row_and_one_key(blocks):
    with pytest.raises(ValueError, match="give at least 1 x 1"):
        bound_of(ask(), **blocks)
