"""The vendor's dual benchmark: a kernel's error beside that of another run in the same format."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from conformance.standards.single import LIMITED, TINY, Figure, Totals, blocks, errors, totals
from conformance.verdict.error import equal
from reference.formats import Array, Format

LEVELS = {"dual L0": (10.0, 2.0, 2.0), "dual L1": (5.0, 1.5, 1.5), "dual L2": (2.0, 1.2, 1.2)}
"""The largest ratios of MARE, MERE and RMSE."""

SMALL_VALUE_RATIO = 2.0
SMALL = {
    "fp16": (2.0**-11, 2.0**-16),
    "bf16": (2.0**-8, 2.0**-16),
    "fp32": (2.0**-14, 2.0**-30),
}
"""Format -> below which |golden| is a small value, and beyond which error it counts."""


def evaluate_dual(got: Array, other: Array, want: Array, format: Format) -> dict[str, Figure]:
    """The levels L0, L1 and L2: ratios of errors, each at most its limit.

    A ratio is the kernel's metric / (the benchmark's + 1e-7). MARE and MERE are the largest and the
    mean of |got - golden| / (|golden| + 1e-7), RMSE is the root mean square of got - golden; all
    three over the elements that are not small. Of the small ones (SMALL) those count whose error is
    beyond their limit: the kernel's count / max(the benchmark's, 1) is at most 2.

    Infinities and NaN: right where they are the golden answer's or, as the text has it, the
    benchmark's. Where the benchmark itself is wrong without measure its error counts as 0, so that
    it excuses nothing else.

    What the text asks of a whole campaign (numbers of cases and of runs, and a second look at
    failures by bootstrap) is not a property of one tensor, and is not evaluated.

    Parameters
    ----------
    got : (...)
        A kernel's tensor, numbers of `format`.
    other : (...)
        The same tensor of a run in the same format. The text has a third party's chip, or a CPU.
    want : (...)
        The oracle's, float64.

    Source: opbase, commercial_standard.md.
    """
    if format.name not in LIMITED:
        return {name: Figure() for name in LEVELS}
    kernel = benchmark = Totals()
    ours = theirs = 0.0
    bound, limit = SMALL[format.name]
    for block, beside, golden in blocks(got, other, want):
        error, reference = errors(block, golden, format), errors(beside, golden, format)
        error.signed[~np.isfinite(block) & equal(block, beside)] = 0.0
        reference.signed[np.isinf(reference.signed)] = 0.0
        small = error.golden < bound
        kernel += totals(error.where(~small), format)
        benchmark += totals(reference.where(~small), format)
        ours += _count(error.signed[small], limit)
        theirs += _count(reference.signed[small], limit)
    figures = {
        "MARE ratio": kernel.mare / (benchmark.mare + TINY),
        "MERE ratio": kernel.mere / (benchmark.mere + TINY),
        "RMSE ratio": kernel.rmse / (benchmark.rmse + TINY),
        "small-value ratio": ours / max(theirs, 1.0),
    }
    return {name: _within(figures, limits) for name, limits in LEVELS.items()}


def _count(signed: Array, limit: float) -> float:
    """How many are off by more than a limit; inf if one is wrong without measure."""
    wrong = bool(np.isinf(signed).any())
    return math.inf if wrong else float(np.count_nonzero(np.abs(signed) > limit))


def _within(figures: Mapping[str, float], ratios: tuple[float, float, float]) -> Figure:
    limits = dict(zip(figures, (*ratios, SMALL_VALUE_RATIO), strict=True))
    return Figure(figures, limits, all(figures[name] <= limits[name] for name in limits))
