"""Our kernel where values or strides are extreme: the judge finds nothing, in either format."""

from __future__ import annotations

import numpy as np
import pytest

import npu_kernels
from conformance.laws.assertions import CAUSAL, make_problem
from conformance.strides import with_steps
from conformance.verdict.verdict import judge
from reference import dense
from reference.bounds import error_bound
from reference.formats import FORMATS
from reference.problem import Problem

PITCH = 65536  # the least that does not fit the field of a copy's pitch
LOWEST = {"fp16": -65504.0, "bf16": -3.3895e38}  # finite numbers of each format


def one_sequence(format: str, **changes: object) -> Problem:
    """One sequence of 130 queries and 150 keys, forward."""
    sizes = {"batch": 1, "seqlen_q": 130, "seqlen_k": 150, "heads_q": 1, "heads_k": 1}
    return make_problem(format, **{**sizes, **changes}).replace(dout=None)


def lowest_bias(format: str, *, everywhere: bool) -> Problem:
    """A finite bias hides a key from a query that sees a better one, and from no other."""
    lowest = FORMATS[format].round(np.float32(LOWEST[format]))
    bias = np.zeros((1, 1, 130, 150), np.float32)
    bias[..., ::2, :] = lowest
    if not everywhere:
        bias[..., 70:] = 0
    return one_sequence(format, bias=bias, mask=CAUSAL)


def far_rows(format: str) -> Problem:
    """q, k and v whose rows are further apart than the pitch of one copy can say."""
    problem = one_sequence(format)
    steps = {"q": PITCH, "k": PITCH + 464, "v": 70000}
    far = {
        name: with_steps(getattr(problem, name), (0, pitch, 0, 1)) for name, pitch in steps.items()
    }
    return problem.replace(**far)


EXTREMES = {
    "lowest bias on half of a row": lambda format: lowest_bias(format, everywhere=False),
    "lowest bias on all of a row": lambda format: lowest_bias(format, everywhere=True),
    "rows of q, k and v far apart": far_rows,
    "rows of a bias far apart": lambda format: one_sequence(
        format,
        seqlen_q=5,
        seqlen_k=PITCH + 40,
        head_dim=8,
        bias=np.ones((5, PITCH + 40), np.float32),
    ),
    "rows of out far apart": lambda format: one_sequence(
        format, seqlen_q=3, seqlen_k=9, heads_q=257, head_dim=256
    ),
    "scores that leave softcap at its ends": lambda format: one_sequence(format, softcap=0.01),
    "a scale of 0": lambda format: one_sequence(format, scale=0.0, softcap=3.0),
}


@pytest.mark.parametrize("format", ["fp16", "bf16"])
@pytest.mark.parametrize("name", EXTREMES)
def test_the_judge_finds_nothing(name, format):
    kernel, problem = npu_kernels.emulated, EXTREMES[name](format)
    contract, want = kernel.contract(problem), dense.attention(problem)
    allowed = error_bound(problem, contract, result=dense.attention(problem))
    assert not judge(kernel(problem), want, allowed, problem=problem, contract=contract).failures
