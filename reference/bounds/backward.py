"""How far a kernel's gradients may be from the exact ones: the sums of one tile."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reference.bounds.forward import Errors, Rows
from reference.bounds.roundoffs import Roundoffs
from reference.bounds.scaling import Units
from reference.bounds.scores import Scores, scores
from reference.formats import Array
from reference.problem.head import Head
from reference.problem.tiling import rows_of


@dataclass(frozen=True, eq=False, kw_only=True)
class RowStatistics:
    """D, dlse and lse of some rows as the backward reads them, each (rows, 1).

    Attributes
    ----------
    delta : D - dlse, in units of the gradient
    size, size2 : |D| + |dlse|, and D**2 + dlse**2, in units of the gradient and their square
    error, variance : of D, in units of the gradient and their square
    lse, lse_variance : worst error and variance that the lse which is read gives to exponents
    """

    delta: Array
    size: Array
    size2: Array
    error: Array
    variance: Array
    lse: Array
    lse_variance: Array


@dataclass(frozen=True, eq=False, kw_only=True)
class Block:
    """Some rows of a head, with all that their tiles need.

    Attributes
    ----------
    head, r, units, at : Head, Roundoffs, Units, Rows
    statistics : RowStatistics
    terms : int
        Rows that are summed into dk and dv, over all heads of the group.
    q, dout : (rows, head_dim), (rows, head_dim_v)
        Scaled.
    """

    head: Head
    r: Roundoffs
    units: Units
    at: Rows
    statistics: RowStatistics
    terms: int
    q: Array
    dout: Array


@dataclass(frozen=True, eq=False)
class RowSums:
    """Sums over the keys of some rows, in units of the gradient; dq's also in units of k.

    Attributes
    ----------
    worst, variance, weighted : (rows, head_dim)
        Of dq; `weighted` is the sum of P k, times the derivative of softcap.
    p, dx : (rows, 1)
    """

    worst: Array
    variance: Array
    weighted: Array
    p: Array
    dx: Array

    @classmethod
    def zeros(cls, n: int, d: int) -> RowSums:
        """Sums over no key."""
        return cls(*(np.zeros((n, d)) for _ in range(3)), *(np.zeros((n, 1)) for _ in range(2)))

    def add(self, other: RowSums) -> None:
        """Add the sums over other keys."""
        for name, value in vars(other).items():
            getattr(self, name)[...] += value


@dataclass(frozen=True, eq=False, kw_only=True)
class KeySums:
    """Sums over rows: worst error and variance of dk and dv, each (seqlen_k, dimension)."""

    dk: Array
    dk_variance: Array
    dv: Array
    dv_variance: Array


@dataclass(frozen=True, eq=False, kw_only=True)
class Gradients:
    """The gradient at one tile of scores, (rows, keys), in units of the gradient.

    Attributes
    ----------
    p, slope_p : weights, and weights times the derivative of softcap
    rho : relative error of the weights
    dx, dx_error, dx_variance : gradient at the scores; the variance leaves out that of D and lse
    ds, ds_error, ds_variance : gradient before softcap, rounded to the contract's `dscores`
    """

    p: Array
    rho: Array
    dx: Array
    dx_error: Array
    dx_variance: Array
    ds: Array
    ds_error: Array
    ds_variance: Array
    slope_p: Array


def row_statistics(
    r: Roundoffs, units: Units, at: Rows, errors: Errors, *, exact_statistics: bool
) -> RowStatistics:
    """D, dlse and lse of some rows, with their errors.

    With `exact_statistics` the backward reads the exact out and lse, rounded once.

    Source: docs/numerics.md, section 5.
    """
    assert at.dout is not None
    out, out_sigma, lse, lse_sigma = errors.out, errors.out_sigma, errors.lse, errors.lse_sigma
    if exact_statistics:
        out, lse = r.u_out * np.abs(at.out) + r.eta_out, r.u * np.abs(at.lse)
        out_sigma, lse_sigma = out / 3**0.5, lse / 3**0.5
    dv, unit = at.out.shape[1], units.gradient
    each = at.dout * at.out
    delta, square = each.sum(axis=1, keepdims=True), _over_columns(each, each)
    each = np.abs(each, out=each).sum(axis=1, keepdims=True)
    g = r.gamma(dv + 2)
    error = (1 + g) * _over_columns(np.abs(at.dout), out) + g * each
    spread = at.dout * out_sigma
    chance = _over_columns(spread, spread)
    if r.u_dp:  # summed from rounded dP, each error of which reaches every channel of out
        chance = np.abs(spread).sum(axis=1, keepdims=True) ** 2
    variance = chance + r.variance(dv) * (square + delta**2 / 3)
    return RowStatistics(
        delta=(delta - at.dlse) / unit,
        size=(np.abs(delta) + np.abs(at.dlse)) / unit,
        size2=(delta**2 + at.dlse**2) / unit**2,
        error=(error + dv * r.eta) / unit,
        variance=variance / unit**2,
        lse=lse + 2 * r.u,
        lse_variance=lse_sigma**2,
    )


def _over_columns(x: Array, y: Array) -> Array:
    """The sum of the products of each row: (rows, 1)."""
    return np.asarray(np.einsum("ij,ij->i", x, y)[:, None])


def add_tile(block: Block, keys: range, rows: RowSums, into: KeySums) -> Gradients:
    """Add a tile's errors of dq, dk and dv to the sums; return the gradient at its scores."""
    head, units, at, q = block.head, block.units, block.at, block.q
    k, v = units.scaled_k(head, keys), units.scaled_v(head, keys)
    size = np.maximum(np.abs(at.m), np.abs(at.lse))
    tile = scores(head, block.r, units, at.rows, keys, q=q, k=k, lse=at.lse, size=size)
    g = _gradients(block, tile, v)
    _add_to_rows(block, rows, g, k)
    _add_to_keys(block, into, keys, tile, g)
    return g


def _gradients(block: Block, tile: Scores, v: Array) -> Gradients:
    """Gradient at the scores of a tile, and its errors.

    Source: docs/numerics.md, section 5.
    """
    r, a, unit, p, dout = block.r, block.statistics, block.units.gradient, tile.p, block.dout
    dv = v.shape[1]
    rho = np.expm1(tile.error + a.lse)
    if tile.visible is not None:
        rho[~tile.visible] = 0.0  # also where the error is infinite
    product = dout @ v.T
    dp, product_error = tile.dropped(product), r.gamma(dv + 2) * (np.abs(dout) @ np.abs(v).T)
    if r.u_dp:
        product_error += r.u_dp * np.abs(product) + r.eta_dp / unit
        product_error[np.abs(product) + product_error >= r.limit_dp / unit] = np.inf
    size = np.abs(dp) + a.size
    dx = p * (dp - a.delta)
    inner = tile.dropped(product_error) + 2 * r.u * size + (a.error + (dv + 2) * r.eta / unit)
    dx_error = np.abs(dx) * (rho + 2 * r.u) + p * (1 + rho) * inner
    dx_error += tile.seen(r.eta_exp * (size + a.error) + r.eta / unit)

    inner = r.variance(dv) * (tile.dropped(tile.dropped(dout**2 @ (v**2).T)) + dp**2 / 3)
    inner += r.u_dp**2 / 3 * dp**2 + (2 * r.u) ** 2 / 3 * (dp**2 + a.size2)
    dx_variance = dx**2 * (tile.variance + (2 * r.u) ** 2) + p**2 * inner
    dx_variance += tile.seen((r.eta_exp * size) ** 2)

    ds, ds_error, ds_variance, slope_p = dx, dx_error, dx_variance, p
    if (cap := tile.cap) is not None:
        ds, slope_p = cap.slope * dx, cap.slope * p
        ds_error = cap.slope * dx_error + (np.abs(dx) + dx_error) * cap.error
        ds_variance = cap.slope**2 * dx_variance + (dx**2 + dx_variance) * cap.variance
    ds_error = ds_error * (1 + r.u_ds) + r.u_ds * np.abs(ds) + tile.seen(r.eta_ds / unit)
    ds_error[np.abs(ds) + ds_error >= r.limit_ds / unit] = np.inf
    return Gradients(
        p=p,
        slope_p=slope_p,
        rho=rho,
        dx=dx,
        dx_error=dx_error,
        dx_variance=dx_variance,
        ds=ds,
        ds_error=ds_error,
        ds_variance=ds_variance + r.u_ds**2 / 3 * ds**2 + tile.seen((r.eta_ds / unit) ** 2 / 3),
    )


def _add_to_rows(block: Block, sums: RowSums, g: Gradients, k: Array) -> None:
    r, h = block.r, block.r.chain(block.head.seqlen_k)
    worst = g.ds_error + (r.gamma(h + 4) + (r.n_out - 1) * r.u_out) * np.abs(g.ds)
    variance = g.ds_variance + (r.variance(h) + (r.n_out - 1) * r.u_out**2 / 3) * g.ds**2
    sums.worst[...] += worst @ np.abs(k)
    sums.variance[...] += variance @ k**2
    sums.weighted[...] += g.slope_p @ k
    sums.p[...] += g.p.sum(axis=1, keepdims=True)
    sums.dx[...] += g.dx.sum(axis=1, keepdims=True)


def _add_to_keys(block: Block, into: KeySums, keys: range, tile: Scores, g: Gradients) -> None:
    r, a, units, q, dout = block.r, block.statistics, block.units, block.q, block.dout
    chain = r.gamma(block.terms + 4) + (r.n_out_kv - 1) * r.u_out
    chain2 = r.variance(block.terms) + (r.n_out_kv - 1) * r.u_out**2 / 3

    worst = tile.p * (g.rho * (1 + r.u_p) + r.u_p + chain) + tile.seen(r.eta_p + r.eta_exp)
    rows_of(into.dv, keys)[...] += units.dout * (tile.dropped(worst).T @ np.abs(dout))
    relative = tile.variance + a.lse_variance + (2 * r.u) ** 2 + r.u_p**2 / 3 + chain2
    variance = tile.p**2 * relative + tile.seen(r.eta_p**2 / 3 + r.eta_exp**2)
    variance = tile.dropped(tile.dropped(variance))
    rows_of(into.dv_variance, keys)[...] += units.dout**2 * (variance.T @ dout**2)

    unit = units.gradient / units.k  # q carries the unit of k
    worst = g.ds_error + (chain + r.u_pre) * np.abs(g.ds)
    rows_of(into.dk, keys)[...] += unit * (worst.T @ np.abs(q))
    variance = g.ds_variance + g.slope_p**2 * a.variance
    variance += g.ds**2 * (a.lse_variance + chain2 + r.u_pre**2 / 3)
    rows_of(into.dk_variance, keys)[...] += unit**2 * (variance.T @ q**2)
