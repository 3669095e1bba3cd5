"""The battery: every statistic over a stream of calls, in memory for a few of them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.dropout import pairs, rates
from conformance.dropout.call import Call
from conformance.dropout.findings import Findings
from conformance.dropout.masks import Masks
from conformance.dropout.scores import Draw, Test, one
from conformance.dropout.totals import Totals

Sum = NDArray[Any]


@dataclass(frozen=True)
class Statistic:
    """What is counted in each call and added up, and what the sum says."""

    count: Callable[[Call], Sum]
    judge: Callable[[Sum, Totals, Draw], list[Test]]


STATISTICS = {
    "rates": Statistic(rates.count, rates.judge),
    "serial": Statistic(pairs.count_serial, pairs.judge_serial),
    "planes": Statistic(pairs.count_planes, pairs.judge_planes),
    "calls": Statistic(pairs.count_calls, pairs.judge_calls),
}


def battery(calls: Iterable[Masks], *, alpha: float = 1e-6) -> Findings:
    """Judge consecutive calls of one kernel or generator.

    Parameters
    ----------
    calls : iterable of Masks
        All of one shape and p. Read once, one after the other.
    alpha : float
        Chance that a perfect generator is rejected in this run, over all tests together.
    """
    sums: dict[str, Sum] = {}
    before: Call | None = None
    first: NDArray[np.bool_] | None = None
    count = rare = 0
    for masks in calls:
        decisions = masks.keep if masks.p > 0.5 else ~masks.keep
        call = Call(
            rare=np.ascontiguousarray(decisions),
            chance=min(masks.p, 1 - masks.p),
            before=None if before is None else before.flat,
            first=first,
        )
        first = call.flat if first is None else first
        for name, statistic in STATISTICS.items():
            counted = statistic.count(call)
            sums[name] = sums[name] + counted if name in sums else counted
        rare += int(np.count_nonzero(call.rare))
        count += 1
        before = call
    totals = Totals(p=masks.p, shape=call.rare.shape, calls=count, rare=rare)
    tests = [rates.judge_all(totals, draw("keep rate"))]
    for name, statistic in STATISTICS.items():
        tests += statistic.judge(sums[name], totals, draw(name))
    fits = {
        name: one(rates.score(rare, totals.bits, min(p, 1 - p), draw("fits")))
        for name, p in rates.readings(masks.p).items()
    }
    return Findings(totals=totals, alpha=alpha, tests=tuple(tests), rates=fits)


def draw(name: str) -> Draw:
    """The fixed stream of a statistic."""
    return np.random.default_rng(zlib.crc32(name.encode()))
