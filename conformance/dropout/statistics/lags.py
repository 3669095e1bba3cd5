"""Decisions at every distance: along one call, and from one call to the next.

All distances at once come from Fourier transforms of the leading 2**20 elements of each call, whose
products add up over calls. Distances are taken around the end, so each has as many pairs.
"""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from conformance.dropout.statistics import z_scores
from conformance.dropout.statistics.masks import CallMasks, Totals
from conformance.dropout.statistics.z_scores import Draw, Scores, Test, one, worst_of

LOOKED_AT = 16  # distances with the largest covariances, whose chance is taken exactly


def count_own(call: CallMasks) -> NDArray[np.float64]:
    """Power of each frequency of the leading elements."""
    spectrum = call.leading.result()
    return spectrum.real.astype(np.float64) ** 2 + spectrum.imag.astype(np.float64) ** 2


def count_next(call: CallMasks) -> NDArray[np.complex128]:
    """Product of each frequency with that of the call before; zeros in the first call."""
    spectrum = call.leading.result()
    if call.leading_before is None:
        return np.zeros(spectrum.shape, np.complex128)
    return np.conj(call.leading_before.result()).astype(np.complex128) * spectrum


def covariances(product: NDArray[np.inexact], totals: Totals) -> Scores:
    """Sum over pairs at each distance, around the end, of the product of two decisions."""
    return np.asarray(scipy.fft.irfft(product, totals.leading))


def judge_own(power: NDArray[np.float64], totals: Totals, draw: Draw) -> list[Test]:
    """Any lag: the worst of all distances along a call."""
    correlations = covariances(power, totals)
    half = correlations[1 : (correlations.size + 1) // 2]
    return _worst("any lag", "decisions at every distance", half, totals.calls, totals, draw)


def judge_next(product: NDArray[np.complex128], totals: Totals, draw: Draw) -> list[Test]:
    """Any shift: the worst of all distances from one call to the next."""
    if totals.calls < 2:
        return []
    words = "each call with the next, at every distance"
    backwards = covariances(product, totals)[::-1]  # the next call begins so many elements later
    return _worst("any shift", words, backwards, totals.calls - 1, totals, draw)


def _worst(
    name: str, compares: str, correlations: Scores, times: int, totals: Totals, draw: Draw
) -> list[Test]:
    """The worst of distances 1, 2, ..., over so many calls."""
    if not correlations.size:
        return []
    pairs = times * totals.leading
    largest = np.argsort(-np.abs(correlations))[:LOOKED_AT]
    z = z_scores.pairs(correlations[largest], pairs, totals.rate, draw)
    worst = int(np.abs(z).argmax())
    place = int(largest[worst])
    return [
        Test(
            name,
            compares,
            float(z[worst]),
            worst_of(correlations.size, one(z[worst])),
            pairs,
            f"{name.removeprefix('any ')} {place + 1}",
            float(z_scores.correlation(correlations, pairs, totals.rate)[place]),
        )
    ]
