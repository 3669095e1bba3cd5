"""How far two arrays are apart: in allowed errors, and as one factor. NaN always counts."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from conformance.verdict.evidence import AGREEMENT
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
    return factor if left < AGREEMENT * error else math.nan


def equal(a: Array, b: Array) -> NDArray[np.bool_]:
    """Which elements are the same; NaN is the same as NaN."""
    return np.asarray((a == b) | (np.isnan(a) & np.isnan(b)))
