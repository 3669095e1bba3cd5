"""How probable a tensor's errors are: in sigmas, element by element, on average, as one slope."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from reference.formats import Array

SIGMAS = 8.0  # docs/numerics.md, section 9: P(|error| > 8 sigma) < 1e-6 over 1e6 elements
RMS_LIMIT = 2.0  # the same page: correct kernels stay near 1
LOG_CHANCE = SIGMAS**2 / 2  # of 2 exp(-x): how rare a slope or root mean square beyond a limit is


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """What is improbable of a tensor; None for what was not computed.

    Attributes
    ----------
    z_max, z_rms : float or None
        Largest and root mean square of |error| / sigma.
    slope_z : float or None
        How many sigma the error is proportional to the oracle's value.
    rms_limit : float
        Of z_rms: larger where few errors are independent.
    not_computed : str
        Which of them were not computed, and why; empty if all were.
    """

    z_max: float | None = None
    z_rms: float | None = None
    slope_z: float | None = None
    rms_limit: float = RMS_LIMIT
    not_computed: str = ""

    @property
    def suspicion(self) -> str:
        """Which are beyond their limit; empty if none is."""
        claims = (
            (self.z_max, SIGMAS, "largest error is {:.3g} sigma (limit {:g})"),
            (self.z_rms, self.rms_limit, "root mean square error is {:.3g} sigma (limit {:.3g})"),
            (
                self.slope_z,
                SIGMAS,
                "error is proportional to the value by {:.3g} sigma (limit {:g})",
            ),
        )
        return "; ".join(
            text.format(z, limit) for z, limit, text in claims if z is not None and not z <= limit
        )


NO_ERROR = Statistics(z_max=0.0, z_rms=0.0, slope_z=0.0)


@dataclass(frozen=True, eq=False, kw_only=True)
class Slope:
    """What is known of a proportional error.

    Attributes
    ----------
    axes : tuple of int
        Along which errors may be common.
    common : float
        Standard deviation of what is common to all elements, in the sum of error * want.
    relative, absolute : float
        Systematic errors that the contract declares: relative to want, and absolute.
    rounding : like want
        What rounding `want` once would add. Values close together may all round one way: an error
        that is proportional only because of that is none.
    """

    axes: tuple[int, ...]
    common: float
    relative: float
    absolute: float
    rounding: Array


def statistics(
    error: Array,
    want: Array,
    worst: Array,
    sigma: Array,
    *,
    axes: tuple[int, ...],
    slope: Slope,
) -> Statistics:
    """The statistics of a tensor's errors.

    Parameters
    ----------
    error, want, worst, sigma : float64 arrays of one shape
        Elements that are not finite in all of them do not count.
    axes : tuple of int
        Along which errors may be common, in z_rms.

    Source: docs/numerics.md, section 9.
    """
    finite = np.isfinite(worst) & np.isfinite(sigma) & np.isfinite(error)
    finite &= np.isfinite(slope.rounding)
    if not finite.any():
        return NO_ERROR
    with np.errstate(all="ignore"):
        z = np.where(finite & (error != 0), np.abs(error) / sigma, 0.0)
    counted = finite & (sigma > 0)
    z_rms, rms_limit = 0.0, RMS_LIMIT
    if counted.any():
        z_rms = float(np.sqrt(np.mean(z[counted] ** 2)))
        each = counted.sum(axis=axes)
        rms_limit = limit_of_rms(int(counted.sum()) / int(each.max()))
    error, want, sigma, rounding = (
        np.where(finite, x, 0.0) for x in (error, want, sigma, slope.rounding)
    )
    least = math.floor(SIGMAS**2) + 1
    slope_z, not_computed = None, ""
    if int(finite.any(axis=slope.axes).sum()) >= least:
        slope_z = min(_slope_z(part, want, sigma, slope) for part in (error, error - rounding))
    else:
        not_computed = f"slope_z: fewer than {least} parts of it have errors of their own"
    return Statistics(
        z_max=float(z.max()),
        z_rms=z_rms,
        slope_z=slope_z,
        rms_limit=rms_limit,
        not_computed=not_computed,
    )


@lru_cache(maxsize=256)
def limit_of_rms(units: float) -> float:
    """Root mean square that errors of `units` independent parts exceed by a chance of exp(-32).

    At least RMS_LIMIT. Solves units / 2 (x**2 - 1 - log(x**2)) = LOG_CHANCE for x > 1.
    """
    goal = 2 * LOG_CHANCE / units + 1
    square = goal
    for _ in range(64):  # x = goal + log(x) is a contraction above 1
        square = goal + math.log(square)
    return max(RMS_LIMIT, math.sqrt(square))


def _slope_z(error: Array, want: Array, sigma: Array, slope: Slope) -> float:
    size = float(np.abs(want).max())
    if size == 0 or not error.any():
        return 0.0
    error, want, sigma = error / size, want / size, sigma / size  # or squares leave the range
    systematic = slope.relative * float((want**2).sum())
    systematic += slope.absolute / size * float(np.abs(want).sum())
    along = (error * want).sum(axis=slope.axes)
    excess = abs(float(along.sum())) - systematic
    if excess <= 0:
        return 0.0
    most = (np.abs(want) * sigma).sum(axis=slope.axes)
    spread = math.hypot(
        float(np.linalg.norm(np.maximum(np.abs(along), most))), slope.common / size / size
    )
    return excess / spread if spread > 0 else math.inf
