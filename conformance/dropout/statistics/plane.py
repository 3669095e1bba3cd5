"""Patterns over the (i, j) plane: the rate of each place, and waves in any direction."""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy import stats

from conformance.dropout.statistics.masks import CallMasks, Totals
from conformance.dropout.statistics.z_scores import Draw, Test, any_rate, binomial, family, worst_of

EDGE = 1024  # of the corner of a plane that is looked at


def corner(rare: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The corner of each plane that is looked at: (batch * heads, rows, columns)."""
    part = rare[:, :, :EDGE, :EDGE]
    return part.reshape(-1, *part.shape[2:])


def count_places(call: CallMasks) -> NDArray[np.int64]:
    """Rare decisions at each (i, j), over batch and heads."""
    return np.asarray(corner(call.rare).sum(axis=0, dtype=np.int64))


def judge_places(counts: NDArray[np.int64], totals: Totals, draw: Draw) -> list[Test]:
    """Each place as often rare as all of them."""
    each = totals.calls * totals.shape[0] * totals.shape[1]
    rare = counts.ravel()
    z = any_rate(binomial(rare, each, totals.rate, draw), 1.0, draw)
    columns = counts.shape[1]
    return family(
        "(i, j) rates",
        "each place of the plane with the rate of all",
        z,
        bits=each * rare.size,
        place=lambda n: f"row {n // columns}, column {n % columns}",
        effects=rare / each - totals.rate,
    )


def count_waves(call: CallMasks) -> NDArray[np.float64]:
    """Power of each wave over the plane, over batch and heads: (rows, columns // 2 + 1)."""
    planes = corner(call.rare)
    power = np.zeros((planes.shape[1], planes.shape[2] // 2 + 1))
    for plane in planes:
        wave = scipy.fft.rfft2(plane.astype(np.float32) - np.float32(call.chance))
        power += wave.real**2 + wave.imag**2
    return power


def judge_waves(power: NDArray[np.float64], totals: Totals, draw: Draw) -> list[Test]:
    """2-D spectral test: the strongest wave.

    The power of a wave over K planes, in units of its mean, is a gamma variable of shape K; of
    shape K / 2 if the wave is real: constant or alternating along both axes.
    """
    rows, columns = np.minimum(totals.shape[2:], EDGE).tolist()
    times = totals.calls * totals.shape[0] * totals.shape[1]
    own_i = np.arange(rows) * 2 % rows == 0
    own_j = np.arange(power.shape[1]) * 2 % columns == 0
    real = own_i[:, None] & own_j
    twice = own_j & (np.arange(rows) > rows / 2)[:, None]  # seen as the conjugate of another
    shape = np.where(real, times / 2, times)
    unit = rows * columns * totals.rate * (1 - totals.rate) * times
    chance = stats.gamma.sf(power / unit * shape, shape)
    chance[twice] = 1
    chance[0, 0] = 1
    count = chance.size - np.count_nonzero(twice) - 1
    if not count:
        return []
    i, j = (int(n) for n in np.unravel_index(chance.argmin(), chance.shape))
    return [
        Test(
            "waves",
            "waves over the (i, j) plane (2-D spectral test)",
            float(power[i, j] / unit),
            worst_of(count, float(chance[i, j])),
            rows * columns * times,
            f"{i} waves along the rows' axis, {j} along the columns'",
            float(power[i, j] / unit - 1),
        )
    ]
