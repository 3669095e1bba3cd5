"""What the laws are stated with: small exact questions, and how far two answers may be apart.

Each answer of a kernel is within its bound of the truth, so two answers whose truths are known
to be equal are within the sum of their bounds of each other. That needs no oracle.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from conformance.cases.inputs import Stream
from conformance.kernel import LoadedKernel
from reference import formats
from reference.bounds import error_bound
from reference.formats import Array
from reference.mask import Mask
from reference.problem import Problem, Result, Unsupported

FORMATS = ("fp16", "bf16", "fp32")
CAUSAL = Mask(window=(None, 0))

Options = dict[str, Any]

PROBLEMS: dict[str, Options] = {
    "plain": {"batch": 3},
    "causal-gqa": {"heads_q": 6, "heads_k": 2, "mask": CAUSAL},
    "cross-length": {"seqlen_q": 33, "seqlen_k": 130, "head_dim": 64},
}
"""Small questions that between them have several tiles, sequences and heads of distinct data."""

LENGTHS = ((17, 17), (0, 5), (1, 1), (64, 70), (33, 20), (5, 0), (2, 129))
"""(seqlen_q, seqlen_k) of the sequences that are packed."""

GRID = 16
"""Inputs are multiples of 1/16 below 5: sums, doubles and shifts of them are exact in bf16."""


def grid(name: str, shape: tuple[int, ...]) -> Array:
    """Normal numbers with mean 0 and variance 1, rounded to multiples of 1/16: float64."""
    return np.asarray(np.rint(Stream("laws").normal(name, shape) * GRID) / GRID)


def make_problem(
    format: str,
    *,
    batch: int = 2,
    seqlen_q: int = 65,
    seqlen_k: int = 65,
    heads_q: int = 2,
    heads_k: int = 2,
    head_dim: int = 32,
    seed: int = 0,
    **asked: Any,
) -> Problem:
    """A dense problem with gradients on the grid, in the format of that name."""
    carrier = formats.FORMATS[format].dtype
    shapes = {
        "q": (batch, seqlen_q, heads_q, head_dim),
        "k": (batch, seqlen_k, heads_k, head_dim),
        "v": (batch, seqlen_k, heads_k, head_dim),
        "dout": (batch, seqlen_q, heads_q, head_dim),
    }
    tensors: Options = {
        name: grid(f"{name} {seed}", shape).astype(carrier) for name, shape in shapes.items()
    }
    return Problem(**tensors, format=formats.FORMATS[format], **asked)


def sequences(format: str, mask: Mask) -> list[Problem]:
    """Problems of one sequence each, of every pair of LENGTHS."""
    return [
        make_problem(format, batch=1, seqlen_q=seqlen_q, seqlen_k=seqlen_k, mask=mask, seed=seed)
        for seed, (seqlen_q, seqlen_k) in enumerate(LENGTHS)
    ]


def answer(kernel: LoadedKernel, problem: Problem) -> Result:
    """What the kernel says, lse in natural logarithms; without gradients if it has none.

    Raises
    ------
    Unsupported
        If it declines the problem even without gradients.
    """
    try:
        result = kernel(problem)
    except Unsupported:
        if problem.dout is None:
            raise
        problem = problem.replace(dout=None, dlse=None)
        result = kernel(problem)
    base = kernel.contract(problem).lse_base
    if base == math.e or result.lse is None:
        return result
    return replace(result, lse=result.lse * math.log(base))


def allowed(kernel: LoadedKernel, problem: Problem) -> Result:
    """How far from the truth each element of the kernel's answer may be."""
    worst: Result = error_bound(problem, kernel.contract(problem)).worst
    return worst


def only(result: Result, *names: str) -> Result:
    """The tensors of those names."""
    return Result(**{name: tensor for name, tensor in result.tensors() if name in names})


def times(result: Result, **factors: float) -> Result:
    """The result with the named tensors multiplied."""
    return Result(
        **{
            name: np.asarray(tensor, np.float64) * factors.get(name, 1.0)
            for name, tensor in result.tensors()
        }
    )


def plus(*results: Result) -> Result:
    """The sum of results, over the tensors that all of them have."""
    names = set.intersection(*({name for name, _ in result.tensors()} for result in results))
    return Result(
        **{
            name: np.sum(
                [np.asarray(getattr(result, name), np.float64) for result in results], axis=0
            )
            for name in names
        }
    )


def assert_same_bits(got: Result, want: Result) -> None:
    """Every tensor that one of them has is the same, bit by bit, in both."""
    for name in sorted({name for result in (got, want) for name, _ in result.tensors()}):
        a, b = getattr(got, name), getattr(want, name)
        assert a is not None and b is not None, f"{name} is given in one of the two answers only"
        assert a.shape == b.shape, f"{name} has shape {a.shape}, then {b.shape}"
        differs = a != b
        differs &= ~(np.isnan(a) & np.isnan(b))
        assert not differs.any(), f"{name} differs: {_worst(differs, a, b, 0.0)}"


def assert_near(got: Result, want: Result, within: Result) -> None:
    """Every tensor that both have differs by no more than `within`; NaN is never near."""
    for name, a in got.tensors():
        b, most = getattr(want, name), getattr(within, name)
        if b is None or most is None:
            continue
        assert a.shape == b.shape, f"{name} has shape {a.shape}, expected {b.shape}"
        with np.errstate(invalid="ignore"):
            error = np.where(a == b, 0.0, np.abs(np.asarray(a, np.float64) - b))
        differs = ~(error <= most)
        assert not differs.any(), f"{name} differs: {_worst(differs, a, b, most)}"


def _worst(differs: Array, a: Array, b: Array, most: Array | float) -> str:
    with np.errstate(invalid="ignore"):
        excess = np.where(differs, np.nan_to_num(np.abs(a - b), nan=np.inf) - most, -np.inf)
    at = np.unravel_index(np.argmax(excess), differs.shape)
    where = tuple(int(index) for index in at)
    limit = float(np.broadcast_to(most, differs.shape)[at])
    return (
        f"{np.count_nonzero(differs)} of {differs.size} elements, worst at {where}: "
        f"{a[at]!s} against {b[at]!s}, allowed {limit:.3g}"
    )


def merge(parts: list[Result], bounds: list[Result]) -> tuple[Result, Result]:
    """Out and lse over all keys from those over two sets of them, and how far off they may be.

    With weights w_i = exp(lse_i - lse), a change of the lse by at most F = F_1 + F_2 together
    changes each weight by at most w_i (exp(F) - 1); out is the weighted sum.
    """
    lses = np.stack([np.asarray(part.lse, np.float64) for part in parts])
    outs = np.stack([np.asarray(part.out, np.float64) for part in parts])
    lse = np.logaddexp(*lses)
    weights = np.exp(lses - lse).swapaxes(-1, -2)[..., None]
    off_lse = np.sum([np.asarray(bound.lse) for bound in bounds], axis=0)
    off_weight = np.expm1(off_lse).swapaxes(-1, -2)[..., None]
    off_out = np.stack([np.asarray(bound.out) for bound in bounds])
    off = weights * (1 + off_weight) * (off_out + off_weight * (np.abs(outs) + 2 * off_out))
    return (
        Result(out=(weights * outs).sum(axis=0), lse=lse),
        Result(out=off.sum(axis=0), lse=off_lse),
    )
