"""FlashAttention forward: some rows of one head, a tile of keys at a time, with online softmax."""

from __future__ import annotations

import numpy as np

from reference.blockwise.rounding import Arithmetic
from reference.blockwise.tile import blocks, decisions, hidden, is_plain, modify, part
from reference.formats import Array
from reference.parallel.scratch import Scratch
from reference.problem.head import Head
from reference.problem.result import Result

# exp of scores within +-40 is within 2**+-58: float64 sums them without a maximum to subtract.
_SMALL = 40.0


def is_small(head: Head, arithmetic: Arithmetic) -> bool:
    """Whether no score can need a maximum: |scale| |q| |k| bounds them all (Cauchy, Schwarz)."""
    if not (arithmetic.is_exact and is_plain(head)) or head.sink is not None:
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
    arithmetic: Arithmetic,
    scratch: Scratch,
) -> None:
    """Write out, lse, softmax_max and softmax_sum of some rows of a head.

    Parameters
    ----------
    rows : range
        Queries, step 1.
    small : bool
        `is_small(head, arithmetic)`.

    Source: Dao 2023, "FlashAttention-2", algorithm 1.
    """
    dtype = arithmetic.dtype
    q = np.multiply(part(head.q, rows), head.scale, dtype=dtype)
    arithmetic.round(q, arithmetic.pre)

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
        k = part(head.k, keys).astype(dtype, copy=False)
        v = part(head.v, keys).astype(dtype, copy=False)
        s = scratch.take("p", len(rows), len(keys))
        np.matmul(q, k.T, out=s)
        modify(s, head, rows, keys, arithmetic)
        mask = hidden(head, rows, keys, scratch)
        if not small:
            if mask is not None:
                np.copyto(s, -np.inf, where=mask)
            _raise_maximum(m, l, acc, s)
        p = np.exp(s, out=s)
        if small and mask is not None:
            np.copyto(p, 0, where=mask)  # exp of -inf is several times slower
        if arithmetic.exp_factor != 1:
            p *= arithmetic.exp_factor
        _add_row_sums(l, p, arithmetic)
        if (z := decisions(head, rows, keys)) is not None:
            p *= z
        arithmetic.round(p, arithmetic.p)
        if arithmetic.out_running:
            _store(acc, l, arithmetic)
        acc += np.matmul(p, v, out=product)
        arithmetic.round(acc, arithmetic.acc)
    finish(result, head, rows, m, l, acc, arithmetic)


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


def _add_row_sums(l: Array, p: Array, arithmetic: Arithmetic) -> None:
    """Add to l the weights as they are, before dropout, or as they are rounded."""
    if arithmetic.l_rounded and arithmetic.p is not None:
        p = arithmetic.p.round(p, rounding=arithmetic.rounding)
    l[:, 0] += p @ np.ones(p.shape[1], p.dtype)


def _store(acc: Array, l: Array, arithmetic: Arithmetic) -> None:
    """Put the normalised accumulator into the format of out and take it back."""
    total = np.where(l == 0, 1, l)
    acc /= total
    arithmetic.round(acc, arithmetic.out)
    acc *= total


def finish(
    result: Result, head: Head, rows: range, m: Array, l: Array, acc: Array, arithmetic: Arithmetic
) -> None:
    """Write the rows of a head from their maximum, sum (rows, 1) and accumulator; uses up acc."""
    dead = l[:, 0] == 0
    acc /= np.where(l == 0, 1, l)
    arithmetic.round(acc, arithmetic.out)
    m[dead] = -np.inf
    lse = (m + np.log(l))[:, 0]
    if arithmetic.log_base != 1:
        lse /= arithmetic.log_base
        m /= arithmetic.log_base  # softmax_max + log(softmax_sum) is lse in its base, too
    if dead.any():
        acc[dead], lse[dead] = arithmetic.dead_rows
    assert result.out is not None and result.lse is not None
    assert result.softmax_max is not None and result.softmax_sum is not None
    part(result.out[head.at_q], rows)[...] = acc
    part(result.lse[head.at_lse], rows)[...] = lse
    part(result.softmax_max[head.at_lse], rows)[...] = m[:, 0]
    part(result.softmax_sum[head.at_lse], rows)[...] = l[:, 0]
