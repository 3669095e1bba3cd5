"""Scores of one tile, and how far a kernel's may be from them: worst case and variance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reference.bounds.roundoffs import Roundoffs
from reference.bounds.scaling import Units
from reference.formats import Array
from reference.problem.head import Head
from reference.problem.tiling import rows_of


@dataclass(frozen=True, eq=False, kw_only=True)
class Cap:
    """Derivative of softcap at each score of a tile, and its errors.

    Attributes
    ----------
    slope, error, variance : (rows, keys)
    """

    slope: Array
    error: Array
    variance: Array


@dataclass(frozen=True, eq=False, kw_only=True)
class Scores:
    """One tile of scores.

    Attributes
    ----------
    p : (rows, keys)
        Weights, ``exp(x - lse)``; 0 where hidden.
    error, variance : (rows, keys)
        Worst error and variance of the exponent that a kernel makes; error is 0 where hidden.
    z : (rows, keys), or None without dropout
        What dropout multiplies weights by.
    cap : Cap, or None without softcap
    visible : bool (rows, keys), or None where every pair is
    """

    p: Array
    error: Array
    variance: Array
    z: Array | None
    cap: Cap | None
    visible: Array | None

    def dropped(self, p: Array) -> Array:
        """`p` times what dropout multiplies it by, (rows, keys)."""
        return p if self.z is None else p * self.z

    def seen(self, value: Array | float) -> Array | float:
        """`value` at visible pairs and 0 elsewhere, (rows, keys); `value` if no pair is hidden."""
        return value if self.visible is None else value * self.visible


def tiles(head: Head, rows: range, block_k: int) -> Iterator[range]:
    """The keys of each tile that some of `rows` see, in order."""
    span = head.mask.span(rows)
    for start in range(span.start - span.start % block_k, span.stop, block_k):
        keys = range(max(start, span.start), min(start + block_k, span.stop))
        if head.mask.tile(rows, keys) != "empty":
            yield keys


def scores(
    head: Head,
    r: Roundoffs,
    units: Units,
    rows: range,
    keys: range,
    *,
    q: Array,
    k: Array,
    lse: Array,
    size: Array,
) -> Scores:
    """The weights of a tile, and the worst errors and variances of their exponents.

    Parameters
    ----------
    q, k : (rows, head_dim), (keys, head_dim)
        Scaled, so that their product is the score before softcap.
    lse, size : (rows, 1)
        Exact lse, 0 for rows without one; and the magnitude of what a kernel subtracts from scores.

    Source: docs/numerics.md, section 3.
    """
    x, error, variance = _products(r, q, k, units.k)
    cap = None
    if head.softcap is not None:
        x, error, variance, cap = _softcap(head.softcap, r, x, error, variance)
    for part in (parts := _added(head, rows, keys, x)):
        error += 2 * r.u * np.abs(part)
        variance += (2 * r.u) ** 2 / 3 * part**2
    x = np.sum(parts, axis=0) if parts else x
    error += 4 * r.u * (np.abs(x) + size) + r.exp
    variance += (4 * r.u) ** 2 / 3 * (x**2 + size**2) + (r.exp_ulps**2 / 3 + r.exp_rel**2)

    p = np.exp(x - lse)
    visible = None
    if head.mask.tile(rows, keys) == "partial":
        visible = head.mask.visible(rows, keys)
        p[~visible] = 0.0
        error[~visible] = 0.0
    z = None
    if head.dropout is not None:
        z = head.dropout.keep(rows, keys) * p.dtype.type(head.dropout.scale)
    return Scores(p=p, error=error, variance=variance, z=z, cap=cap, visible=visible)


def _products(r: Roundoffs, q: Array, k: Array, unit: float) -> tuple[Array, Array, Array]:
    """``scale * q k``, its worst error and its variance."""
    d = q.shape[1]
    s = q @ k.T
    error = (r.gamma(d + 2) + r.u_pre) * (np.abs(q) @ np.abs(k).T)
    error += d * r.eta + r.eta_s
    variance = (r.variance(d) + r.u_pre**2 / 3) * (q**2 @ (k**2).T)
    variance += (r.variance(d) / 3 + r.u_s**2 / 3) * s**2
    if r.u_pre:
        error += r.eta_pre * unit * np.abs(k).sum(axis=1)
        error[np.abs(q).max(axis=1) >= r.limit_pre * unit] = np.inf
    if r.u_s:
        error += r.u_s * np.abs(s)
        error[np.abs(s) + error >= r.limit_s] = np.inf
    return s, error, variance


def _softcap(
    cap: float, r: Roundoffs, s: Array, error: Array, variance: Array
) -> tuple[Array, Array, Array, Cap]:
    """``cap * tanh(s / cap)``, its worst error and variance, and what the derivative is."""
    t = np.tanh(s / cap)
    slope = 1 - t**2
    relative, relative2 = error / cap, variance / cap**2

    dt = slope * relative + relative**2 + r.tanh * np.abs(t) + r.tanh_abs
    dt2 = slope**2 * relative2 + relative2**2 + ((r.tanh * t) ** 2 + r.tanh_abs**2) / 3
    at_most = 1 + 2 * r.tanh + 3 * r.u + 2 * r.tanh_abs  # both slopes lie in [0, 1]
    known = Cap(
        slope=slope,
        error=np.fmin(2 * np.abs(t) * dt + dt**2 + 3 * r.u, at_most),
        variance=np.fmin(4 * t**2 * dt2 + dt2**2 + 3 * r.u**2, 1.0),
    )
    x = cap * t
    moved = np.fmin(error, slope * error + error * relative / 2)
    moved = np.fmin(moved, 2 * cap) + r.tanh * np.abs(x) + cap * r.tanh_abs
    spread = np.fmin(variance, slope**2 * variance + variance * relative2)
    spread += ((r.tanh * x) ** 2 + (cap * r.tanh_abs) ** 2) / 3
    return x, moved, spread, known


def _added(head: Head, rows: range, keys: range, x: Array) -> list[Array]:
    """The scores before bias and ALiBi, and these; empty if there is neither."""
    parts = []
    if head.bias is not None:
        bias = head.bias[rows.start : rows.stop, keys.start : keys.stop]
        parts.append(np.where(np.isfinite(bias), bias, 0).astype(x.dtype))
    if head.slope is not None:
        i, j = np.arange(rows.start, rows.stop)[:, None], np.arange(keys.start, keys.stop)
        parts.append((-head.slope * np.abs(i + head.shift - j)).astype(x.dtype))
    return [x, *parts] if parts else []


def row_maxima(head: Head, rows: range, block_k: int) -> Array:
    """The largest score of each row, the sink included: (rows, 1), -inf where there is none.

    An oracle's softmax_max need not be it: any pair of softmax_max and softmax_sum is legal.
    """
    m = np.full((len(rows), 1), -np.inf if head.sink is None else head.sink)
    for keys in tiles(head, rows, block_k):
        np.maximum(m, _exact_scores(head, rows, keys).max(axis=1, keepdims=True), out=m)
    return m


def _exact_scores(head: Head, rows: range, keys: range) -> Array:
    """The exact scores of a tile, (rows, keys), -inf where a pair is hidden."""
    q, k = rows_of(head.q, rows).astype(np.float64), rows_of(head.k, keys).astype(np.float64)
    x = head.scale * (q @ k.T)
    if head.softcap is not None:
        x = head.softcap * np.tanh(x / head.softcap)
    if head.bias is not None:
        x = x + rows_of(head.bias, rows)[:, keys.start : keys.stop]
    if head.slope is not None:
        i, j = np.arange(rows.start, rows.stop)[:, None], np.arange(keys.start, keys.stop)
        x = x - head.slope * np.abs(i + head.shift - j)
    return np.where(head.mask.visible(rows, keys), x, -np.inf)
