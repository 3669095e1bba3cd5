"""One call as the statistics see it: its masks, and what several of them need."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.fft
from numpy.typing import NDArray

LEADING = 2**20  # elements of a call that meet their like at every distance


@dataclass(frozen=True, eq=False, kw_only=True)
class Call:
    """The masks of one call, beside those of the call before and of the first one.

    A decision is *rare* if it is the less likely one: dropped where p is at most 0.5, else kept.
    Everything is counted in rare decisions.

    Attributes
    ----------
    rare : (batch, heads, seqlen_q, seqlen_k) bool
    chance : float
        Nominal chance of a rare decision.
    before, first : (elements,) bool, or None
        Rare decisions of the call before and of the first one; None in the first one.
    leading_before : complex64, or None
        `leading` of the call before.
    """

    rare: NDArray[np.bool_]
    chance: float
    before: NDArray[np.bool_] | None = None
    first: NDArray[np.bool_] | None = None
    leading_before: NDArray[np.complex64] | None = None

    @property
    def flat(self) -> NDArray[np.bool_]:
        """All elements in the order of the stream."""
        return self.rare.reshape(-1)

    @cached_property
    def packed(self) -> NDArray[np.uint8]:
        """Eight elements to a byte, LSB first, without what does not fill a byte."""
        return np.packbits(self.flat[: self.flat.size // 8 * 8], bitorder="little")

    @cached_property
    def leading(self) -> NDArray[np.complex64]:
        """Fourier transform of the leading elements, less their mean."""
        elements = self.flat[:LEADING].astype(np.float32)
        spectrum: NDArray[np.complex64] = scipy.fft.rfft(elements - np.float32(self.chance))
        spectrum[0] = 0
        return spectrum
