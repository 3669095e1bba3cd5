"""How far two arrays are apart: in allowed errors, in sigmas, as one factor. NaN always counts."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reference.formats import Array, Format


@dataclass(frozen=True, eq=False, kw_only=True)
class Compared:
    """What is summed up of a tensor: float64 arrays of the tensor's shape.

    Attributes
    ----------
    format : of the tensor
    got, want : as compared, in the contract's conventions
    error : got - want, as conformance.verdict.error.signed_error says it
    ratio : |error| / allowed, inf where that is NaN
    sigma : the statistical error
    """

    format: Format
    got: Array
    want: Array
    error: Array
    ratio: Array
    sigma: Array


def signed_error(got: Array, want: Array, format: Format) -> Array:
    """``got - want``, where an infinity stands for the nearest number that rounds to it.

    So an overflow is as wrong as `want` is far from `format`'s overflow threshold. Equal values,
    infinities and NaN included, differ by 0.
    """
    with np.errstate(all="ignore"):
        edge = np.copysign(format.overflow_threshold, got)
        overflowed = np.isinf(got) & np.isfinite(want)
        reached = overflowed & (want * np.sign(edge) >= np.abs(edge))
        nearest = np.where(overflowed, np.where(reached, want, edge), got)
        return np.where(equal(got, want), 0.0, nearest - want)


def ratio_of(error: Array, want: Array, worst: Array) -> Array:
    """|error| / allowed: 0 where the error is 0, or where a finite number may be anything."""
    with np.errstate(all="ignore"):
        ratio = np.abs(error) / worst
    return np.where((error == 0) | (np.isposinf(worst) & np.isfinite(want)), 0.0, ratio)


def statistics(
    error: Array,
    want: Array,
    worst: Array,
    sigma: Array,
    *,
    rounding: Array,
    slope: float,
    shift: float,
) -> tuple[float, float, float]:
    """Largest |error|/sigma, its root mean square, and the z-score of a proportional error.

    Parameters
    ----------
    rounding : like want
        What rounding `want` once would add. Values close together may all round one way: an error
        that is proportional only because of that is none.
    slope, shift : float
        Systematic errors that the contract declares: relative to `want`, and absolute.
    """
    finite = np.isfinite(worst) & np.isfinite(sigma) & np.isfinite(error) & np.isfinite(rounding)
    error, want, sigma, rounding = (x[finite] for x in (error, want, sigma, rounding))
    if not error.size:
        return 0.0, 0.0, 0.0
    with np.errstate(all="ignore"):
        z = np.where(error == 0, 0.0, np.abs(error) / sigma)
    varied = z[sigma > 0]
    z_rms = float(np.sqrt(np.mean(varied**2))) if varied.size else 0.0
    slope_z = min(_slope_z(each, want, sigma, slope, shift) for each in (error, error - rounding))
    return float(z.max()), z_rms, slope_z


def _slope_z(error: Array, want: Array, sigma: Array, slope: float, shift: float) -> float:
    size = float(np.abs(want).max())
    if size == 0 or not error.any():
        return 0.0
    error, want, sigma = error / size, want / size, sigma / size  # or squares leave the range
    systematic = slope * float((want**2).sum()) + shift / size * float(np.abs(want).sum())
    excess = abs(float((error * want).sum())) - systematic
    spread = float(np.sqrt(((want * sigma) ** 2).sum()))
    if excess <= 0:
        return 0.0
    return excess / spread if spread > 0 else math.inf


def proportion(got: Array, want: Array, failing: NDArray[np.bool_]) -> float:
    """The factor between `want` and `got`, if one explains most of the error; else NaN."""
    there = failing & np.isfinite(got) & np.isfinite(want)
    got, want = got[there], want[there]
    size = float(np.abs(want).max(initial=0.0))
    if size == 0:
        return math.nan
    got, want = got / size, want / size
    factor = float((got * want).sum() / (want**2).sum())
    left, error = np.abs(got - factor * want).sum(), np.abs(got - want).sum()
    return factor if left < error / 8 else math.nan


def equal(a: Array, b: Array) -> NDArray[np.bool_]:
    """Which elements are the same; NaN is the same as NaN."""
    return np.asarray((a == b) | (np.isnan(a) & np.isnan(b)))
