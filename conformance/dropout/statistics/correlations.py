"""Pairs of decisions that should know nothing of each other: at a lag, in two heads or calls."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from conformance.dropout.statistics import z_scores
from conformance.dropout.statistics.masks import CallMasks, Totals
from conformance.dropout.statistics.z_scores import Draw, Scores, Test, family, one

Counts = NDArray[np.int64]
PERIOD = 4096  # after which the older AI-CPU operator may begin again


def lags(shape: tuple[int, ...]) -> list[int]:
    """Distances along the stream that are looked at: powers of two, a row, multiples of 4096."""
    elements = int(np.prod(shape))
    wanted = {2**n for n in range(9)} | {shape[3]} | {PERIOD * n for n in (1, 2, 3, 4, 8, 16, 32)}
    return sorted(lag for lag in wanted if lag < elements)


def count_serial(call: CallMasks) -> Counts:
    """For each lag: rare decisions that meet a rare one, and rare ones at either end. (2, lags)."""
    flat, total = call.flat, np.count_nonzero(call.flat)
    pairs = []
    for lag in lags(call.rare.shape):
        ends = np.count_nonzero(flat[:lag]) + np.count_nonzero(flat[-lag:])
        unlike = np.count_nonzero(flat[lag:] != flat[:-lag])
        pairs.append((2 * total - ends - unlike, 2 * total - ends))
    counts: Counts = np.array(pairs, np.int64).T // np.array([[2], [1]])
    return counts


def judge_serial(counts: Counts, totals: Totals, draw: Draw) -> list[Test]:
    """A test for each lag."""
    distances = np.array(lags(totals.shape))
    pairs = totals.calls * (totals.elements - distances)
    z, sizes = _scored(counts[0], counts[1], pairs, totals, draw)
    return [
        Test(
            name=f"serial {lag}",
            compares=f"each decision with the one {lag} on",
            statistic=float(z[n]),
            p_value=one(z[n]),
            bits=int(pairs[n]),
            at=f"lag {lag}",
            effect=float(sizes[n]),
        )
        for n, lag in enumerate(distances.tolist())
    ]


def count_planes(call: CallMasks) -> Counts:
    """Places at which two planes are both rare, for all pairs of planes: (planes, planes)."""
    planes = call.rare.reshape(call.rare.shape[0] * call.rare.shape[1], -1)
    both = np.zeros((len(planes),) * 2, np.int64)
    piece = 2**16  # below 2**24, where float32 counts exactly
    for start in range(0, planes.shape[1], piece):
        part = planes[:, start : start + piece].astype(np.float32)
        both += (part @ part.T).astype(np.int64)
    return both


def judge_planes(counts: Counts, totals: Totals, draw: Draw) -> list[Test]:
    """Every two heads of one batch, and every two batches in one head."""
    batch, heads = totals.shape[:2]
    both = counts.reshape(batch, heads, batch, heads)
    by_head = np.einsum("bnbm->nm", both)
    by_batch = np.einsum("bncn->bc", both)
    return [
        *_family("head", "heads", by_head, totals, draw),
        *_family("batch", "batches", by_batch, totals, draw),
    ]


def _family(name: str, plural: str, both: Counts, totals: Totals, draw: Draw) -> list[Test]:
    couples = list(combinations(range(len(both)), 2))
    if not couples:
        return []
    first, second = np.array(couples).T
    each = totals.bits // len(both)
    rare = np.diag(both)
    either = rare[first] + rare[second]
    z, sizes = _scored(both[first, second], either, each, totals, draw)
    return family(
        f"{name} pairs",
        f"every two {plural}",
        z,
        bits=each * len(couples),
        place=lambda n: f"{plural} {first[n]} and {second[n]}",
        effects=sizes,
    )


def count_calls(call: CallMasks) -> Counts:
    """Both rare and either rare: with the call before, and with the first one. (2, 2)."""
    if call.before is None or call.first is None:
        return np.zeros((2, 2), np.int64)
    own = np.count_nonzero(call.flat)
    pairs = []
    for other in (call.before, call.first):
        either = own + np.count_nonzero(other)
        pairs.append(((either - np.count_nonzero(call.flat != other)) // 2, either))
    return np.array(pairs, np.int64).T


def judge_calls(counts: Counts, totals: Totals, draw: Draw) -> list[Test]:
    """Consecutive calls, and each call with the first one; the second call counts in both."""
    words = ("each call with the one before", "each call with the first")
    pairs = (totals.calls - 1) * totals.elements
    if not pairs:
        return []
    z, sizes = _scored(counts[0], counts[1], pairs, totals, draw)
    return [
        Test(
            name=name,
            compares=words[n],
            statistic=float(z[n]),
            p_value=one(z[n]),
            bits=pairs,
            effect=float(sizes[n]),
        )
        for n, name in enumerate(("consecutive calls", "calls and the first"))
        if n == 0 or totals.calls > 2
    ]


def _scored(
    both: Counts, either: Counts, pairs: Counts | int, totals: Totals, draw: Draw
) -> tuple[Scores, Scores]:
    """Score of each number of pairs that are both rare, and the correlation that it shows."""
    together = z_scores.covariance(both, either, pairs, totals.rate)
    z = z_scores.pairs(together, pairs, totals.rate, draw)
    return z, z_scores.correlation(together, pairs, totals.rate)
