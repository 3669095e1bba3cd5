"""Faults that the battery is there to find, and how many bits it takes to find each."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.fft
from scipy import stats

from conformance.dropout.battery_power import faulty
from conformance.dropout.battery_power.faulty import FAULTY
from conformance.dropout.generators.known import PER_CALL, Generator
from conformance.dropout.statistics.masks import LEADING
from conformance.dropout.statistics.rates import readings

TESTS = 60  # more than a run has; what alpha is shared by where their number is not known yet
POWER = 0.99
CALLS = 2  # and two heads: the least in which each fault can show


def level(alpha: float) -> float:
    """What one of TESTS p-values is held against."""
    return alpha / TESTS


def fewest_bits(p: float, alpha: float) -> int:
    """Bits below which the battery says nothing.

    So many that decisions which are all the same are beyond `alpha`, and that a pair of rare
    decisions is expected 25 times.
    """
    rare = min(p, 1 - p)
    if not rare:
        return 1
    return math.ceil(max(math.log(2 / level(alpha)) / -math.log1p(-rare), 25 / rare**2))


def bits_for_rate(p: float, actual: float, alpha: float) -> int | None:
    """Bits that tell `actual` from `p`, by the normal approximation; None if they are the same."""
    if actual == p:
        return None
    sigma, sigma_actual = math.sqrt(p * (1 - p)), math.sqrt(actual * (1 - actual))
    reach = float(stats.norm.isf(level(alpha) / 2)), float(stats.norm.isf(1 - POWER))
    wide = reach[0] * sigma + reach[1] * sigma_actual
    return max(math.ceil((wide / (actual - p)) ** 2), fewest_bits(p, alpha))


def pairs_for_copy(p: float, alpha: float, *, places: int = 1) -> int:
    """Pairs of decisions that show one to be a copy of the other, at the worst of `places`.

    So many that as many rare ones meet a rare one as chance does not give.
    """
    rare = min(p, 1 - p)
    meetings = math.ceil(math.log(2 * places / level(alpha)) / -math.log(rare))
    return int(meetings + stats.nbinom.ppf(POWER, meetings, rare))


def bits_for_period(p: float, alpha: float, *, period: int) -> int:
    """Bits in two calls that show that each begins again after `period` elements."""
    return CALLS * period + pairs_for_copy(p, alpha)


def bits_for_lattice(p: float, alpha: float) -> int:
    """Bits in two calls that show the generator of 16 bits, by the lag that shows it first.

    Over its whole period each lag L has a correlation r. Of n pairs around the end of two calls
    n - 2 L have it, which is a score of r (n - 2 L) / sqrt(n); lags go up to n / 4.
    """
    orbit = faulty.lcg16((1, 1, 1, 2**16), p=p, seed=0, call=0).reshape(-1)
    power = np.abs(scipy.fft.rfft(orbit - orbit.mean())) ** 2
    correlation = scipy.fft.irfft(power)[1 : 2**14] / (orbit.size * orbit.var())
    lag = np.arange(1, 2**14)
    reach = stats.norm.isf(level(alpha) / 2 / 2**14) + stats.norm.isf(1 - POWER)
    score = reach / np.maximum(np.abs(correlation), 1e-9)
    bits = ((score + np.sqrt(score**2 + 8 * lag)) / 2) ** 2
    return math.ceil(float(np.maximum(bits, 4 * lag).min()))


def bits_for_overlap(p: float, alpha: float, *, shift: int) -> int:
    """Bits in two calls that show that one begins `shift` elements into the other."""
    return CALLS * (shift + pairs_for_copy(p, alpha, places=LEADING))


def bits_for_heads(p: float, alpha: float) -> int:
    """Bits in two heads that show them to be the same."""
    return 2 * pairs_for_copy(p, alpha)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault of a generator.

    Attributes
    ----------
    name : str
        Its generator in `conformance.dropout.battery_power.faulty`.
    rate : function (p) -> float, or None
        How often it drops instead of p.
    copies : function (p, alpha) -> int, or None
        Decisions that show a copy of others.
    """

    name: str
    rate: Callable[[float], float] | None = None
    copies: Callable[[float, float], int] | None = None

    @property
    def generator(self) -> Generator:
        """One that has this fault and no other."""
        return FAULTY[self.name]

    def bits(self, p: float, alpha: float) -> int | None:
        """Decisions, in two calls of two heads, for power 0.99; None if no number shows it."""
        if self.rate is not None:
            return bits_for_rate(p, self.rate(p), alpha)
        if self.copies is None or p == 0:
            return None
        return max(self.copies(p, alpha), fewest_bits(p, alpha))


FAULTS = (
    Fault(name="p-off-0.001", rate=faulty.off),
    Fault(name="p-bf16", rate=lambda p: readings(p)["bf16"]),
    Fault(name="p-8bit", rate=lambda p: readings(p)["8 bits"]),
    Fault(name="shared-heads", copies=bits_for_heads),
    Fault(name="lcg16", copies=bits_for_lattice),
    Fault(name="restart-4096", copies=partial(bits_for_period, period=faulty.PERIOD)),
    Fault(name="overlap", copies=partial(bits_for_overlap, shift=4 * PER_CALL)),
    Fault(name="transposed"),
    Fault(name="msb-first"),
)


def cannot_tell(p: float, bits: int, alpha: float) -> dict[str, int]:
    """Faults that so few bits cannot show with power 0.99, and the bits that each takes."""
    needed = {fault.name: fault.bits(p, alpha) for fault in FAULTS}
    return {name: more for name, more in needed.items() if more is not None and more > bits}
