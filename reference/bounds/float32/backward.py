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
    over_keys,
)
from reference.formats import Array
from reference.parallel.scratch import Scratch


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
    exponent : of exponents, and of the roundings of dS and dq, less what a tile's variance holds
    inner : of dP - D, without that of D; None where each tile computes it
    extra : what dk and dv have beyond `exponent`: the variance of lse, and that of a longer sum
    delta : of D
    """

    exponent: Array
    inner: Array | None
    extra: Array
    delta: Array


@dataclass(frozen=True, eq=False, kw_only=True)
class StripFactors:
    """A strip of rows as left factors, and its sums over keys.

    Attributes
    ----------
    to_worst, to_variance : float
        Units of the sums.
    dp, inner, inner_variance : (rows, head_dim_v + 1)
        Times v, |v| and v**2, each with a column of ones: dP - D, its worst error, and its variance
        without that of D.
    row : (rows, 1)
        The worst error of a row's weights, less the part that its tiles hold.
    extra_error_dq : float32
        Relative error that sums for dq have beyond that of sums for dk and dv; may be negative.
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
    extra_error_dq: np.float32
    rows: tuple[Array, ...]
    factors: tuple[Array, ...]
    worst: Array
    variance: Array
    weighted: Array
    underflow: Array

    def add(self, at: int, scratch: Scratch) -> Share:
        """Add a piece to the sums over keys; return its share of the sums over rows."""
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
        if self.extra_error_dq:
            np.abs(g, out=t)
            t *= tile.p
            t *= self.extra_error_dq
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
        g += ((x.inner + x.delta) / (x.exponent + x.extra))[here]
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
        g *= x.extra[here]
        g += x.delta[here]
        g *= square
        g += inner
        dk = scratch.product("dk variance", g.T, self.factors[1][here])
        exponent += x.extra[here]
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
