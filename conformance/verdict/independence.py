"""Which roundings of an answer are one: what repeats, and which elements share a row of scores."""

from __future__ import annotations

import numpy as np

from reference.contract import Contract
from reference.formats import FP32, FP64, Array, Format
from reference.problem import Problem

COPIES = 2.0
"""A row or key with so many equals, itself included and on average, makes no chance of its own:
docs/numerics.md, "What is common"."""

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


def repetition(problem: Problem) -> str:
    """Why no rounding of an answer is a chance of its own, or "": rows or keys that are equal.

    Equal rows, and equal keys, have equal scores, weights and gradients of weights, and these have
    equal errors.
    """
    if problem.scale == 0:
        return "all scores are 0, so that all weights of a row share their rounding errors"
    heads = list(problem.heads())
    for name, what in (("q", "rows"), ("dout", "rows"), ("k", "keys"), ("v", "keys")):
        vectors = [getattr(head, name) for head in heads]
        if any(x is None for x in vectors):
            continue
        if _copies(vectors) >= COPIES:
            return f"{what} of {name} repeat, and so do their rounding errors"
    return ""


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
