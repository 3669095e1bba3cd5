"""Masks: the keep decisions of one call, as the statistics see them, and the sizes of all calls."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from reference.formats import describe

Bits = NDArray[np.bool_]
Spectrum = NDArray[np.complex64]

LEADING = 2**20  # elements of a call that are compared with others at every distance


class Refused(ValueError):
    """The battery cannot judge these masks; the text says why, and what to give."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Masks:
    """The keep decisions of one call of a kernel or a generator.

    Attributes
    ----------
    keep : (batch, heads, seqlen_q, seqlen_k) bool
        True where the weight is kept. Element t of the flat array is element t of the stream.
    p : float in [0, 1)
        Nominal probability of dropping.

    Raises
    ------
    ValueError
        If keep is no such array or has no elements, or p is outside [0, 1).
    """

    keep: NDArray[np.bool_]
    p: float

    def __post_init__(self) -> None:
        if not 0 <= self.p < 1:
            raise ValueError(f"p is {self.p}: give a probability of dropping in [0, 1)")
        keep = self.keep
        if not isinstance(keep, np.ndarray) or keep.dtype != np.bool_ or keep.ndim != 4:
            raise ValueError(
                f"keep is {describe(keep)}: give a bool array (batch, heads, seqlen_q, seqlen_k)"
            )
        if not keep.size:
            raise ValueError(f"keep has shape {keep.shape}: there is no decision in it")


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
    transform: Spectrum = scipy.fft.rfft(elements - np.float32(chance))
    transform[0] = 0
    return transform


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Sizes of what was counted.

    Attributes
    ----------
    p : float
        Nominal probability of dropping.
    shape : (batch, heads, seqlen_q, seqlen_k)
        Of one call.
    calls : int
    rare : int
        Rare decisions in all.
    """

    p: float
    shape: tuple[int, int, int, int]
    calls: int
    rare: int

    @property
    def chance(self) -> float:
        """Nominal chance of a rare decision."""
        return self.rarely(self.p)

    def rarely(self, p: float) -> float:
        """Chance of what is rare by the nominal p, where decisions are dropped with a chance p."""
        return 1 - p if self.p > 0.5 else p

    @property
    def rare_word(self) -> str:
        """Which decision is the rare one."""
        return "kept" if self.p > 0.5 else "dropped"

    @property
    def elements(self) -> int:
        """Decisions of one call."""
        batch, heads, seqlen_q, seqlen_k = self.shape
        return batch * heads * seqlen_q * seqlen_k

    @property
    def leading(self) -> int:
        """Elements of one call that meet their like at every distance."""
        return min(self.elements, LEADING)

    @property
    def bits(self) -> int:
        """Decisions in all."""
        return self.calls * self.elements

    @property
    def rate(self) -> float:
        """Observed share of rare decisions."""
        return self.rare / self.bits
