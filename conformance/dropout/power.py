"""Power: what each fault takes to be found, by calculation and in runs of the battery."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from conformance.dropout.battery import battery
from conformance.dropout.compare import difference
from conformance.dropout.faults import CALLS, FAULTS, POWER, Fault, fewest_bits, level
from conformance.dropout.generators import GENERATORS, Shape

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
    found, runs : int
        Runs with `bits` decisions that were rejected, of how many; of drawn counts where a run
        would be too long.
    by : tuple of str
        Tests that found it in one run.
    compared : str
        What the comparison with the declared generator says; empty if it is the same.
    """

    fault: Fault
    bits: int | None
    found: int
    runs: int
    by: tuple[str, ...]
    compared: str

    def text(self) -> str:
        """The line."""
        bits = "none" if self.bits is None else f"{self.bits:,}"
        named = ", ".join(self.by[:NAMED]) + (", ..." if len(self.by) > NAMED else "")
        by = named or f"no statistic; {self.compared or 'its masks are those declared'}"
        return f"{self.fault.name:14} {bits:>13} {self.found / self.runs:9.4f} {self.runs:9,}  {by}"


def shape_of(bits: int) -> Shape:
    """The squarest plane with at least so many decisions in two calls of two heads."""
    places = -(-bits // (CALLS * HEADS))
    rows = int(np.sqrt(places))
    return 1, HEADS, rows, -(-places // rows)


def row(fault: Fault, *, p: float, alpha: float, runs: int) -> Row:
    """Run the battery on one fault at the calculated number of bits, or at a million."""
    bits = fault.bits(p, alpha)
    enough = max(OTHERWISE, fewest_bits(p, alpha))
    shape = shape_of(enough if bits is None or fault.rate else bits)
    times, found = runs, 0
    by: tuple[str, ...] = ()
    if fault.rate is not None and bits is not None:
        times, found, by = COUNTS, _counts_beyond(p, fault.rate(p), bits, alpha), ("keep rate",)
    else:
        for seed in range(runs):
            calls = fault.generator.calls(CALLS, p=p, shape=shape, seed=seed)
            findings = battery(calls, alpha=alpha, threads=1)
            found += not findings.passes
            by = by or tuple(test.name for test in findings.rejected)
    declared = next(GENERATORS["philox"].calls(1, p=p, shape=shape))
    compared = difference(next(fault.generator.calls(1, p=p, shape=shape)), declared) or ""
    return Row(fault=fault, bits=bits, found=found, runs=times, by=by, compared=compared)


def _counts_beyond(p: float, actual: float, bits: int, alpha: float) -> int:
    """Of COUNTS drawn counts of dropped decisions, how many the keep rate's test rejects."""
    edge = stats.binom.ppf([level(alpha) / 2, 1 - level(alpha) / 2], bits, p)
    counts = np.random.default_rng(0).binomial(bits, actual, COUNTS)
    return int(np.count_nonzero((counts < edge[0]) | (counts > edge[1])))


def power(
    *,
    p: float,
    alpha: float,
    runs: int,
    watch: Callable[[Iterable[Fault]], Iterable[Fault]] = iter,
) -> str:
    """The table of all faults; `watch` sees each fault."""
    head = f"{'fault':14} {'bits':>13} {'power':>9} {'runs':>9}  found by"
    lines = [f"p = {p}, alpha = {alpha:g}, bits for power {POWER} in two calls of two heads", head]
    lines += [row(fault, p=p, alpha=alpha, runs=runs).text() for fault in watch(FAULTS)]
    return "\n".join(lines)
