"""Power: what each fault takes to be found, by calculation and in runs of the battery."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import stats

from conformance.dropout.battery_power.faults import CALLS, FAULTS, POWER, Fault, fewest_bits, level
from conformance.dropout.generators.declared import difference
from conformance.dropout.generators.known import GENERATORS, Shape
from conformance.dropout.statistics.battery import battery
from conformance.progress import watched

HEADS = 2
OTHERWISE = 10**6  # bits where no number of them helps, and where only the comparison is made
COUNTS = 10**6  # drawn counts of rare decisions, where runs would take too long
NAMED = 6  # tests named in a row


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    fault : Fault
    bits : int or None
        Calculated for power 0.99; None if no statistic can find it.
    least : int
        `bits`, or the last of its halves, quarters, ... at which the power was still 0.99.
    rejections, runs : int
        Runs with `least` decisions that were rejected, of how many; of drawn counts where a run
        would be too long.
    by : tuple of str
        Tests that found it in one run.
    compared : str
        What the comparison with the declared generator says; empty if it is the same.
    """

    fault: Fault
    bits: int | None
    least: int
    rejections: int
    runs: int
    by: tuple[str, ...]
    compared: str

    def text(self) -> str:
        """The line."""
        bits = "none" if self.bits is None else f"{self.bits:,}"
        named = ", ".join(self.by[:NAMED]) + (", ..." if len(self.by) > NAMED else "")
        by = named or f"no statistic; {self.compared or 'its masks are those declared'}"
        numbers = f"{bits:>13} {self.least:13,} {self.rejections / self.runs:9.4f} {self.runs:9,}"
        return f"{self.fault.name:14} {numbers}  {by}"


def shape_of(bits: int) -> Shape:
    """The squarest plane with at least so many decisions in two calls of two heads."""
    places = -(-bits // (CALLS * HEADS))
    rows = int(np.sqrt(places))
    return 1, HEADS, rows, -(-places // rows)


def row(fault: Fault, *, p: float, alpha: float, runs: int) -> Row:
    """Run the battery on one fault at the calculated number of bits, then at fewer; or at 1e6."""
    bits, fewest = fault.bits(p, alpha), fewest_bits(p, alpha)
    otherwise = max(OTHERWISE, fewest)
    shape = shape_of(otherwise)
    declared = next(GENERATORS["philox"].calls(1, p=p, shape=shape))
    compared = difference(next(fault.generator.calls(1, p=p, shape=shape)), declared) or ""
    made = partial(Row, fault=fault, bits=bits, compared=compared)
    if fault.rate is not None and bits is not None:
        rejections = _counts_beyond(p, fault.rate(p), bits, alpha)
        return made(least=bits, rejections=rejections, runs=COUNTS, by=("keep rate",))
    best = least = bits or otherwise
    rejections, by = best_rejections, best_by = _rejected(fault, least, p=p, alpha=alpha, runs=runs)
    while rejections >= POWER * runs and (least := least // 2) >= fewest:
        rejections, by = _rejected(fault, least, p=p, alpha=alpha, runs=runs)
        if rejections >= POWER * runs:
            best, best_rejections, best_by = least, rejections, by
    return made(least=best, rejections=best_rejections, runs=runs, by=best_by)


def _rejected(
    fault: Fault, bits: int, *, p: float, alpha: float, runs: int
) -> tuple[int, tuple[str, ...]]:
    """How many of `runs` runs are rejected, and the tests that reject the first."""
    rejections = 0
    by: tuple[str, ...] = ()
    for seed in range(runs):
        calls = fault.generator.calls(CALLS, p=p, shape=shape_of(bits), seed=seed)
        findings = battery(calls, alpha=alpha, threads=1)
        rejections += not findings.passes
        by = by or tuple(test.name for test in findings.rejected)
    return rejections, by


def _counts_beyond(p: float, actual: float, bits: int, alpha: float) -> int:
    """How many of COUNTS drawn counts of dropped decisions the keep rate's test rejects."""
    edge = stats.binom.ppf([level(alpha) / 2, 1 - level(alpha) / 2], bits, p)
    counts = np.random.default_rng(0).binomial(bits, actual, COUNTS)
    return int(np.count_nonzero((counts < edge[0]) | (counts > edge[1])))


def power(*, p: float, alpha: float, runs: int) -> str:
    """The table of all faults, one line for each, as text."""
    head = f"{'fault':14} {'calculated':>13} {'measured':>13} {'power':>9} {'runs':>9}  found by"
    lines = [f"p = {p}, alpha = {alpha:g}, bits for power {POWER} in two calls of two heads", head]
    lines += [row(fault, p=p, alpha=alpha, runs=runs).text() for fault in watched(FAULTS, "faults")]
    return "\n".join(lines)
