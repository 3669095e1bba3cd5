"""Faults that the battery is there to find, and how many bits it takes to find each."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from scipy import stats

from conformance.dropout import faulty
from conformance.dropout.faulty import FAULTY
from conformance.dropout.generators import PER_CALL, Generator
from conformance.dropout.rates import readings

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

    As many rare ones, each meeting a rare one, as chance does not give.
    """
    rare = min(p, 1 - p)
    meetings = math.ceil(math.log(2 * places / level(alpha)) / -math.log(rare))
    return int(meetings + stats.nbinom.ppf(POWER, meetings, rare))


def bits_for_period(p: float, alpha: float, *, period: int) -> int:
    """Bits in two calls that show that each begins again after `period` elements."""
    return max(CALLS * period + pairs_for_copy(p, alpha), fewest_bits(p, alpha))


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault of a generator.

    Attributes
    ----------
    name : str
        Its generator in `conformance.dropout.faulty`.
    bits : function (p, alpha) -> int or None
        Decisions, in two calls with two heads, for power 0.99; None if no number shows it.
    """

    name: str
    bits: Callable[[float, float], int | None]

    @property
    def generator(self) -> Generator:
        """One that has this fault and no other."""
        return FAULTY[self.name]


def _overlap(p: float, alpha: float) -> int:
    pairs = pairs_for_copy(p, alpha, places=2**20)
    return max(CALLS * (pairs + 4 * PER_CALL), fewest_bits(p, alpha))


def _heads(p: float, alpha: float) -> int:
    return max(2 * pairs_for_copy(p, alpha), fewest_bits(p, alpha))


FAULTS = (
    Fault(name="p-off-0.001", bits=lambda p, alpha: bits_for_rate(p, p + faulty.OFF, alpha)),
    Fault(name="p-bf16", bits=lambda p, alpha: bits_for_rate(p, readings(p)["bf16"], alpha)),
    Fault(name="p-8bit", bits=lambda p, alpha: bits_for_rate(p, readings(p)["8 bits"], alpha)),
    Fault(name="shared-heads", bits=_heads),
    Fault(name="lcg16", bits=lambda p, alpha: bits_for_period(p, alpha, period=2**16)),
    Fault(
        name="restart-4096", bits=lambda p, alpha: bits_for_period(p, alpha, period=faulty.PERIOD)
    ),
    Fault(name="overlap", bits=_overlap),
    Fault(name="transposed", bits=lambda p, alpha: None),
    Fault(name="msb-first", bits=lambda p, alpha: None),
)


def cannot_tell(p: float, bits: int, alpha: float) -> dict[str, int]:
    """Faults that so few bits cannot show with power 0.99, and the bits that each takes."""
    needed = {fault.name: fault.bits(p, alpha) for fault in FAULTS}
    return {name: more for name, more in needed.items() if more is not None and more > bits}
