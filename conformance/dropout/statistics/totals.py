"""Totals: what every statistic has to know of all calls together."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.dropout.statistics.call import LEADING


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
