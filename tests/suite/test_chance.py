"""What many errors share is no evidence: right kernels are not suspicious, biased ones are."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from faults.host_kernel import Host

from conformance.cases.case import Case
from conformance.kernel import oracle
from conformance.verdict.independence import common_axes, repetition
from conformance.verdict.statistics import LOG_CHANCE, RMS_LIMIT, SIGMAS, limit_of_rms
from conformance.verdict.verdict import Verdict, judge
from reference import blockwise
from reference.bounds import error_bound
from reference.contract import Contract
from reference.formats import BF16, FP16, FP32
from reference.problem import Problem, Result

KERNELS = {"oracle": oracle, "host": Host()}
FIGURES = ("z_max", "z_rms", "slope_z")

every_kernel = pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
every_format = pytest.mark.parametrize("format", [FP16, BF16, FP32], ids=lambda one: one.name)


def ask(family="normal", format=FP16, *, seed=0, **changes) -> Problem:
    shape = {"seqlen_q": 65, "seqlen_k": 129, "head_dim": 32}
    return Case("chance", "", family=family, **(shape | changes)).problem(format, seed=seed)


def verdict(problem: Problem, got: Result, contract: Contract | None = None) -> Verdict:
    contract = contract or Contract()
    want = blockwise.attention(problem)
    allowed = error_bound(problem, contract, result=want)
    return judge(got, want, allowed, problem=problem, contract=contract)


def repeated(problem: Problem, name: str, *, seqlen: int = 1) -> Problem:
    """The problem with the first vectors of a tensor in place of the others."""
    tensor = getattr(problem, name)
    at = np.arange(tensor.shape[1]) % seqlen
    return problem.replace(**{name: np.ascontiguousarray(tensor[:, at])})


REPEATING = {
    "scale": lambda problem: problem.replace(scale=0.0),
    "weights": lambda problem: problem.replace(scale=problem.format.unit_roundoff),
    "q": lambda problem: repeated(problem, "q"),
    "k": lambda problem: repeated(problem, "k"),
    "v": lambda problem: repeated(problem, "v"),
    "dout": lambda problem: repeated(problem, "dout"),
}


@every_kernel
@every_format
@pytest.mark.parametrize("what", REPEATING)
def test_a_right_kernel_whose_rows_or_keys_are_equal_is_not_suspicious(what, format, kernel):
    problem = REPEATING[what](ask("uniform", format))
    judged = verdict(problem, kernel(problem))
    assert judged.passes(strict=True)
    for score in judged.tensors:
        assert [getattr(score, name) for name in FIGURES] == [None, None, None]
        assert score.not_computed.startswith("z_max, z_rms, slope_z: ")


@every_kernel
@every_format
@pytest.mark.parametrize("window", [(None, None), (None, 0)], ids=["full", "causal"])
@pytest.mark.parametrize("family", ["constant", "mean-v", "cancel-v", "uniform", "tiny"])
def test_a_right_kernel_is_not_suspicious_whatever_its_channels_share(
    family, window, format, kernel
):
    for seed in range(3):
        problem = ask(family, format, seed=seed, window=window)
        assert verdict(problem, kernel(problem)).suspicions == ()


@pytest.mark.parametrize("name", ["q", "k", "v", "dout"])
def test_few_equal_vectors_do_not_silence_the_judge(name):
    problem = ask()
    assert repetition(problem, Contract()) == ""
    assert repetition(repeated(problem, name, seqlen=100), Contract()) == ""
    assert name in repetition(repeated(problem, name, seqlen=10), Contract())


def test_scores_that_bias_spreads_are_not_equal():
    problem = REPEATING["scale"](ask(bias="normal bhqk"))
    assert repetition(problem, Contract()) == ""


@pytest.mark.parametrize(("family", "saturated"), [("huge", True), ("normal", False)])
def test_keys_whose_scores_reach_the_cap_have_no_slope_of_their_own(family, saturated):
    problem = ask(family, softcap=30.0)
    (dv,) = (one for one in verdict(problem, oracle(problem)).tensors if one.name == "dv")
    assert (dv.slope_z is None) == saturated


def test_heads_of_a_group_read_one_key_and_do_not_repeat_it():
    assert repetition(ask(heads_q=8, heads_k=2), Contract()) == ""


@pytest.mark.parametrize("name", ["out", "dq", "dv"])
@pytest.mark.parametrize("family", ["normal", "cancel-v"])
def test_results_that_are_half_a_last_place_too_large_are_suspicious(family, name):
    problem = ask(family, seqlen_q=129)
    large = getattr(blockwise.attention(problem), name) * (1 + FP16.unit_roundoff)
    judged = verdict(problem, replace(oracle(problem), **{name: FP16.round(large)}))
    assert judged.passes()
    (score,) = judged.suspicions
    assert score.name == name and score.slope_z > SIGMAS


def truncated(tensor):
    """Towards zero, to fp16's 11 bits."""
    fraction, exponent = np.frexp(tensor.astype(np.float64))
    return FP16.round(np.ldexp(np.trunc(np.ldexp(fraction, 11)), exponent - 11))


def test_results_that_are_cut_off_instead_of_rounded_are_suspicious():
    problem = ask(seqlen_q=129)
    want = blockwise.attention(problem)
    got = {name: truncated(getattr(want, name)) for name in ("out", "dq", "dv")}
    judged = verdict(problem, replace(oracle(problem), **got))
    assert judged.passes()
    assert [score.name for score in judged.suspicions] == ["out", "dq", "dv"]


@pytest.mark.parametrize("format", [FP16, BF16], ids=lambda one: one.name)
@pytest.mark.parametrize("family", ["uniform", "mean-v"])
def test_a_rounded_gradient_of_the_weights_is_suspicious_unless_declared(family, format):
    contract = Contract(dweights=format)
    problem = ask(family, format, seqlen_k=257, head_dim=64)
    got = blockwise.attention(problem, contract=contract)
    assert verdict(problem, got, contract).passes(strict=True)
    undeclared = verdict(problem, got)
    assert undeclared.passes() and undeclared.suspicions


def test_errors_that_are_one_in_each_row_are_counted_by_row():
    """Taken by element, errors of one sign in all channels of a row are no chance."""
    problem = ask(format=FP32)
    want = blockwise.attention(problem)
    sigma = error_bound(problem, result=want).sigma.out
    rng = np.random.default_rng(0)
    for _ in range(20):
        of_row = rng.choice([-1.5, 1.5], size=(*want.out.shape[:-1], 1))
        out = FP32.round(want.out + of_row * np.sign(want.out) * sigma)
        score = verdict(problem, replace(oracle(problem), out=out)).tensors[0]
        assert score.name == "out" and score.suspicion == ""


def test_an_error_of_lse_is_common_to_all_keys_of_dv():
    """By key, weights of a row that are all 1.5 sigma of lse off would be no chance."""
    problem = ask("uniform", FP32, batch=1, heads_q=1, seqlen_q=17, seqlen_k=1025)
    want = blockwise.attention(problem)
    (head,) = problem.heads()
    scores = problem.scale * head.q.astype(np.float64) @ head.k.T
    sigma = error_bound(problem, result=want).sigma.lse[0, 0][:, None]
    for seed in range(5):
        of_row = np.random.default_rng(seed).choice([-1.5, 1.5], size=sigma.shape)
        weights = np.exp(scores - want.lse[0, 0][:, None]) * (1 + of_row * sigma)
        dv = FP32.round(weights.T @ head.dout)[None, :, None]
        assert verdict(problem, replace(oracle(problem), dv=dv)).suspicions == ()


@every_kernel
def test_the_rounding_of_scale_is_one_error_of_all_rows_and_no_chance(kernel):
    scale = 0.1 + 2.0**-26  # nearly half way between two numbers of fp32
    assert abs(float(np.float32(scale)) / scale - 1) > 0.1 * FP32.unit_roundoff
    problem = ask("neg300", FP32, batch=8, heads_q=8, scale=scale)
    slopes = {score.name: score.slope_z for score in verdict(problem, kernel(problem)).tensors}
    assert slopes["lse"] == 0 and slopes["dq"] < 1


def test_what_is_flushed_has_one_sign_and_is_no_chance():
    problem, contract = ask("tiny", BF16), Contract(flushes_subnormals=True)
    judged = verdict(problem, oracle(problem), contract)
    by_name = {score.name: score for score in judged.tensors}
    assert by_name["out"].z_max is None and "flush" in by_name["out"].not_computed
    assert by_name["lse"].z_max is not None
    usual = ask("normal", BF16)
    assert all(score.z_max is not None for score in verdict(usual, oracle(usual), contract).tensors)


def test_too_few_rows_have_no_slope_and_a_wider_root_mean_square():
    problem = ask(batch=1, heads_q=1, seqlen_q=1)
    want = blockwise.attention(problem)
    sigma = error_bound(problem, result=want).sigma.out
    alternating = np.where(np.arange(32) % 2, RMS_LIMIT + 0.5, -RMS_LIMIT - 0.5)
    got = replace(oracle(problem), out=FP16.round(want.out + sigma * alternating))
    score = verdict(problem, got).tensors[0]
    assert score.slope_z is None and "slope_z" in score.not_computed
    assert score.z_rms > RMS_LIMIT and score.suspicion == ""


@pytest.mark.parametrize("units", [1, 2, 5, 20, 39])
def test_a_root_mean_square_beyond_its_limit_is_as_rare_as_a_largest_error(units):
    square = limit_of_rms(units) ** 2
    assert units / 2 * (square - 1 - math.log(square)) == pytest.approx(LOG_CHANCE)
    assert limit_of_rms(units) > limit_of_rms(units + 1) >= RMS_LIMIT == limit_of_rms(100)


AXES = {
    "out": ((2, 5, 4, 8), (-1,)),
    "dk": ((2, 7, 2, 8), (-3, -1)),
    "lse": ((2, 4, 5), ()),
    "dbias of rows": ((1, 4, 5, 7), (-1,)),
    "dbias of keys": ((1, 4, 1, 7), (-2, -1)),
    "dbias of one number": ((), ()),
    "dbias of one row": ((7,), (-1,)),
}


@pytest.mark.parametrize("what", AXES)
def test_what_shares_a_row_of_scores_shares_errors(what):
    shape, axes = AXES[what]
    assert common_axes(what.split()[0], shape) == axes
