"""Which roundings of an answer are one: what repeats, and which elements share a row of scores."""

from __future__ import annotations

import math

import numpy as np

from reference.contract import Contract
from reference.formats import FP32, FP64, Array, Format
from reference.problem import Problem
from reference.problem.head import Head

COPIES = 2.0
"""A row or key with so many equals, itself included and on average, makes no chance of its own:
docs/numerics.md, section 9, "Shared roundings"."""

OF_ROW, OF_HEAD = (-1,), (-3, -1)
SUMMED = {"out": OF_ROW, "dq": OF_ROW, "dk": OF_HEAD, "dv": OF_HEAD, "lse": (), "dsink": ()}
"""Axes of a tensor along which errors are common, dbias apart: channels of a row, or all of a head;
in packed tensors, of all sequences."""


def common_axes(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Axes along which elements of a tensor may share roundings; along the others, none do."""
    if name != "dbias":
        return SUMMED[name]
    has_rows = len(shape) > 1 and shape[-2] > 1
    return tuple(range(-1 if has_rows else max(-2, -len(shape)), 0))


def repetition(problem: Problem, contract: Contract) -> str:
    """Why no rounding of an answer is a chance of its own, or "": rows, keys or weights are equal.

    Equal rows, and equal keys, have equal scores, weights and gradients of weights, and these have
    equal errors.
    """
    heads = list(problem.heads())
    weights = contract.resolve(problem.format).weights
    alike = problem.bias is None and problem.slopes is None
    if alike and abs(problem.scale) * _spread(heads) <= 2 * weights.unit_roundoff:
        return "all weights of a row are equal within their rounding, and share its error"
    for name, what in (("q", "rows"), ("dout", "rows"), ("k", "keys"), ("v", "keys")):
        vectors = [getattr(head, name) for head in heads]
        if any(x is None for x in vectors):
            continue
        if _copies(vectors) >= COPIES:
            return f"{what} of {name} repeat, and so do their rounding errors"
    return ""


def _spread(heads: list[Head]) -> float:
    """Standard deviation of a row's q k, if q and k have no direction in common."""
    squares_q, squares_k, rows, keys = 0.0, 0.0, 0, 0
    for head in heads:
        if head.seqlen_q and head.seqlen_k:
            k = head.k - head.k.mean(axis=0, dtype=np.float64)
            squares_q += float(np.square(head.q, dtype=np.float64).sum())
            squares_k += float(np.square(k).sum())
            rows, keys = rows + head.seqlen_q, keys + head.seqlen_k
    dim = heads[0].q.shape[1] if heads else 1
    return math.sqrt(squares_q / max(rows, 1) * squares_k / max(keys, 1) / dim)


def saturates(problem: Problem) -> bool:
    """Whether softcap may bring scores to the cap itself, so that their weights are equal."""
    if problem.softcap is None:
        return False
    longest = (
        float(np.sqrt(np.square(x, dtype=np.float64).sum(axis=-1).max(initial=0.0)))
        for x in (problem.q, problem.k)
    )
    compute = FP64 if problem.format == FP64 else FP32
    rounds_to_1 = math.log(4 / compute.unit_roundoff) / 2  # 1 - tanh(y) is nearly 2 exp(-2 y)
    return abs(problem.scale) * math.prod(longest) >= rounds_to_1 * problem.softcap


def _copies(blocks: list[Array]) -> float:
    """How many vectors of its block are equal to one, itself included, on average."""
    equals, vectors = 0, 0
    seen: dict[tuple[object, ...], int] = {}  # heads of a group read the same keys
    for x in blocks:
        at = (x.__array_interface__["data"], x.shape, x.strides)
        if at not in seen:
            _, counts = np.unique(_as_bytes(x), return_counts=True)
            seen[at] = int((counts.astype(np.int64) ** 2).sum())
        equals, vectors = equals + seen[at], vectors + len(x)
    return equals / vectors if vectors else 0.0


def _as_bytes(x: Array) -> Array:
    """One opaque value for each row, equal where the rows are."""
    rows = np.ascontiguousarray(x + 0.0)  # -0.0 is 0.0
    return rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()


def flushing(want: Array, problem: Problem, contract: Contract, format: Format) -> str:
    """Why the errors of a tensor may all have one sign, or "": they are what was flushed to 0."""
    if not contract.flushes_subnormals:
        return ""
    compute = FP64 if problem.format == FP64 else FP32
    products = max(int(np.prod(problem.shape_lse)), problem.max_seqlen_k)
    lost = products * 2.0**compute.min_exponent
    largest = float(np.abs(want).max(initial=0.0, where=np.isfinite(want)))
    if largest * format.unit_roundoff > lost:
        return ""
    return "what products flush to 0 may be more than a rounding error, and has one sign"
