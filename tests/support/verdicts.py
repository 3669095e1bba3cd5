"""Verdicts on a small problem: the oracle's answer as a perfect kernel stores it, changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from conformance.verdict.verdict import judge
from reference import dense
from reference.bounds import Allowed, error_bound
from reference.contract import Contract
from reference.formats import FP16, FP32
from reference.mask import Mask
from reference.problem import Problem, Result

TENSORS = ("out", "lse", "dq", "dk", "dv", "dbias", "dsink")


def problem_with(format=FP16, *, seqlen_q=5, seqlen_k=7, **fields) -> Problem:
    """A small problem with every tensor that a result can have."""
    rng = np.random.default_rng(7)
    shapes = {"q": (2, seqlen_q, 4, 8), "k": (2, seqlen_k, 2, 8), "v": (2, seqlen_k, 2, 6)}
    shapes |= {"dout": (2, seqlen_q, 4, 6), "bias": (1, 4, 1, seqlen_k)}
    tensors = {name: format.round(rng.normal(size=shape)) for name, shape in shapes.items()}
    return Problem(**(tensors | {"format": format, "sink": np.zeros(4, np.float32)} | fields))


def dead_rows() -> Problem:
    """Rows 0 and 1 see no key, and there is no sink."""
    return problem_with(seqlen_q=7, seqlen_k=5, sink=None, mask=Mask(window=(None, 0)))


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
    problem = problem or problem_with()
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


def allowing(problem, want, *, worst, sigma) -> Allowed:
    """An allowance of our own: the same everywhere."""
    tensors = {name: tensor for name, tensor in want.tensors() if name in TENSORS}
    return Allowed(
        worst=Result(**{name: np.full(x.shape, worst) for name, x in tensors.items()}),
        sigma=Result(**{name: np.full(x.shape, sigma) for name, x in tensors.items()}),
    )
