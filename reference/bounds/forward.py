"""How far a kernel's out and lse may be from the exact ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from reference.bounds.roundoffs import Roundoffs
from reference.bounds.scaling import Units
from reference.bounds.scores import Scores, scores, tiles
from reference.formats import Array
from reference.problem.head import Head


@dataclass(frozen=True, eq=False, kw_only=True)
class Rows:
    """Exact statistics of some rows, in float64.

    Attributes
    ----------
    rows : range
    out, dout : (rows, head_dim_v); dout is None in a forward problem
    lse, m, dlse : (rows, 1)
        0 instead of -inf for rows that see nothing. m is the maximum, the sink included.
    """

    rows: range
    out: Array
    dout: Array | None
    lse: Array
    m: Array
    dlse: Array


@dataclass(frozen=True, eq=False, kw_only=True)
class Errors:
    """Worst error and sigma of out (rows, head_dim_v) and of lse (rows, 1)."""

    out: Array
    out_sigma: Array
    lse: Array
    lse_sigma: Array


@dataclass(eq=False)
class Sums:
    """Sums over the keys of some rows: (rows, 1), the last two (rows, head_dim_v).

    Attributes
    ----------
    keys : visible keys
    relative, variance : of the row sum, from its exponents
    squares : of the weights
    exponent : largest worst error of an exponent
    out, out_variance : worst error and variance of the sum of P Z v, in units of v
    """

    keys: Array
    relative: Array
    variance: Array
    squares: Array
    exponent: Array
    out: Array
    out_variance: Array

    @classmethod
    def zeros(cls, at: Rows) -> Sums:
        """Sums over no key."""
        n = len(at.rows)
        return cls(*(np.zeros((n, 1)) for _ in range(5)), *(np.zeros(at.out.shape) for _ in "ov"))


def forward(head: Head, r: Roundoffs, units: Units, at: Rows, sums: Sums) -> Errors:
    """Worst error and sigma of out and lse in some rows of a head, from the sums over their keys.

    Source: docs/numerics.md, sections 4 and 7.
    """
    shrink = np.exp(at.m - at.lse)  # the largest weight: 1 / l
    g = r.over_keys(head.seqlen_k)
    dead = sums.keys == 0
    if head.sink is not None:
        _add_sink(sums, head.sink, r, at)

    absolute = sums.keys * shrink * (r.eta_exp + r.eta_l) + r.u_l
    total = sums.relative + absolute
    size_lse = np.abs(at.lse) + np.abs(at.m)
    lse = np.fmin(_log(total), sums.exponent + _log(absolute)) + g + 4 * r.u * size_lse + 2 * r.u

    size = np.abs(at.out)
    whole = total + g
    out = sums.out * units.v
    out += whole * size
    out /= np.where(whole < 1, 1 - whole, 1)
    out[whole[:, 0] >= 1] = math.inf
    out += 3 * r.u * size
    if not (whole < 0.5).all():
        out = np.fmin(out, _largest_change(head, r, g, sums.keys))
    out *= 1 + r.u_out
    out += r.u_out * size
    out += r.n_out * r.eta_out + head.seqlen_k * r.eta

    row_sum = sums.variance + r.u_l**2 / 3 * sums.squares
    h = r.variance(r.chain(head.seqlen_k))
    relative = row_sum + h + 3 * r.u**2 + r.n_out * r.u_out**2 / 3
    variance = row_sum + h / 3 + r.exp_rel**2 + (2 * r.u) ** 2
    variance += (4 * r.u) ** 2 / 3 * (at.lse**2 + at.m**2)
    out_sigma = sums.out_variance * units.v**2
    size *= size
    size *= relative
    out_sigma += size
    np.sqrt(out_sigma, out=out_sigma)
    out_sigma += r.eta_out
    errors = Errors(out=out, out_sigma=out_sigma, lse=lse, lse_sigma=np.sqrt(variance))
    for error in vars(errors).values():
        error[dead[:, 0]] = 0.0
    return errors


def forward_sums(head: Head, r: Roundoffs, units: Units, at: Rows, block_k: int) -> Sums:
    """The sums over the keys of some rows, tile by tile.

    Source: docs/numerics.md, sections 3, 4 and 7.
    """
    shrink = np.exp(at.m - at.lse)
    g = r.over_keys(head.seqlen_k)
    sums = Sums.zeros(at)
    q = units.scaled_q(head, at.rows)
    for keys in tiles(head, at.rows, block_k):
        k, v = units.scaled_k(head, keys), units.scaled_v(head, keys)
        tile = scores(head, r, units, at.rows, keys, q=q, k=k, lse=at.lse, size=np.abs(at.m))
        sums.exponent = np.maximum(sums.exponent, tile.error.max(axis=1, keepdims=True))
        eps = np.expm1(tile.error)
        square = tile.p**2
        sums.keys += _count(tile)
        sums.relative += (tile.p * eps).sum(axis=1, keepdims=True)
        sums.squares += square.sum(axis=1, keepdims=True)
        sums.variance += (square * tile.variance).sum(axis=1, keepdims=True)

        rounded = r.u_p + g
        worst = tile.p * (eps * (1 + rounded) + rounded + (r.n_out - 1) * r.u_out)
        worst = tile.dropped(worst + tile.seen(shrink * (r.eta_p + r.eta_exp)))
        sums.out += worst @ np.abs(v)

        fixed = r.u_p**2 / 3 + r.variance(r.chain(head.seqlen_k)) + (r.n_out - 1) * r.u_out**2 / 3
        spread = square * (tile.variance + fixed)
        spread = spread + tile.seen(shrink**2 * (r.eta_p**2 / 3 + r.eta_exp**2))
        sums.out_variance += tile.dropped(tile.dropped(spread)) @ v**2
    return sums


def _count(tile: Scores) -> Array:
    visible = np.ones((1, tile.p.shape[1])) if tile.visible is None else tile.visible
    return np.asarray(visible.sum(axis=1, keepdims=True))


def _add_sink(sums: Sums, sink: float, r: Roundoffs, at: Rows) -> None:
    p = np.exp(sink - at.lse)
    error = 4 * r.u * (abs(sink) + np.abs(at.m)) + r.exp
    variance = (4 * r.u) ** 2 / 3 * (sink**2 + at.m**2) + r.exp_ulps**2 / 3 + r.exp_rel**2
    sums.keys += 1
    sums.exponent = np.maximum(sums.exponent, error)
    sums.relative += p * np.expm1(error)
    sums.squares += p**2
    sums.variance += p**2 * variance


def _log(relative: Array) -> Array:
    """How far a logarithm moves when its argument moves by up to `relative` of itself."""
    return np.where(relative < 1, -np.log1p(-np.where(relative < 1, relative, 0)), math.inf)


def _largest_change(head: Head, r: Roundoffs, g: float, keys: Array) -> Array:
    """Whatever its weights, out is no larger than the largest value: an error is twice that."""
    scale = 1.0 if head.dropout is None else head.dropout.scale
    largest = np.abs([head.v.max(axis=0), head.v.min(axis=0)]).max(axis=0) * float(scale)
    times = 2 + r.u_p + 2 * g + 3 * r.u + r.n_out * r.u_out + keys * (r.eta_p + r.eta_exp)
    return np.asarray(times * largest)
