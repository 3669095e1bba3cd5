"""The left factors of a strip of rows: which terms of docs/numerics.md they hold."""

from __future__ import annotations

import numpy as np

from reference.bounds.backward import Block
from reference.bounds.float32.backward import StripFactors, Variances
from reference.bounds.float32.tiles import (
    MARGIN,
    WEIGHT,
    Weights,
    constant,
    norms,
    steepest,
    with_column,
)
from reference.formats import Array
from reference.parallel.scratch import Scratch


def strip_factors(block: Block, weights: Weights, scratch: Scratch) -> StripFactors:
    """The left factors of a strip of rows, and sums over no key yet.

    Source: docs/numerics.md, sections 5 and 7, with what section 8 rounds up.
    """
    r, units, exponents = block.r, block.units, weights.exponents
    error_dq, error_dk = _sum_errors(block)
    variance_dq, variance_dk = _sum_variances(block)
    largest = units.error + float(block.statistics.lse.max(initial=0.0))
    rho = (1 + r.u_ds) * steepest(largest)
    ratio = rho / exponents.slope  # the unit of worst errors, as the forward made the tiles
    slope = (1 + r.u_ds) * (1 + np.expm1(largest)) / ratio
    row = _row_error(block, rho) + error_dk
    inner_variance = _inner_variance(block, exponents.unit)
    variances = _variances(
        block,
        weights,
        inner_variance,
        variance_dq + _products_variance(block),
        variance_dk - variance_dq,
    )
    sides = (np.abs(block.q), block.q**2, np.abs(block.dout), block.dout**2)
    n, d = block.q.shape
    return StripFactors(
        block=block,
        weights=weights,
        to_worst=ratio * MARGIN / WEIGHT,
        to_variance=MARGIN * exponents.unit / WEIGHT**2,
        dp=with_column(block.dout, -block.statistics.delta),
        inner=_inner_error(block, slope),
        inner_variance=inner_variance,
        row=(row / ratio - exponents.row).astype(np.float32),
        variances=variances,
        extra_error_dq=np.float32((error_dq - error_dk) / ratio),
        rows=sides,
        factors=_with_row_constants(sides, variances),
        worst=scratch.zeros("worst", n, d),
        variance=scratch.zeros("variance", n, d),
        weighted=scratch.zeros("weighted", n, d),
        underflow=np.zeros((2, n, d)),
    )


def _sum_errors(block: Block) -> tuple[float, float]:
    """Relative errors of rounding dS and summing it into dq, and into dk.

    Section 5, "dq, dk": u_dS + gamma(h + 4) + c, and the same with N.
    """
    r, h = block.r, block.r.chain(block.head.seqlen_k)
    error_dq = r.u_ds + r.gamma(h + 4) + (r.n_out - 1) * r.u_out
    error_dk = r.u_ds + r.gamma(block.terms + 4) + (r.n_out_kv - 1) * r.u_out
    return error_dq, error_dk


def _sum_variances(block: Block) -> tuple[float, float]:
    """Relative variances of dS and of its sums in dq, and in dk.

    Section 7, "dX", "dS", "dq", "dk": (2 u)**2 + u_dS**2 / 3 + v(h) + (n - 1) u_out**2 / 3, and the
    same with N.
    """
    r, h = block.r, block.r.chain(block.head.seqlen_k)
    fixed = (2 * r.u) ** 2 + r.u_ds**2 / 3
    variance_dq = fixed + r.variance(h) + (r.n_out - 1) * r.u_out**2 / 3
    variance_dk = fixed + r.variance(block.terms) + (r.n_out_kv - 1) * r.u_out**2 / 3
    return variance_dq, variance_dk


def _products_variance(block: Block) -> float:
    """The factor of (dP - D)**2, and of D**2, that the products of dP have in the variance of dX.

    Section 7, "dX": (v(dv) + (2 u)**2) / 3 dP**2; section 8: dP**2 <= 2 (dP - D)**2 + 2 D**2.
    """
    r = block.r
    return 2 * (r.variance(block.dout.shape[1]) + (2 * r.u) ** 2) / 3


def _row_error(block: Block, rho: float) -> Array:
    """Error of the weights that is the same for all keys of a row, (rows, 1).

    Section 3, "The argument of exp", with section 5, "Weights": 4 u max(|m|, |lse|), exp's own
    error and that of lse, and 2 u for the quotient.
    """
    r, at = block.r, block.at
    size = np.maximum(np.abs(at.m), np.abs(at.lse))
    return rho * (4 * r.u * size + r.exp + block.statistics.lse) + (1 + r.u_ds) * 2 * r.u


def _inner_error(block: Block, slope: float) -> Array:
    """Times (|v|, 1): `slope` times the worst error of dP - D, (rows, head_dim_v + 1).

    Section 5, "dX": gamma(dv + 2) |dout| |v| + dD + 2 u (|dP| + |D|); section 8: 2 u |dP| is
    rounded up to 2 u |dout| |v|.
    """
    r, a = block.r, block.statistics
    by_key = slope * (r.gamma(block.dout.shape[1] + 2) + 2 * r.u) * np.abs(block.dout)
    return with_column(by_key, slope * (2 * r.u * a.size + a.error))


def _inner_variance(block: Block, unit: float) -> Array:
    """Times (v**2, 1): the variance of dP - D without that of D, (rows, head_dim_v + 1).

    Section 7, "dX": v(dv) dout**2 v**2 + (2 u)**2 / 3 (D**2 + dlse**2), and what section 8 adds.
    """
    r, a = block.r, block.statistics
    constants = (2 * r.u) ** 2 / 3 * a.size2 + _products_variance(block) * a.delta**2
    by_key = r.variance(block.dout.shape[1]) / unit * block.dout**2
    return with_column(by_key, constants / unit)


def _variances(
    block: Block, weights: Weights, inner_variance: Array, extra_dq: float, extra_dk: float
) -> Variances:
    """The variances of each row; section 8 makes those of its tiles constants where it may."""
    r, a, exponents, unit = block.r, block.statistics, weights.exponents, weights.exponents.unit
    size = np.maximum(np.abs(block.at.m), np.abs(block.at.lse))
    exponent = constant(r, size) / unit - exponents.variance[:, -1:] + extra_dq / unit
    inner = None
    if exponents.coarse is not None:
        exponent = exponent + exponents.coarse + exponents.largest**2
        inner = norms(inner_variance[:, :-1]) * block.units.v_fourth + inner_variance[:, -1:]
        inner = inner.astype(np.float32)
    return Variances(
        exponent.astype(np.float32),
        inner,
        ((a.lse_variance + extra_dk) / unit).astype(np.float32),
        (a.variance / unit).astype(np.float32),
    )


def _with_row_constants(sides: tuple[Array, ...], variances: Variances) -> tuple[Array, ...]:
    """Sizes and squares of q and dout; squares times the variances that are constant in a row."""
    if variances.inner is None:
        return sides
    q_size, q_square, dout_size, dout_square = sides
    of_row = variances.exponent + variances.extra
    return q_size, q_square * of_row, dout_size, dout_square * of_row
