"""Findings: what the battery says of the masks it saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from conformance.dropout.battery_power.faults import cannot_tell
from conformance.dropout.battery_power.faulty import FAULTY, PERIOD
from conformance.dropout.statistics.diagnosis import likely
from conformance.dropout.statistics.masks import Totals
from conformance.dropout.statistics.z_scores import Test


@dataclass(frozen=True, eq=False, kw_only=True)
class Findings:
    """The tests of one run, and what follows from them.

    Attributes
    ----------
    totals : Totals
        How much was seen.
    alpha : float
        Chance that a perfect generator is rejected in a run.
    tests : tuple of Test
    readings : mapping
        Chance of the observed keep rate for each reading of p, by `rates`.
    sums : mapping
        What was counted, by the name of the statistic in `battery`.
    """

    totals: Totals
    alpha: float
    tests: tuple[Test, ...]
    readings: Mapping[str, float]
    sums: Mapping[str, NDArray[Any]]

    @property
    def bits(self) -> int:
        """Decisions seen."""
        return self.totals.bits

    @property
    def keep_rate(self) -> float:
        """Observed share of kept decisions."""
        return self.totals.rate if self.totals.p > 0.5 else 1 - self.totals.rate

    @property
    def level(self) -> float:
        """What the p-value of one test is held against: alpha shared by all tests."""
        return self.alpha / len(self.tests)

    @property
    def rejected(self) -> tuple[Test, ...]:
        """Tests whose p-value is below `level`."""
        return tuple(test for test in self.tests if test.p_value < self.level)

    @property
    def passes(self) -> bool:
        """Whether no test is rejected."""
        return not self.rejected

    @property
    def fits(self) -> tuple[str, ...]:
        """Readings of p that the keep rate is compatible with."""
        return tuple(name for name, p_value in self.readings.items() if p_value >= self.level)

    @property
    def cannot_tell(self) -> dict[str, int]:
        """Faults that so few bits cannot show, and the bits that each takes.

        An overlap of calls takes two of them, heads that share a mask two heads, and a restart
        calls of more elements than it leaves: where there are not, the bits are those of twice
        the run's calls or heads, or of calls that are long enough. Faults of p are left out where
        the keep rate is rejected.
        """
        unseen, totals = cannot_tell(self.totals.p, self.bits, self.alpha), self.totals
        elements = self.bits // totals.calls
        short = {
            "overlap": 2 * self.bits if totals.calls == 1 else 0,
            "shared-heads": 2 * self.bits if totals.shape[1] == 1 else 0,
            "restart-4096": 2 * PERIOD * totals.calls if elements <= PERIOD else 0,
        }
        for name, bits in short.items():
            if bits and totals.p > 0:
                unseen[name] = max(bits, unseen.get(name, 0))
        rate_is_off = "keep rate" in (test.name for test in self.rejected)
        return {
            name: bits
            for name, bits in unseen.items()
            if not (rate_is_off and name.startswith("p-"))
        }

    @property
    def likely(self) -> str:
        """The likely fault in one sentence; empty if no test is rejected."""
        return likely(self.rejected, self.totals, self.readings) if self.rejected else ""

    @property
    def summary(self) -> str:
        """The verdict in a few lines, without the table."""
        totals, tests, count = self.totals, len(self.tests), len(self.rejected)
        fits = ", ".join(self.fits) or "none of its readings"
        lines = [
            f"{self.bits:,} bits, calls of shape {totals.shape}: {totals.calls}, p = {totals.p}",
            f"keep rate {self.keep_rate:.7f} fits p as: {fits}",
            f"{count} of {tests} tests beyond {self.level:.2g} = {self.alpha:g} / {tests}",
        ]
        lines += [f"likely: {self.likely}"] if count else []
        lines += [
            f"cannot tell: {name} ({FAULTY[name].what}) needs {bits:,} bits"
            for name, bits in self.cannot_tell.items()
        ]
        return "\n".join([*lines, "passes" if self.passes else "rejected"])

    def text(self) -> str:
        """The table of tests, and the verdict."""
        lines = [f"{'test':24} {'statistic':>12} {'p-value':>10} {'bits':>14}  compares"]
        rejected = self.rejected
        for test in self.tests:
            where = f"; worst at {test.at}" if test.at and test in rejected else ""
            lines.append(
                f"{test.name:24} {test.statistic:12.4g} {test.p_value:10.3g} {test.bits:14,}  "
                f"{test.compares}{where}"
            )
        return "\n".join([*lines, "", self.summary])
