"""The battery: every statistic over a stream of calls, with a few of them in memory."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.dropout.battery_power.faults import fewest_bits
from conformance.dropout.statistics import blocks, correlations, lags, plane, rates
from conformance.dropout.statistics.findings import Findings
from conformance.dropout.statistics.masks import CallMasks, Masks, Refused, Totals, spectrum
from conformance.dropout.statistics.z_scores import Draw, Test, one
from reference.parallel.threads import cores

Sum = NDArray[Any]


@dataclass(frozen=True)
class Statistic:
    """What is counted in each call and added up, and what the sum says."""

    count: Callable[[CallMasks], Sum]
    judge: Callable[[Any, Totals, Draw], list[Test]]


STATISTICS = {
    "rates": Statistic(rates.count, rates.judge),
    "hands": Statistic(blocks.count_hands, blocks.judge_hands),
    "gaps": Statistic(blocks.count_gaps, blocks.judge_gaps),
    "runs": Statistic(blocks.count_runs, blocks.judge_runs),
    "blocks": Statistic(blocks.count_blocks, blocks.judge_blocks),
    "serial": Statistic(correlations.count_serial, correlations.judge_serial),
    "own": Statistic(lags.count_own, lags.judge_own),
    "planes": Statistic(correlations.count_planes, correlations.judge_planes),
    "calls": Statistic(correlations.count_calls, correlations.judge_calls),
    "next": Statistic(lags.count_next, lags.judge_next),
    "places": Statistic(plane.count_places, plane.judge_places),
    "waves": Statistic(plane.count_waves, plane.judge_waves),
}


def battery(calls: Iterable[Masks], *, alpha: float = 1e-6, threads: int | None = None) -> Findings:
    """Judge consecutive calls of one kernel or generator.

    Parameters
    ----------
    calls : iterable of Masks
        All of one shape and p. Read once, one after the other.
    alpha : float
        Chance that a perfect generator is rejected in this run, over all tests together.
    threads : int, or None
        None is every core.

    Raises
    ------
    Refused
        If there is no call, they differ in shape or p, or have too few bits for `alpha`.
    """
    sums: dict[str, Sum] = {}
    seen: list[Masks] = []
    count = 0
    with ThreadPoolExecutor(cores(threads)) as pool:
        for counted in _counted(_in_turn(calls, seen, pool), pool, ahead=cores(threads)):
            count += 1
            for name, counts in counted.items():
                sums[name] = sums[name] + counts if name in sums else counts
    if not seen:
        raise Refused("there is no call: give at least one")
    shape = (batch, _, _, _) = seen[0].keep.shape
    totals = Totals(p=seen[0].p, shape=shape, calls=count, rare=int(sums["rates"][:batch].sum()))
    if totals.bits < (fewest := fewest_bits(totals.p, alpha)):
        raise Refused(
            f"{totals.bits} bits are too few for p = {totals.p} and alpha = {alpha}: "
            f"give at least {fewest}"
        )
    return judged(sums, totals, alpha=alpha)


def judged(sums: Mapping[str, Sum], totals: Totals, *, alpha: float) -> Findings:
    """What the sums of all calls say.

    Draws are the same for the same masks, on any machine, and others for other masks.
    """
    masks = zlib.crc32(sums["rates"].tobytes())  # whole numbers

    def draw(name: str) -> Draw:
        return np.random.default_rng([zlib.crc32(name.encode()), masks])

    tests = [rates.judge_all(totals, draw("all"))]
    if 0 < totals.rare < totals.bits:  # else there is only the rate to judge
        for name, statistic in STATISTICS.items():
            tests += statistic.judge(sums[name], totals, draw(name))
    readings = {
        name: one(rates.score(totals.rare, totals.bits, totals.rarely(p), draw(name)))
        for name, p in rates.readings(totals.p).items()
    }
    return Findings(totals=totals, alpha=alpha, tests=tuple(tests), readings=readings, sums=sums)


def _in_turn(calls: Iterable[Masks], seen: list[Masks], pool: Executor) -> Iterator[CallMasks]:
    """Each call beside the one before it and the first, which is left in `seen`."""
    first = before = leading_before = None
    for masks in calls:
        if not seen:
            seen.append(masks)
        if (masks.keep.shape, masks.p) != (seen[0].keep.shape, seen[0].p):
            raise Refused(
                f"a call has shape {masks.keep.shape} and p = {masks.p}, the first one "
                f"{seen[0].keep.shape} and {seen[0].p}: judge them apart"
            )
        rare = np.ascontiguousarray(masks.keep if masks.p > 0.5 else ~masks.keep)
        chance = min(masks.p, 1 - masks.p)
        leading = pool.submit(spectrum, rare.reshape(-1), chance)
        call = CallMasks(
            rare=rare,
            chance=chance,
            leading=leading,
            before=before,
            first=first,
            leading_before=leading_before,
        )
        before, leading_before = call.flat, leading
        first = call.flat if first is None else first
        yield call


def _counted(calls: Iterator[CallMasks], pool: Executor, *, ahead: int) -> Iterator[dict[str, Sum]]:
    """What is counted in each call, in their order, counting a few of them at once."""

    def count(call: CallMasks) -> dict[str, Sum]:
        return {name: statistic.count(call) for name, statistic in STATISTICS.items()}

    waiting: deque[Future[dict[str, Sum]]] = deque()
    for call in calls:
        waiting.append(pool.submit(count, call))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
