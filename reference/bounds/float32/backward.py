"""The sums for gradients in float32; the formulas are those of `backward`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reference.bounds.backward import Block, RowSums
from reference.bounds.float32.tiles import (
    MARGIN,
    UNDERFLOW,
    WEIGHT,
    Tile,
    Weights,
    constant,
    norms,
    over_keys,
    steepest,
    with_column,
)
from reference.bounds.scratch import Scratch
from reference.formats import Array


@dataclass(frozen=True, eq=False)
class Share:
    """What a piece adds to dk, its variance, dv and its variance, each (keys, dimension).

    Attributes
    ----------
    products : float32
    units : of the products
    underflow : what underflow adds, (keys, dimension) or (1, dimension); empty where it is nothing
    """

    products: tuple[Array, ...]
    units: tuple[float, ...]
    underflow: tuple[Array, ...]


@dataclass(frozen=True, eq=False)
class Variances:
    """Variances of each row, (rows, 1), in units of `Exponents.unit`.

    Attributes
    ----------
    exponent : of exponents and of what is rounded in dS and dq, above what a tile knows
    inner : of dP - D but for D, or None where a tile knows it
    more : by which lse and the longer chain of dk and dv exceed `exponent`
    delta : of D
    """

    exponent: Array
    inner: Array | None
    more: Array
    delta: Array


@dataclass(frozen=True, eq=False, kw_only=True)
class Prepared:
    """A strip of rows as left factors, and its sums over keys.

    Attributes
    ----------
    to_worst, to_variance : float
        Units of the sums.
    dp : gives dP - D
    inner : gives its worst error
    inner_variance : gives its variance, but for that of D
    row : (rows, 1)
        The error of exponents above what a tile knows.
    longer : float32
        What the sums for dq err more than those for dk and dv; may be negative.
    rows : four of (rows, dimension)
        Sizes and squares of q, sizes and squares of dout.
    factors : four of (rows, dimension)
        What weights and gradients are multiplied by, for dk, its variance, dv and its variance.
    worst, variance, weighted : (rows, head_dim)
        Sums over keys, for dq; of P k.
    underflow : (2, rows, head_dim)
        What underflow adds to the first two, in units of k.
    """

    block: Block
    weights: Weights
    to_worst: float
    to_variance: float
    dp: Array
    inner: Array
    inner_variance: Array
    row: Array
    variances: Variances
    longer: np.float32
    rows: tuple[Array, ...]
    factors: tuple[Array, ...]
    worst: Array
    variance: Array
    weighted: Array
    underflow: Array

    def add(self, at: int, scratch: Scratch) -> Share:
        """Add a piece to the sums over keys, and give its share of the sums over rows."""
        here = self.weights.pieces[at].here
        tile = self.weights.tile(at)
        g = np.matmul(self.dp[here], tile.v[0].T, out=scratch.take("g", *tile.p.shape))
        scratch.add(self.weighted[here], tile.p, tile.k[0, :, :-1])
        dk, dv = self._add_worst(here, tile, g, scratch)
        spread = self._add_fine if self.variances.inner is None else self._add_coarse
        dk_variance, dv_variance = spread(here, tile, g, scratch)
        units = self.block.units
        unit = units.gradient / units.k
        return Share(
            (dk, dk_variance, dv, dv_variance),
            (
                self.to_worst * unit,
                self.to_variance * unit**2,
                self.to_worst * units.dout,
                self.to_variance * units.dout**2,
            ),
            self._add_underflow(here, tile) if self.block.r.eta_p > UNDERFLOW else (),
        )

    def row_sums(self, keys: Array) -> RowSums:
        """The sums over keys when every piece is in them; `keys` says how many each row sees."""
        unit = MARGIN / WEIGHT
        variance = self.to_variance * self.variance.astype(np.float64)
        if self.variances.inner is not None:
            variance *= self.variances.exponent
        return RowSums(
            self.to_worst * self.worst.astype(np.float64) + self.underflow[0],
            variance + self.underflow[1],
            unit * self.weighted.astype(np.float64),
            keys,
            np.zeros_like(keys),
        )

    def _add_worst(
        self, here: slice, tile: Tile, g: Array, scratch: Scratch
    ) -> tuple[Array, Array]:
        t, rho, inner = (scratch.take(name, *g.shape) for name in ("t", "rho", "inner"))
        np.add(tile.error, self.row[here], out=rho)
        np.matmul(self.inner[here], tile.v[1].T, out=inner)
        np.abs(g, out=t)
        t *= rho
        inner += t
        inner *= tile.p  # the worst error of dS, the rounding of its sums included
        rho *= tile.p
        dk = scratch.product("dk", inner.T, self.factors[0][here])
        dv = scratch.product("dv", rho.T, self.factors[2][here])
        if self.longer:
            np.abs(g, out=t)
            t *= tile.p
            t *= self.longer
            inner += t
        scratch.add(self.worst[here], inner, tile.k[1, :, :-1])
        return dk, dv

    def _add_coarse(
        self, here: slice, tile: Tile, g: Array, scratch: Scratch
    ) -> tuple[Array, Array]:
        """With factors that are constant in a row taken out of the sums."""
        x = self.variances
        assert x.inner is not None
        w, square = (scratch.take(name, *g.shape) for name in ("t", "inner"))
        np.multiply(tile.p, tile.p, out=square)
        np.multiply(g, g, out=g)
        np.add(g, (x.inner / x.exponent)[here], out=w)
        w *= square
        scratch.add(self.variance[here], w, tile.k[2, :, :-1])
        g += ((x.inner + x.delta) / (x.exponent + x.more))[here]
        g *= square
        dk = scratch.product("dk variance", g.T, self.factors[1][here])
        return dk, scratch.product("dv variance", square.T, self.factors[3][here])

    def _add_fine(self, here: slice, tile: Tile, g: Array, scratch: Scratch) -> tuple[Array, Array]:
        x = self.variances
        assert tile.variance is not None
        names = ("t", "w", "rho", "inner")
        square, w, exponent, inner = (scratch.take(name, *g.shape) for name in names)
        np.multiply(tile.p, tile.p, out=square)
        np.multiply(g, g, out=g)
        np.add(tile.variance, x.exponent[here], out=exponent)
        np.matmul(self.inner_variance[here], tile.v[2].T, out=inner)
        inner += np.multiply(g, exponent, out=w)
        inner *= square
        scratch.add(self.variance[here], inner, tile.k[2, :, :-1])
        g *= x.more[here]
        g += x.delta[here]
        g *= square
        g += inner
        dk = scratch.product("dk variance", g.T, self.factors[1][here])
        exponent += x.more[here]
        exponent *= square
        return dk, scratch.product("dv variance", exponent.T, self.factors[3][here])

    def _add_underflow(self, here: slice, tile: Tile) -> tuple[Array, ...]:
        r, units = self.block.r, self.block.units
        eta, unit, visible = r.eta_ds / units.gradient, units.gradient / units.k, tile.visible()
        self.underflow[0, here] += eta * over_keys(visible, tile.k[1, :, :-1])
        self.underflow[1, here] += eta**2 / 3 * over_keys(visible, tile.k[2, :, :-1])
        if visible is not None:
            visible = visible.T
        dk, dk_variance, dv, dv_variance = (over_keys(visible, x[here]) for x in self.rows)
        return (
            unit * eta * dk,
            (unit * eta) ** 2 / 3 * dk_variance,
            units.dout * (r.eta_p + r.eta_exp) * dv,
            units.dout**2 * (r.eta_p**2 / 3 + r.eta_exp**2) * dv_variance,
        )


def prepare(block: Block, weights: Weights, scratch: Scratch) -> Prepared:
    """The left factors of a strip of rows."""
    r, a, at, units, left = block.r, block.arrivals, block.at, block.units, weights.left
    h, dv = r.chain(block.head.seqlen_k), block.dout.shape[1]
    for_q = r.u_ds + r.gamma(h + 4) + (r.n_out - 1) * r.u_out
    for_k = r.u_ds + r.gamma(block.terms + 4) + (r.n_out_kv - 1) * r.u_out
    fixed = (2 * r.u) ** 2 + r.u_ds**2 / 3
    q_variance = fixed + r.variance(h) + (r.n_out - 1) * r.u_out**2 / 3
    k_variance = fixed + r.variance(block.terms) + (r.n_out_kv - 1) * r.u_out**2 / 3
    twice = 2 * (r.variance(dv) + (2 * r.u) ** 2) / 3  # dp**2 <= 2 (dp - delta)**2 + 2 delta**2

    largest = units.error + float(a.lse.max(initial=0.0))
    rho = (1 + r.u_ds) * steepest(largest)
    ratio = rho / left.slope  # worst errors are in units of it, as tiles are made by the forward
    size = np.maximum(np.abs(at.m), np.abs(at.lse))
    row = rho * (4 * r.u * size + r.exp + a.lse) + (1 + r.u_ds) * 2 * r.u + for_k
    slope = (1 + r.u_ds) * (1 + np.expm1(largest)) / ratio
    dout_size, dout_square = np.abs(block.dout), block.dout**2
    q_size, q_square = np.abs(block.q), block.q**2

    unit = left.unit
    constants = (2 * r.u) ** 2 / 3 * a.size2 + twice * a.delta**2
    inner_variance = with_column(r.variance(dv) / unit * dout_square, constants / unit)
    variances = _variances(
        block, weights, inner_variance, q_variance + twice, k_variance - q_variance
    )
    sides = (q_size, q_square, dout_size, dout_square)
    factors = sides
    if variances.inner is not None:
        of_row = variances.exponent + variances.more
        factors = (q_size, q_square * of_row, dout_size, dout_square * of_row)
    n, d = block.q.shape
    return Prepared(
        block=block,
        weights=weights,
        to_worst=ratio * MARGIN / WEIGHT,
        to_variance=MARGIN * unit / WEIGHT**2,
        dp=with_column(block.dout, -a.delta),
        inner=with_column(
            slope * (r.gamma(dv + 2) + 2 * r.u) * dout_size, slope * (2 * r.u * a.size + a.error)
        ),
        inner_variance=inner_variance,
        row=(row / ratio - left.row).astype(np.float32),
        variances=variances,
        longer=np.float32((for_q - for_k) / ratio),
        rows=sides,
        factors=factors,
        worst=scratch.zeros("worst", n, d),
        variance=scratch.zeros("variance", n, d),
        weighted=scratch.zeros("weighted", n, d),
        underflow=np.zeros((2, n, d)),
    )


def _variances(
    block: Block, weights: Weights, inner_variance: Array, more: float, for_k: float
) -> Variances:
    r, a, left, unit = block.r, block.arrivals, weights.left, weights.left.unit
    size = np.maximum(np.abs(block.at.m), np.abs(block.at.lse))
    exponent = constant(r, size) / unit - left.variance[:, -1:] + more / unit
    inner = None
    if left.coarse is not None:
        exponent = exponent + left.coarse + left.largest**2
        inner = norms(inner_variance[:, :-1]) * block.units.v_fourth + inner_variance[:, -1:]
        inner = inner.astype(np.float32)
    return Variances(
        exponent.astype(np.float32),
        inner,
        ((a.lse_variance + for_k) / unit).astype(np.float32),
        (a.variance / unit).astype(np.float32),
    )
