"""FlashAttention forward: some rows of one head, a tile of keys at a time, with online softmax."""

from __future__ import annotations

import numpy as np

from reference.blockwise.rounding import RoundingPoints
from reference.blockwise.tile import decisions, is_plain, modify
from reference.formats import Array
from reference.parallel.scratch import Scratch
from reference.problem.head import Head
from reference.problem.result import Result
from reference.problem.tiling import blocks, hidden_pairs, rows_of

# exp of scores within +-40 is within 2**+-58: float64 sums them without a maximum to subtract.
_SMALL = 40.0


def is_small(head: Head, points: RoundingPoints) -> bool:
    """Whether no score can need a maximum: |scale| |q| |k| bounds them all (Cauchy, Schwarz)."""
    if not (points.is_exact and is_plain(head)) or head.sink is not None:
        return False
    longest = (
        np.einsum("nd,nd->n", x, x, dtype=np.float64).max(initial=0) for x in (head.q, head.k)
    )
    return bool(abs(head.scale) * np.sqrt(np.prod(list(longest))) <= _SMALL)


def attend(
    result: Result,
    head: Head,
    rows: range,
    *,
    block_k: int,
    small: bool,
    points: RoundingPoints,
    scratch: Scratch,
) -> None:
    """Write out, lse, softmax_max and softmax_sum of some rows of a head.

    Parameters
    ----------
    rows : range
        Queries, step 1.
    small : bool
        `is_small(head, points)`.

    Source: Dao 2023, "FlashAttention-2", algorithm 1.
    """
    dtype = points.dtype
    q = np.multiply(rows_of(head.q, rows), head.scale, dtype=dtype)
    points.round(q, points.scaled_q)

    m = np.full((len(rows), 1), -np.inf, dtype)
    l = np.zeros_like(m)
    acc = np.zeros((len(rows), head.v.shape[1]), dtype)
    if small:
        m[...] = 0
    if head.sink is not None:
        m[...], l[...] = head.sink, 1

    product = scratch.take("product", *acc.shape)
    span = head.mask.span(rows)
    for keys in blocks(span.stop, block_k, span.start):
        if head.mask.tile(rows, keys) == "empty":
            continue
        k = rows_of(head.k, keys).astype(dtype, copy=False)
        v = rows_of(head.v, keys).astype(dtype, copy=False)
        s = scratch.take("p", len(rows), len(keys))
        np.matmul(q, k.T, out=s)
        modify(s, head, rows, keys, points)
        mask = hidden_pairs(head, rows, keys, scratch.recall)
        if not small:
            if mask is not None:
                np.copyto(s, -np.inf, where=mask)
            _raise_maximum(m, l, acc, s)
        p = np.exp(s, out=s)
        if small and mask is not None:
            np.copyto(p, 0, where=mask)  # exp of -inf is several times slower
        if points.exp_factor != 1:
            p *= points.exp_factor
        _add_row_sums(l, p, points)
        if (z := decisions(head, rows, keys)) is not None:
            p *= z
        points.round(p, points.weights)
        if points.out_running:
            _store(acc, l, points)
        acc += np.matmul(p, v, out=product)
        points.round(acc, points.acc)
    finish(result, head, rows, m, l, acc, points)


def _raise_maximum(m: Array, l: Array, acc: Array, s: Array) -> None:
    """Subtract from s the maximum of all scores so far, and rescale what an older one scaled."""
    raised = np.maximum(m, s.max(axis=1, keepdims=True))
    shift = np.where(np.isfinite(raised), raised, 0)  # a row that saw nothing has no maximum
    # exp_factor leaves the correction alone: it multiplies l and acc alike.
    correction = np.exp(m - shift)
    l *= correction
    acc *= correction
    m[...] = raised
    s -= shift


def _add_row_sums(l: Array, p: Array, points: RoundingPoints) -> None:
    """Add to l the weights as they are, before dropout, or as they are rounded."""
    if points.row_sum_rounded and points.weights is not None:
        p = points.weights.round(p, rounding=points.rounding)
    l[:, 0] += p @ np.ones(p.shape[1], p.dtype)


def _store(acc: Array, l: Array, points: RoundingPoints) -> None:
    """Put the normalised accumulator into the format of out and take it back."""
    total = np.where(l == 0, 1, l)
    acc /= total
    points.round(acc, points.out)
    acc *= total


def finish(
    result: Result, head: Head, rows: range, m: Array, l: Array, acc: Array, points: RoundingPoints
) -> None:
    """Write the rows of a head from their maximum, sum (rows, 1) and accumulator; uses up acc."""
    dead = l[:, 0] == 0
    acc /= np.where(l == 0, 1, l)
    points.round(acc, points.out)
    m[dead] = -np.inf
    lse = (m + np.log(l))[:, 0]
    if points.log_base != 1:
        lse /= points.log_base
        m /= points.log_base  # softmax_max + log(softmax_sum) is lse in its base, too
    if dead.any():
        acc[dead], lse[dead] = points.dead_rows
    assert result.out is not None and result.lse is not None
    assert result.softmax_max is not None and result.softmax_sum is not None
    rows_of(result.out[head.at_q], rows)[...] = acc
    rows_of(result.lse[head.at_lse], rows)[...] = lse
    rows_of(result.softmax_max[head.at_lse], rows)[...] = m[:, 0]
    rows_of(result.softmax_sum[head.at_lse], rows)[...] = l[:, 0]
