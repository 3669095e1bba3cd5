"""The sums for out and lse in float32, for heads without softcap, bias, ALiBi and dropout.

The formulas are those of bounds_forward. Whatever is constant in a row enters a
product of matrices as one column more, so that a tile takes few passes over memory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from reference.bounds_forward import Rows, Sums
from reference.bounds_roundoff import Roundoffs
from reference.bounds_scores import tiles
from reference.bounds_scratch import Scratch
from reference.bounds_units import Units
from reference.formats import Array
from reference.head import Head

WEIGHT = 2.0**24  # weights are held times this, so that their squares do not underflow
MARGIN = 1 + 1e-4  # for the roundings of float32
NOISE = 2.0**-17  # of a row sum in float32
ROUGH = 2.0**-12  # above it the rounding of weights hides what a bound on |m| adds
UNDERFLOW = 2.0**-60  # smaller quanta are nothing beside the roundoff of the smallest weight


def with_column(matrix: Array, column: Array | float) -> Array:
    """`matrix` with one column more, in float32."""
    wide = np.empty((matrix.shape[0], matrix.shape[1] + 1), np.float32)
    wide[:, :-1] = matrix
    wide[:, -1:] = column
    return wide


def visible_pairs(head: Head, rows: range, keys: range) -> Array | None:
    """Which pairs of a tile are visible; None if every pair is."""
    if head.mask.tile(rows, keys) == "full":
        return None
    return head.mask.visible(rows, keys)


def hide(x: Array, visible: Array | None) -> None:
    """Make hidden scores -inf."""
    if visible is not None:
        x[~visible] = -np.inf


def over_keys(visible: Array | None, of_keys: Array) -> Array:
    """Sum over the visible keys, for each row; (1, n) if every pair is visible."""
    if visible is None:
        return np.asarray(of_keys.sum(axis=0, keepdims=True, dtype=np.float64))
    return np.asarray(visible.astype(np.float32) @ of_keys)


def steepest(largest: float) -> float:
    """A slope such that expm1(x) <= slope * x for x up to `largest`."""
    return float(np.expm1(largest)) / largest


@dataclass(frozen=True, eq=False)
class Exponents:
    """Left factors of the products with k that give scores and the errors of their exponents.

    Attributes
    ----------
    s : gives the score
    lse : what is subtracted from it, less log(WEIGHT)
    error : with |k| and a column of ones gives the worst error, times a slope, plus a constant
    variance : with k**2 and a column of ones gives the variance in units of `unit`, but for s**2
    """

    s: Array
    lse: Array
    error: Array
    variance: Array
    unit: float


def exponents(
    r: Roundoffs,
    units: Units,
    q: Array,
    lse: Array,
    size: Array,
    *,
    slope: float,
    more: Array,
    more_variance: float,
) -> Exponents:
    """`slope` times the worst error plus `more`; the variance plus `more_variance`."""
    d = q.shape[1]
    unit = (r.variance(d) + (4 * r.u) ** 2) / 3
    constant = (4 * r.u) ** 2 / 3 * size**2 + r.exp_ulps**2 / 3 + r.exp_rel**2 + more_variance
    return Exponents(
        s=q,
        lse=(lse - math.log(WEIGHT)).astype(np.float32),
        error=with_column(
            slope * (r.gamma(d + 2) + 4 * r.u) * np.abs(q), slope * (4 * r.u * size + r.exp) + more
        ),
        variance=with_column(r.variance(d) / unit * q**2, constant / unit),
        unit=unit,
    )


def forward_sums(
    head: Head, r: Roundoffs, units: Units, at: Rows, block_k: int
) -> tuple[Sums, Array]:
    """As bounds_forward.forward_sums, and the row maxima (rows, 1), which `at` need not have.

    Weights and errors are a little larger, never smaller.
    """
    g, h = r.over_keys(head.seqlen_k), r.variance(r.chain(head.seqlen_k))
    rounded = r.u_p + g
    constant = rounded + (r.n_out - 1) * r.u_out
    fixed = r.u_p**2 / 3 + h + (r.n_out - 1) * r.u_out**2 / 3
    left = exponents(
        r,
        units,
        units.scaled_q(head, at.rows),
        at.lse,
        _size(head, r, units, at, block_k),
        slope=(1 + rounded) * steepest(units.error),
        more=np.full_like(at.lse, constant),
        more_variance=0.0,
    )
    fixed32 = np.float32(fixed / left.unit)
    sums, n = Sums.zeros(at), len(at.rows)
    sums.exponent += units.error
    worst, weight = np.zeros((n, at.out.shape[1] + 1)), np.zeros((n, 1))
    seen, seen2 = np.zeros(at.out.shape), np.zeros(at.out.shape)
    m = np.full((n, 1), -np.inf)
    scratch = Scratch(head, n, min(block_k, head.seqlen_k))
    for keys in tiles(head, at.rows, block_k):
        s, p, error, variance, *_ = scratch.pairs(n, keys)
        k, v = scratch.keys(head, units, keys)
        visible = visible_pairs(head, at.rows, keys)
        np.matmul(left.s, k[0, :, :-1].T, out=s)
        np.subtract(s, left.lse, out=p)
        hide(p, visible)
        np.maximum(m, p.max(axis=1, keepdims=True), out=m)
        np.exp(p, out=p)
        np.matmul(left.variance, k[2].T, out=variance)
        np.multiply(s, s, out=s)
        variance += s
        np.matmul(left.error, k[1].T, out=error)
        error *= p
        scratch.add(worst, error, v[1])
        weight += p.sum(axis=1, keepdims=True)
        np.multiply(p, p, out=p)
        sums.variance += np.einsum("ij,ij->i", p, variance)[:, None]
        variance += fixed32
        variance *= p
        scratch.add(sums.out_variance, variance, v[2, :, :-1])
        sums.keys += len(keys) if visible is None else visible.sum(axis=1, keepdims=True)
        if r.eta_p > UNDERFLOW:
            seen += over_keys(visible, v[1, :, :-1])
            seen2 += over_keys(visible, v[2, :, :-1])
    worst, weight = worst * (MARGIN / WEIGHT), weight / WEIGHT
    m += left.lse
    if head.sink is not None:
        np.maximum(m, head.sink, out=m)
    shrink = np.exp(m - at.lse)
    sums.relative += np.maximum(worst[:, -1:] - constant * weight * (1 - NOISE), 0) / (1 + rounded)
    sums.variance *= MARGIN * left.unit / WEIGHT**2
    sums.out += worst[:, :-1] + shrink * (r.eta_p + r.eta_exp) * seen
    sums.out_variance *= MARGIN * left.unit / WEIGHT**2
    sums.out_variance += shrink**2 * (r.eta_p**2 / 3 + r.eta_exp**2) * seen2
    return sums, m


def _size(head: Head, r: Roundoffs, units: Units, at: Rows, block_k: int) -> Array:
    """|m| of some rows; in low precision a bound, from lse - log(terms) <= m <= lse."""
    if r.u_p > ROUGH:
        return np.maximum(np.abs(at.lse), np.abs(at.lse - math.log(head.seqlen_k + 1)))
    m = np.full_like(at.lse, -np.inf if head.sink is None else head.sink)
    q = units.scaled_q(head, at.rows)
    for keys in tiles(head, at.rows, block_k):
        s = q @ units.scaled_k(head, keys).T
        hide(s, visible_pairs(head, at.rows, keys))
        np.maximum(m, s.max(axis=1, keepdims=True), out=m)
    return np.where(np.isfinite(m), np.abs(m), 0.0)
