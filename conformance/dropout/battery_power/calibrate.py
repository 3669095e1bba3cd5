"""Calibration: how often the battery rejects a perfect generator, and how its p-values spread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from conformance.dropout.generators.known import Generator, Shape
from conformance.dropout.statistics.battery import battery
from conformance.progress import watched

SHAPE = (2, 4, 125, 250)  # no power of two; four calls are 1e6 bits
CALLS = 4
ALPHAS = (0.05, 0.01)
BAND = 0.99  # of the binomial count of false alarms, and of the smallest Kolmogorov-Smirnov p-value


@dataclass(frozen=True, eq=False, kw_only=True)
class Calibration:
    """P-values of many runs of the battery on a generator.

    Attributes
    ----------
    p_values : mapping of a test's name to (runs,) float64
    bits : int
        Decisions in each run.
    """

    p_values: Mapping[str, NDArray[np.float64]]
    bits: int

    @property
    def runs(self) -> int:
        """How many."""
        return len(next(iter(self.p_values.values())))

    def alarms(self, alpha: float) -> int:
        """Runs that are rejected at `alpha`."""
        smallest = np.min(list(self.p_values.values()), axis=0)
        return int(np.count_nonzero(smallest < alpha / len(self.p_values)))

    def band(self, alpha: float) -> tuple[int, int]:
        """What `alarms` lies in with a chance of at least 0.99 if `alpha` holds exactly."""
        low, high = stats.binom.interval(BAND, self.runs, alpha)
        return int(low), int(high)

    def uniform(self) -> dict[str, float]:
        """Chance of each test's p-values if they are uniform (Kolmogorov-Smirnov)."""
        return {
            name: float(stats.kstest(values, "uniform").pvalue)
            for name, values in self.p_values.items()
        }

    @property
    def holds(self) -> bool:
        """Whether the false alarms are in their bands and all p-values are uniform."""
        inside = [
            low <= self.alarms(alpha) <= high
            for alpha, (low, high) in ((alpha, self.band(alpha)) for alpha in ALPHAS)
        ]
        return all(inside) and min(self.uniform().values()) >= (1 - BAND) / len(self.p_values)

    def text(self) -> str:
        """The figures, with a line for each test."""
        lines = [f"{self.runs} runs of {self.bits:,} bits, {len(self.p_values)} tests"]
        for alpha in ALPHAS:
            low, high = self.band(alpha)
            lines.append(
                f"alpha {alpha}: {self.alarms(alpha)} runs rejected, "
                f"{alpha * self.runs:g} expected, {low} to {high} allowed"
            )
        lines += ["", f"{'test':24} {'KS p-value':>10} {'mean p':>8}"]
        for name, chance in self.uniform().items():
            lines.append(f"{name:24} {chance:10.3g} {self.p_values[name].mean():8.3f}")
        limit = (1 - BAND) / len(self.p_values)
        lines += ["", f"each KS p-value has to be at least {limit:.2g}"]
        return "\n".join([*lines, "holds" if self.holds else "does not hold"])


def calibrate(
    generator: Generator,
    *,
    p: float,
    runs: int,
    shape: Shape = SHAPE,
    calls: int = CALLS,
) -> Calibration:
    """The p-values of `runs` runs of the battery on a generator, with seeds 0, 1, ..."""
    by_test: dict[str, list[float]] = {}
    for seed in watched(range(runs), "runs"):
        findings = battery(generator.calls(calls, p=p, shape=shape, seed=seed))
        for test in findings.tests:
            by_test.setdefault(test.name, []).append(test.p_value)
    p_values = {name: np.array(values) for name, values in by_test.items()}
    return Calibration(p_values=p_values, bits=calls * int(np.prod(shape)))
