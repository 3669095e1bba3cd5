"""FlashAttention backward: one block of keys of one key head, over every query that sees it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reference.blockwise.rounding import RoundingPoints
from reference.blockwise.tile import decisions, is_plain, modify
from reference.formats import Array
from reference.parallel.addition_order import AdditionOrder
from reference.parallel.scratch import Scratch
from reference.problem import Result
from reference.problem.head import Head
from reference.problem.tiling import blocks, four_axes, hidden_pairs, intersection, rows_of


@dataclass(frozen=True, eq=False)
class Rows:
    """What the backward needs of the rows of a head besides q and dout.

    Attributes
    ----------
    lse : (seqlen_q,)
        Natural logarithm; 0 where it is infinite.
    delta : (seqlen_q,)
        rowsum(dout * out) - dlse; 0 for rows that see nothing, without a sink.
    """

    lse: Array
    delta: Array


def prepare(head: Head, out: Array, lse: Array, points: RoundingPoints) -> Rows:
    """Rows of a head, from its out (seqlen_q, head_dim_v) and lse (seqlen_q,)."""
    assert head.dout is not None
    dtype = points.dtype
    delta = np.empty(len(out), dtype)
    np.einsum("nd,nd->n", head.dout, out, out=delta, dtype=dtype, casting="same_kind")
    if head.dlse is not None:
        delta -= head.dlse.astype(dtype)
    if head.sink is None:
        delta[~head.mask.sees()] = 0  # a contract's dead_rows may be NaN
    finite = np.where(np.isinf(lse), 0, lse).astype(dtype)
    return Rows(finite * dtype.type(points.log_base), delta)


def sink_gradient(head: Head, rows: Rows, points: RoundingPoints) -> float:
    """What one head adds to dsink: -sum p_sink (D - dlse)."""
    assert head.sink is not None
    p = np.exp(head.sink - rows.lse) * points.exp_factor
    return -float(p @ rows.delta)


def differentiate(
    result: Result,
    group: list[tuple[Head, Rows]],
    keys: range,
    *,
    number: int,
    order: AdditionOrder,
    block_q: int,
    points: RoundingPoints,
    scratch: Scratch,
) -> None:
    """Add to dk and dv of one block of keys, and its share to dq and dbias.

    Parameters
    ----------
    group : list
        The query heads that read these keys.
    number : int
        Which block of keys this is: its turn to add to dq.

    Source: Dao 2023, "FlashAttention-2", algorithm 2.
    """
    assert result.dq is not None and result.dk is not None and result.dv is not None
    first = group[0][0]
    block = _keys(first, keys, scratch)
    # Transposed, because BLAS is faster on products that are wider than tall.
    dk, dv = (scratch.take(name, *x.T.shape) for name, x in (("dk", block.k), ("dv", block.v)))
    dk[...], dv[...] = 0, 0
    with order.alarm():
        for head, per_row in group:
            dq = result.dq[head.at_q]
            for at, rows in enumerate(blocks(head.seqlen_q, block_q)):
                seen = intersection(keys, head.mask.span(rows))
                if not seen or head.mask.tile(rows, seen) == "empty":
                    with order.turn((head.head_q, at), number):
                        continue
                part = block.part(seen)
                tile = _tile(head, per_row, part, rows, points, scratch)
                here = slice(seen.start - keys.start, seen.stop - keys.start)
                product = scratch.take("product", len(dv), len(seen))
                np.matmul(tile.dout.T, tile.p, out=product)
                _add(dv[:, here], product, points, running=points.kv_running)
                product = scratch.take("product", len(dk), len(seen))
                np.matmul(tile.q.T, tile.ds, out=product)
                _add(dk[:, here], product, points, running=points.kv_running)
                product = scratch.take("product", len(rows), dq.shape[1])
                np.matmul(tile.ds, part.k, out=product)
                product *= head.scale
                with order.turn((head.head_q, at), number):
                    _add(rows_of(dq, rows), product, points, running=points.out_running)
                    if result.dbias is not None:
                        _add_bias(result.dbias, tile.dx, head, rows, seen)
    rows_of(result.dk[first.at_k], keys)[...] = dk.T
    rows_of(result.dv[first.at_k], keys)[...] = dv.T


@dataclass(frozen=True, eq=False)
class _Keys:
    """Some keys in the type of computation.

    k1 and v1 end in a column of ones, so that a column of -lse after q, or of -delta after dout,
    is subtracted by the product itself.
    """

    at: range
    k1: Array  # (keys, head_dim + 1)
    v1: Array  # (keys, head_dim_v + 1)

    @property
    def k(self) -> Array:
        return self.k1[:, :-1]

    @property
    def v(self) -> Array:
        return self.v1[:, :-1]

    def part(self, keys: range) -> _Keys:
        here = range(keys.start - self.at.start, keys.stop - self.at.start)
        return _Keys(keys, rows_of(self.k1, here), rows_of(self.v1, here))


def _keys(head: Head, keys: range, scratch: Scratch) -> _Keys:
    k, v = rows_of(head.k, keys), rows_of(head.v, keys)
    k1 = scratch.take("k1", len(keys), k.shape[1] + 1)
    v1 = scratch.take("v1", len(keys), v.shape[1] + 1)
    k1[:, :-1], k1[:, -1], v1[:, :-1], v1[:, -1] = k, 1, v, 1
    return _Keys(keys, k1, v1)


@dataclass(frozen=True, eq=False)
class _Tile:
    """What a tile adds to the gradients: dv += p^T dout, dk += ds^T q, dq += ds k, dbias += dx."""

    p: Array  # (rows, keys), with dropout, rounded
    dx: Array  # (rows, keys)
    ds: Array  # (rows, keys), rounded
    q: Array  # (rows, head_dim): scale * q
    dout: Array  # (rows, head_dim_v)


def _tile(
    head: Head, per_row: Rows, keys: _Keys, rows: range, points: RoundingPoints, scratch: Scratch
) -> _Tile:
    assert head.dout is not None
    z = decisions(head, rows, keys.at)
    p, t, q = _weights(head, per_row, keys, rows, points, scratch)

    dout1 = scratch.take("dout1", len(rows), keys.v1.shape[1])
    dout = dout1[:, :-1]
    dout[...] = rows_of(head.dout, rows)
    delta = rows_of(per_row.delta, rows)
    dx = scratch.take("dx", len(rows), len(keys.at))
    if points.is_exact and z is None:
        dout1[:, -1] = -delta
        np.matmul(dout1, keys.v1.T, out=dx)
    else:
        np.matmul(dout, keys.v.T, out=dx)
        points.round(dx, points.dweights)
        if z is not None:
            dx *= z
        dx -= delta[:, None]
    dx *= p

    ds = dx
    if t is not None:
        ds = dx * (1 - t * t)
    elif points.dscores is not None and head.bias is not None:
        ds = dx.copy()
    points.round(ds, points.dscores)
    if z is not None:
        p *= z
    points.round(p, points.weights)
    return _Tile(p, dx, ds, q, dout)


def _weights(
    head: Head, per_row: Rows, keys: _Keys, rows: range, points: RoundingPoints, scratch: Scratch
) -> tuple[Array, Array | None, Array]:
    """P before dropout; tanh(s / softcap), if there is a softcap; scale * q."""
    q1 = scratch.take("q1", len(rows), keys.k1.shape[1])
    q = q1[:, :-1]
    np.multiply(rows_of(head.q, rows), head.scale, out=q, dtype=scratch.dtype)
    lse = rows_of(per_row.lse, rows)
    p = scratch.take("p", len(rows), len(keys.at))
    t = None
    if points.is_exact and is_plain(head):
        q1[:, -1] = -lse
        np.matmul(q1, keys.k1.T, out=p)
    else:
        stored = q
        if points.scaled_q is not None:
            stored = points.scaled_q.round(q, rounding=points.rounding)
        np.matmul(stored, keys.k.T, out=p)
        t = modify(p, head, rows, keys.at, points)
        p -= lse[:, None]
    np.exp(p, out=p)
    if points.exp_factor != 1:
        p *= points.exp_factor
    if (mask := hidden_pairs(head, rows, keys.at, scratch.recall)) is not None:
        np.copyto(p, 0, where=mask)
    return p, t, q


def _add(total: Array, product: Array, points: RoundingPoints, *, running: bool) -> None:
    if running:
        points.round(total, points.out)
    total += product
    points.round(total, points.acc)


def _add_bias(dbias: Array, dx: Array, head: Head, rows: range, keys: range) -> None:
    """Sum a tile to the shape of the bias."""
    into = four_axes(dbias)[head.at_bias]
    for axis, seen in enumerate((rows, keys)):
        if into.shape[axis] == 1:
            dx = dx.sum(axis=axis, keepdims=True)
        else:
            into = np.moveaxis(rows_of(np.moveaxis(into, axis, 0), seen), 0, axis)
    into += dx
