"""One call as the statistics see it: its masks, and what several of them need."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

Bits = NDArray[np.bool_]
Spectrum = NDArray[np.complex64]

LEADING = 2**20  # elements of a call that meet their like at every distance


@dataclass(frozen=True, eq=False, kw_only=True)
class CallMasks:
    """The masks of one call, beside those of the call before and of the first one.

    A decision is *rare* if it is the less likely one: dropped where p is at most 0.5, else kept.
    Everything is counted in rare decisions.

    Attributes
    ----------
    rare : (batch, heads, seqlen_q, seqlen_k) bool
    chance : float
        Nominal chance of a rare decision.
    leading : future of `spectrum`
        Computed once for this call and the next.
    before, first : (elements,) bool, or None
        Rare decisions of the call before and of the first one; None in the first one.
    leading_before : future of `spectrum`, or None
    """

    rare: Bits
    chance: float
    leading: Future[Spectrum]
    before: Bits | None = None
    first: Bits | None = None
    leading_before: Future[Spectrum] | None = None

    @property
    def flat(self) -> Bits:
        """All elements in the order of the stream."""
        return self.rare.reshape(-1)


def spectrum(flat: Bits, chance: float) -> Spectrum:
    """Fourier transform of the leading elements, less their mean."""
    elements = flat[:LEADING].astype(np.float32)
    found: Spectrum = scipy.fft.rfft(elements - np.float32(chance))
    found[0] = 0
    return found
