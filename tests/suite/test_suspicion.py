"""What the judge finds suspicious: errors within the bound that no rounding makes by chance."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from support.verdicts import allowing, problem_with, put, reasons

from conformance.verdict.statistics import RMS_LIMIT, SIGMAS
from conformance.verdict.verdict import judge
from reference import dense
from reference.bounds import Allowed
from reference.contract import Contract
from reference.formats import FP64
from reference.problem import Problem

INF = math.inf


def many_rows() -> Problem:
    """Enough rows that an error of one sign in all of them is no chance."""
    return problem_with(FP64, sink=np.zeros(4), seqlen_q=50)


def suspicion(error, *, contract=None) -> str:
    """What is said of dq when its error is `error(dq)` and sigma is 1, within the bound."""
    problem = many_rows()
    want = dense.attention(problem)
    allowed = allowing(problem, want, worst=1e6, sigma=1.0)
    got = replace(want, dq=want.dq + error(want.dq))
    judged = judge(got, want, allowed, problem=problem, contract=contract or Contract())
    assert judged.passes()
    assert judged.passes(strict=True) == (not judged.suspicions)
    return "".join(score.suspicion for score in judged.suspicions)


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
    problem = problem_with(FP64, sink=np.zeros(4))
    want = dense.attention(problem)
    judged = judge(
        replace(want, out=put(9.0)(0 * want.out) + want.out),
        want,
        allowing(problem, want, worst=10.0, sigma=1.0),
        problem=problem,
    )
    assert judged.passes() and not judged.passes(strict=True)
    assert [score.name for score in judged.suspicions] == ["out"]


def test_a_case_whose_bound_is_infinite_too_often_fails():
    problem = problem_with(FP64, sink=np.zeros(4))
    want = dense.attention(problem)
    judged = judge(want, want, allowing(problem, want, worst=INF, sigma=INF), problem=problem)
    assert "the case says nothing" in reasons(judged)["out"]


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
