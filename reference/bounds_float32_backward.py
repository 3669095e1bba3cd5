"""The sums for gradients in float32, for heads without softcap, bias, ALiBi and dropout.

The formulas are those of bounds_backward; row constants enter products as in bounds_float32.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reference.bounds_backward import Block, KeySums, RowSums
from reference.bounds_exact import part
from reference.bounds_float32 import (
    MARGIN,
    UNDERFLOW,
    WEIGHT,
    Exponents,
    exponents,
    hide,
    over_keys,
    steepest,
    visible_pairs,
    with_column,
)
from reference.bounds_roundoff import Roundoffs
from reference.bounds_scratch import Scratch
from reference.bounds_units import Units
from reference.formats import Array

COARSE = 2.0**-6  # of the variance of rounding dS: what row constants may add


def _over_rows(visible: Array | None, of_rows: Array) -> Array:
    return over_keys(None if visible is None else visible.T, of_rows)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A block of rows as left factors, for bounds_backward.add_tile in float32."""

    block: Block
    left: Exponents
    dp: Array
    inner: Array
    inner_variance: Array
    coarse: tuple[Array, Array] | None
    lse_variance: Array
    d_variance: Array
    less: float
    q_size: Array
    q_square: Array
    dout_size: Array
    dout_square: Array

    def add_tiles(self, some: list[range], rows: RowSums, into: KeySums, scratch: Scratch) -> None:
        """Add what some tiles do to dq, dk and dv."""
        block, left, n = self.block, self.left, len(self.block.at.rows)
        head, units, r = block.head, block.units, block.r
        to_worst, to_variance = MARGIN / WEIGHT, MARGIN * left.unit / WEIGHT**2
        gradient, dout = units.gradient, units.dout
        for keys in some:
            s, p, e, v2, g, t, w = scratch.pairs(n, keys)
            k, v = scratch.keys(head, units, keys)
            visible = visible_pairs(head, block.at.rows, keys)

            np.matmul(left.s, k[0, :, :-1].T, out=s)
            np.subtract(s, left.lse, out=p)
            hide(p, visible)
            np.exp(p, out=p)
            if self.coarse is None:
                np.matmul(left.variance, k[2].T, out=v2)
                np.multiply(s, s, out=s)
                v2 += s
            rho = np.matmul(left.error, k[1].T, out=e)
            np.matmul(self.dp, v[0].T, out=g)
            inner = np.matmul(self.inner, v[1].T, out=s)

            scratch.add(rows.weighted, p, k[0, :, :-1], 1 / WEIGHT)
            rows.p[...] += p.sum(axis=1, keepdims=True) / WEIGHT

            np.abs(g, out=t)
            inner += np.multiply(t, rho, out=w)
            inner *= p  # the worst error of dS, the rounding of its sums included
            rho *= p
            scratch.add(part(into.dv, keys), rho.T, self.dout_size, to_worst * dout)
            scratch.add(part(into.dk, keys), inner.T, self.q_size, to_worst * gradient / units.k)
            if self.less:
                t *= p
                t *= np.float32(self.less)
                inner -= t
            scratch.add(rows.worst, inner, k[1, :, :-1], to_worst)

            np.multiply(p, p, out=p)
            np.multiply(g, g, out=g)
            if self.coarse is None:
                exponent, inner = v2, np.matmul(self.inner_variance, v[2].T, out=s)
            else:
                exponent, inner = self.coarse
            np.multiply(g, exponent, out=w)
            w += inner
            w *= p
            scratch.add(rows.variance, w, k[2, :, :-1], to_variance)
            g *= self.lse_variance
            g += self.d_variance
            g *= p
            g += w
            unit = to_variance * (gradient / units.k) ** 2
            scratch.add(part(into.dk_variance, keys), g.T, self.q_square, unit)
            np.add(exponent, self.lse_variance, out=w)
            w *= p
            unit = to_variance * dout**2
            scratch.add(part(into.dv_variance, keys), w.T, self.dout_square, unit)
            if r.eta_p > UNDERFLOW:
                self._add_underflow(visible, keys, k[1, :, :-1], k[2, :, :-1], rows, into)

    def _add_underflow(
        self,
        visible: Array | None,
        keys: range,
        k_size: Array,
        k_square: Array,
        rows: RowSums,
        into: KeySums,
    ) -> None:
        r, units = self.block.r, self.block.units
        eta, unit = r.eta_ds / units.gradient, units.gradient / units.k
        rows.worst[...] += eta * over_keys(visible, k_size)
        rows.variance[...] += eta**2 / 3 * over_keys(visible, k_square)
        part(into.dk, keys)[...] += unit * eta * _over_rows(visible, self.q_size)
        part(into.dk_variance, keys)[...] += (
            (unit * eta) ** 2 / 3 * _over_rows(visible, self.q_square)
        )
        part(into.dv, keys)[...] += (
            units.dout * (r.eta_p + r.eta_exp) * _over_rows(visible, self.dout_size)
        )
        part(into.dv_variance, keys)[...] += (
            units.dout**2 * (r.eta_p**2 / 3 + r.eta_exp**2)
        ) * _over_rows(visible, self.dout_square)


def _coarse(
    r: Roundoffs, units: Units, left: Exponents, inner_variance: Array
) -> tuple[Array, Array] | None:
    """Row constants above the variances of exponents and of dX, or None where these matter.

    By Cauchy and Schwarz; in low precision the rounding of dS is far above either.
    """
    exponent, inner = (
        np.sqrt(np.square(x[:, :-1]).sum(axis=1, keepdims=True))
        for x in (left.variance, inner_variance)
    )
    s = np.sqrt(np.square(left.s).sum(axis=1, keepdims=True)) * units.k_row
    exponent = exponent * units.k_fourth + s**2
    if left.unit * exponent.max(initial=0.0) > COARSE * r.u_ds**2:
        return None
    constants = exponent + left.variance[:, -1:], inner * units.v_fourth + inner_variance[:, -1:]
    return constants[0].astype(np.float32), constants[1].astype(np.float32)


def prepare(block: Block) -> Prepared:
    """The left factors of a block of rows."""
    r, a, at, units = block.r, block.arrivals, block.at, block.units
    h, dv = r.chain(block.head.seqlen_k), block.dout.shape[1]
    for_q = r.u_ds + r.gamma(h + 4) + (r.n_out - 1) * r.u_out
    for_k = r.u_ds + r.gamma(block.terms + 4) + (r.n_out_kv - 1) * r.u_out
    fixed = (2 * r.u) ** 2 + r.u_ds**2 / 3
    q_variance = fixed + r.variance(h) + (r.n_out - 1) * r.u_out**2 / 3
    k_variance = fixed + r.variance(block.terms) + (r.n_out_kv - 1) * r.u_out**2 / 3
    twice = 2 * (r.variance(dv) + (2 * r.u) ** 2) / 3  # dp**2 <= 2 (dp - delta)**2 + 2 delta**2

    largest = units.error + float(a.lse.max(initial=0.0))
    rho = (1 + r.u_ds) * steepest(largest)
    left = exponents(
        r,
        units,
        block.q,
        at.lse,
        np.maximum(np.abs(at.m), np.abs(at.lse)),
        slope=rho,
        more=rho * a.lse + (1 + r.u_ds) * 2 * r.u + max(for_q, for_k),
        more_variance=q_variance + twice,
    )
    slope = (1 + r.u_ds) * (1 + np.expm1(largest))
    size, square = np.abs(block.dout), block.dout**2
    row = (2 * r.u) ** 2 / 3 * a.size2 + twice * a.delta**2
    inner_variance = with_column(r.variance(dv) / left.unit * square, row / left.unit)
    return Prepared(
        block=block,
        left=left,
        dp=with_column(block.dout, -a.delta),
        inner=with_column(
            slope * (r.gamma(dv + 2) + 2 * r.u) * size, slope * (2 * r.u * a.size + a.error)
        ),
        inner_variance=inner_variance,
        coarse=_coarse(r, units, left, inner_variance),
        lse_variance=((a.lse_variance + k_variance - q_variance) / left.unit).astype(np.float32),
        d_variance=(a.variance / left.unit).astype(np.float32),
        less=max(for_k - for_q, 0.0),
        q_size=np.abs(block.q),
        q_square=block.q**2,
        dout_size=size,
        dout_square=square,
    )
