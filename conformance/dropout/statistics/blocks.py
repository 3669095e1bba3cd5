"""Patterns in short stretches of the stream: poker, gaps, runs, and blocks of 128."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from conformance.dropout.statistics.masks import CallMasks, Totals
from conformance.dropout.statistics.z_scores import Draw, Scores, Test, either_side, family, table

Counts = NDArray[np.int64]

HAND = 4  # decisions to a hand of poker
LONGEST = 1024  # gaps and runs of this length and more are counted as one
BLOCK = 128  # decisions that the vendor's generators make at a time
FEWEST = 5  # expected in the last cell of a table
ONES = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1)


def count_hands(call: CallMasks) -> Counts:
    """How often each pattern of four decisions is seen, first decision lowest. (16,)."""
    whole = call.flat[: call.flat.size // 8 * 8]
    pairs = np.bincount(np.packbits(whole, bitorder="little"), minlength=256).reshape(16, 16)
    return np.asarray(pairs.sum(axis=0) + pairs.sum(axis=1))


def judge_hands(counts: Counts, totals: Totals, draw: Draw) -> list[Test]:
    """Poker: each pattern as often as its number of rare decisions says."""
    rare = ONES[:16].astype(np.int64)
    return _judge_table(
        "poker",
        "each pattern of 4 decisions",
        [table(counts, lambda q: q**rare * (1 - q) ** (HAND - rare), totals.rate, draw)],
        bits=HAND * int(counts.sum()),
        place=lambda n: f"pattern {n:04b}",
    )


def count_gaps(call: CallMasks) -> Counts:
    """Common decisions between a rare one and the next: (LONGEST + 1,)."""
    gaps = np.diff(np.flatnonzero(call.flat)) - 1
    return np.bincount(np.minimum(gaps, LONGEST), minlength=LONGEST + 1)


def judge_gaps(counts: Counts, totals: Totals, draw: Draw) -> list[Test]:
    """After any gap the next decision is rare as often as ever."""
    return _judge_table(
        "gaps",
        f"common decisions between two {totals.rare_word} ones",
        [_geometric(counts, totals.rate, False, draw)],
        bits=totals.bits,
        place="gap of {}".format,
    )


def count_runs(call: CallMasks) -> Counts:
    """Lengths of runs of common, and of rare decisions: (2, LONGEST + 1), from length 1 on."""
    changes = np.flatnonzero(call.flat[1:] != call.flat[:-1])
    lengths = np.minimum(np.diff(changes) - 1, LONGEST)
    kinds = call.flat[changes[:-1] + 1]
    counts = [np.bincount(lengths[kinds == rare], minlength=LONGEST + 1) for rare in (False, True)]
    return np.array(counts)


def judge_runs(counts: Counts, totals: Totals, draw: Draw) -> list[Test]:
    """A run goes on or ends as often as if nothing had been before it."""
    common = _geometric(counts[0], totals.rate, False, draw)
    rare = _geometric(counts[1], totals.rate, True, draw)
    words = [f"common run of {n + 1}" for n in range(common.size)]
    words += [f"{totals.rare_word} run of {n + 1}" for n in range(rare.size)]
    return _judge_table(
        "runs",
        "how long decisions stay the same",
        [common, rare],
        bits=totals.bits,
        place=words.__getitem__,
    )


def _geometric(counts: Counts, rate: float, goes_on: bool, draw: Draw) -> Scores:
    """Scores of waiting times that go on with a chance of `rate`, or else end with it."""

    def end(at: float) -> float:
        return 1 - at if goes_on else at

    fair = counts.sum() * (1 - end(rate)) ** np.arange(1, len(counts))
    last = max(1, int(np.count_nonzero(fair >= FEWEST)))
    cells = np.append(counts[:last], counts[last:].sum())
    times = np.arange(last)

    def chances(at: float) -> Scores:
        on = 1 - end(at)
        return np.append(on**times * end(at), on**last)

    return table(cells, chances, rate, draw)


def _judge_table(
    name: str, compares: str, parts: list[Scores], *, bits: int, place: Callable[[int], str]
) -> list[Test]:
    scores = np.concatenate(parts)
    nothing = np.zeros(scores.size)
    return family(name, compares, scores, bits=bits, place=place, effects=nothing)


def count_blocks(call: CallMasks) -> Counts:
    """Blocks of 128 in a row, their rare decisions, and the sum of their squares."""
    whole = call.flat[: call.flat.size // BLOCK * BLOCK]
    rare = ONES[np.packbits(whole)].reshape(-1, BLOCK // 8).sum(axis=1, dtype=np.int64)
    return np.array([rare.size, rare.sum(), rare @ rare])


def judge_blocks(counts: Counts, totals: Totals, draw: Draw) -> list[Test]:
    """Block frequency: rare decisions in a block vary as binomial counts do.

    At the observed rate the index of dispersion of N counts of n decisions has mean N and variance
    2 N (1 - 1/n): that of (1 - 1/n) chi-square with N / (1 - 1/n) degrees of freedom.
    """
    blocks, rare, squares = (int(count) for count in counts)
    if blocks < 2:
        return []
    rate = rare / (blocks * BLOCK)
    index = (squares - rare * rare / blocks) / (BLOCK * rate * (1 - rate))
    narrower = 1 - 1 / BLOCK
    ratio, freedom = index / narrower, (blocks - 1) / narrower
    sides = stats.chi2.cdf(ratio, freedom), stats.chi2.sf(ratio, freedom)
    return [
        Test(
            "block frequency",
            "how the counts of blocks of 128 vary",
            index,
            either_side(*sides),
            blocks * BLOCK,
            effect=index / blocks - 1,
        )
    ]
