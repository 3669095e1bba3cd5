"""What the laws are stated with: small exact problems, and how far two answers may be apart.

A law is a metamorphic relation, as the testing literature calls it: it says how a kernel's answers
to related problems belong together. Each answer is within its bound of the truth, so two answers
whose truths are known to be equal are within the sum of their bounds of each other.

Two answers that are both missing, NaN or zero would satisfy most relations. `answer` refuses them
before they are compared; the oracle is asked there only whether a constant tensor is right.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from conformance.cases.inputs import Stream
from conformance.kernel import PROBLEM_TENSORS, LoadedKernel
from conformance.verdict.conventions import dead_rows, rows_of_out
from conformance.verdict.places import axes, place, where
from reference import blockwise, formats
from reference.bounds import error_bound
from reference.formats import Array
from reference.mask import Bools, Mask
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
    **features: Any,
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
    return Problem(**tensors, format=formats.FORMATS[format], **features)


def sequences(format: str, mask: Mask) -> list[Problem]:
    """Problems of one sequence each, of every pair of LENGTHS."""
    return [
        make_problem(format, batch=1, seqlen_q=seqlen_q, seqlen_k=seqlen_k, mask=mask, seed=seed)
        for seed, (seqlen_q, seqlen_k) in enumerate(LENGTHS)
    ]


def answer(kernel: LoadedKernel, problem: Problem) -> Result:
    """What the kernel answers, lse in natural logarithms; without gradients if it has none.

    Raises
    ------
    Unsupported
        If it declines the problem even without gradients.
    BadAnswer
        If a tensor is missing.
    pytest.fail.Exception
        If the answer says nothing: see `require_substance`.
    """
    try:
        return answer_with_gradients(kernel, problem)
    except Unsupported:
        if problem.dout is None:
            raise
        return answer_with_gradients(kernel, problem.replace(dout=None, dlse=None))


def answer_with_gradients(kernel: LoadedKernel, problem: Problem) -> Result:
    """What the kernel answers, lse in natural logarithms; a kernel without gradients declines.

    Raises
    ------
    Unsupported, BadAnswer, pytest.fail.Exception
        As `answer`.
    """
    result = kernel(problem)
    base = kernel.contract(problem).lse_base
    if base != math.e and result.lse is not None:
        result = replace(result, lse=result.lse * math.log(base))
    require_substance(kernel, problem, result)
    return result


def require_substance(kernel: LoadedKernel, problem: Problem, result: Result) -> None:
    """Fail the test if an answer cannot be right whatever it is compared with.

    Its tensors have the shapes that the problem gives them. Where the problem is finite, so are
    they; and a constant tensor is within its bound of the oracle's. Rows that see no key are left
    out of out and lse: what they hold is a convention.
    """
    for name, shape in _shapes(problem).items():
        tensor = getattr(result, name)
        if tensor is not None and tensor.shape != shape:
            pytest.fail(f"{name} has shape {tensor.shape}: give {shape}", pytrace=False)
    if not all(np.isfinite(tensor).all() for tensor in _inputs(problem)):
        return
    plain = [name for name, tensor in result.tensors() if not _varies(tensor)]
    if not plain:
        return
    truth, within = _live(problem), allowed(kernel, problem)
    for name in plain:
        tensor, right, most = (getattr(one, name) for one in (result, truth, within))
        if right is None or most is None:  # softmax_max and softmax_sum: any maximum is legal
            continue
        live = np.isfinite(right)
        if (unknown := live & ~np.isfinite(tensor)).any():
            places = where(unknown, axes(name, unknown.ndim))
            pytest.fail(f"{name} is not finite: {places}", pytrace=False)
        if (np.abs(tensor[live] - right[live]) > most[live]).any():
            value = float(tensor[live][0])
            pytest.fail(f"{name} is {value:.9g} everywhere, the oracle's is not", pytrace=False)


def _varies(tensor: Array) -> bool:
    return tensor.size < 2 or bool(np.isfinite(tensor).all() and np.ptp(tensor) > 0)


def _shapes(problem: Problem) -> dict[str, tuple[int, ...]]:
    like = {"dq": problem.q, "dk": problem.k, "dv": problem.v}
    return {name: tensor.shape for name, tensor in like.items()} | {
        "out": (*problem.q.shape[:-1], problem.head_dim_v),
        "lse": problem.shape_lse,
    }


def _inputs(problem: Problem) -> list[Array]:
    names = (name for name in PROBLEM_TENSORS if name != "bias")  # where -inf hides a pair
    return [tensor for name in names if (tensor := getattr(problem, name)) is not None]


def _live(problem: Problem) -> Result:
    """The oracle's answer, NaN in out and lse of rows that see no key."""
    truth = blockwise.attention(problem)
    assert truth.out is not None and truth.lse is not None
    dead = dead_rows(truth)
    return replace(
        truth,
        out=np.where(rows_of_out(dead), np.nan, truth.out),
        lse=np.where(dead, np.nan, truth.lse),
    )


def allowed(kernel: LoadedKernel, problem: Problem) -> Result:
    """How far from the truth each element of the kernel's answer may be."""
    truth = blockwise.attention(problem)
    worst: Result = error_bound(problem, kernel.contract(problem), result=truth).worst
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
    """Every tensor that one of them has is the same, bit by bit, in both; else the test fails."""
    for name in sorted({name for result in (got, want) for name, _ in result.tensors()}):
        a, b = _pair(name, got, want)
        differs = a != b
        differs &= ~(np.isnan(a) & np.isnan(b))
        if differs.any():
            pytest.fail(_difference(name, differs, a, b, np.zeros(())), pytrace=False)


def assert_near(got: Result, want: Result, within: Result) -> None:
    """Every tensor of one of them differs by no more than `within`; else the test fails.

    NaN is never near. A tensor that `within` has not is left out: its bound is not known.
    """
    for name in sorted({name for result in (got, want) for name, _ in result.tensors()}):
        most = getattr(within, name)
        if most is None:
            continue
        a, b = _pair(name, got, want)
        with np.errstate(invalid="ignore"):
            error = np.where(a == b, 0.0, np.abs(np.asarray(a, np.float64) - b))
        differs = ~(error <= most)
        if differs.any():
            pytest.fail(_difference(name, differs, a, b, most), pytrace=False)


def _pair(name: str, got: Result, want: Result) -> tuple[Array, Array]:
    a, b = getattr(got, name), getattr(want, name)
    if a is None or b is None:
        pytest.fail(f"{name} is given in one of the two answers only", pytrace=False)
    if a.shape != b.shape:
        pytest.fail(f"{name} has shape {a.shape}, expected {b.shape}", pytrace=False)
    return a, b


def _difference(name: str, differs: Bools, got: Array, want: Array, most: Array) -> str:
    """What a failed comparison says: how many elements, the worst, and where they are."""
    most = np.broadcast_to(most, differs.shape)
    with np.errstate(invalid="ignore"):
        distance = np.nan_to_num(np.abs(np.asarray(got, np.float64) - want), nan=np.inf)
        excess = np.where(differs, distance - most, -np.inf)
    at = tuple(int(index) for index in np.unravel_index(np.argmax(excess), differs.shape))
    names = axes(name, differs.ndim)
    return (
        f"{name}: {np.count_nonzero(differs)} of {differs.size} elements differ between two "
        f"answers that should agree\n"
        f"    worst at {place(names, at)}: got {float(got[at]):.9g}, expected "
        f"{float(want[at]):.9g}, difference {distance[at]:.3g}, allowed {float(most[at]):.3g}\n"
        f"    where: {where(differs, names)}"
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
