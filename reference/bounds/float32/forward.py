"""The sums for out and lse in float32; the formulas are those of `forward`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reference.bounds.float32.tiles import (
    MARGIN,
    UNDERFLOW,
    WEIGHT,
    Weights,
    exponents_of,
    over_keys,
    pieces_of,
    size_of_maximum,
    steepest,
)
from reference.bounds.forward import Rows, Sums
from reference.bounds.roundoffs import Roundoffs
from reference.bounds.scaling import Units
from reference.formats import Array
from reference.parallel.scratch import Scratch
from reference.problem.head import Head

FAINT = 2.0**-5  # of the variance of lse: what row constants may add
NOISE = 2.0**-17  # of a row sum in float32


@dataclass(frozen=True, eq=False)
class _Tiles:
    """Sums over the tiles of a strip, in units of the weights, and the largest of each place."""

    largest: Array
    p: Array
    keys: Array
    worst: Array
    spread: Array
    variance: Array
    v: Array
    v_square: Array


def forward_sums(
    head: Head, r: Roundoffs, units: Units, at: Rows, block_k: int, scratch: Scratch
) -> tuple[Sums, Array, Weights]:
    """The sums of forward.forward_sums, the row maxima (rows, 1), and weights for the backward.

    Weights and errors are a little larger, never smaller.
    """
    g, h = r.over_keys(head.seqlen_k), r.variance(r.chain(head.seqlen_k))
    rounded = r.u_p + g
    extra_error = rounded + (r.n_out - 1) * r.u_out
    fixed = r.u_p**2 / 3 + h + (r.n_out - 1) * r.u_out**2 / 3
    pieces = pieces_of(head, at.rows, block_k)
    exponents = exponents_of(
        r,
        units,
        units.scaled_q(head, at.rows),
        at.lse,
        size_of_maximum(head, r, units, at, pieces, scratch),
        slope=(1 + rounded) * steepest(units.error),
        extra_error=extra_error,
    )
    weights = Weights(head, units, exponents, pieces, scratch)
    totals = _add_up(r, at, weights, np.float32(fixed / exponents.unit), scratch)
    m = np.log(totals.largest.max(axis=1, keepdims=True, initial=0.0)) + exponents.lse
    if head.sink is not None:
        np.maximum(m, head.sink, out=m)
    shrink = np.exp(m - at.lse)
    worst = totals.worst.astype(np.float64) * (MARGIN / WEIGHT)
    variance = totals.variance.astype(np.float64)
    spread = totals.spread
    if exponents.coarse is not None:
        # p s is at most p m where s > 0, and exp(-1 - lse) elsewhere
        squares, below = variance[:, -1:], totals.keys * np.exp(-2 - 2 * exponents.lse)
        spread = squares * (exponents.coarse + np.maximum(m, 0) ** 2) + below
        variance = variance * (exponents.coarse + exponents.largest**2 + fixed / exponents.unit)
        rest = h / 3 + r.exp_rel**2 + (2 * r.u) ** 2
        if exponents.unit / WEIGHT**2 * spread.max(initial=0.0) > FAINT * rest:
            spread = _spread(weights, scratch)

    sums = Sums.zeros(at)
    sums.keys += totals.keys
    sums.exponent += units.error
    relative = worst[:, -1:] - extra_error * (1 - NOISE) / WEIGHT * totals.p
    sums.relative += np.maximum(relative, 0) / (1 + rounded)
    unit = MARGIN * exponents.unit / WEIGHT**2
    sums.variance += unit * spread
    sums.out += worst[:, :-1] + shrink * (r.eta_p + r.eta_exp) * totals.v
    sums.out_variance += unit * variance[:, :-1]
    sums.out_variance += shrink**2 * (r.eta_p**2 / 3 + r.eta_exp**2) * totals.v_square
    return sums, m, weights


def _add_up(
    r: Roundoffs, at: Rows, weights: Weights, fixed: np.float32, scratch: Scratch
) -> _Tiles:
    n, dv = at.out.shape
    totals = _Tiles(
        largest=scratch.zeros("largest", n, max((len(x.keys) for x in weights.pieces), default=0)),
        p=np.zeros((n, 1)),
        keys=np.zeros((n, 1)),
        worst=scratch.zeros("worst", n, dv + 1),
        spread=np.zeros((n, 1)),
        variance=scratch.zeros("variance", n, dv + 1),
        v=np.zeros((n, dv)),
        v_square=np.zeros((n, dv)),
    )
    for number, piece in enumerate(weights.pieces):
        tile, here = weights.tile(number), piece.here
        p, v, visible = tile.p, tile.v, tile.visible()
        largest = totals.largest[here, : p.shape[1]]
        np.maximum(largest, p, out=largest)
        totals.p[here, 0] += p @ np.ones(p.shape[1], np.float32)
        t = np.multiply(p, tile.error, out=scratch.take("t", *p.shape))
        scratch.add(totals.worst[here], t, v[1])
        np.multiply(p, p, out=t)
        if tile.variance is not None:
            totals.spread[here, 0] += np.einsum("ij,ij->i", t, tile.variance)
            t *= np.add(tile.variance, fixed, out=scratch.take("w", *p.shape))
        scratch.add(totals.variance[here], t, v[2])
        totals.keys[here] += p.shape[1] if visible is None else visible.sum(axis=1, keepdims=True)
        if r.eta_p > UNDERFLOW:
            totals.v[here] += over_keys(visible, v[1, :, :-1])
            totals.v_square[here] += over_keys(visible, v[2, :, :-1])
    return totals


def _spread(weights: Weights, scratch: Scratch) -> Array:
    """The weighted sum of the variances of exponents, for each row: (rows, 1)."""
    exponents = weights.exponents
    total = np.zeros_like(exponents.row)
    for number, piece in enumerate(weights.pieces):
        tile = weights.tile(number)
        x, variance = (scratch.take(name, *tile.p.shape) for name in ("t", "w"))
        np.matmul(exponents.s[piece.here], tile.k[0].T, out=x)
        weights.spread(piece, tile.k, x, variance)
        np.multiply(tile.p, tile.p, out=x)
        total[piece.here, 0] += np.einsum("ij,ij->i", x, variance)
    return total
