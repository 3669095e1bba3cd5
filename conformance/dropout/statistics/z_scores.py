"""From counts to chances: a standard normal score for each binomial count, exact in its tails.

A count x of n trials with chance q has P(X < x) + u P(X = x), u uniform, as its place in its own
distribution, which is uniform exactly; the normal quantile of that is its score. u comes from a
stream that the counts seed, so the same masks have the same scores. Nothing is approximated for
large n.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

Scores = NDArray[np.float64]
Draw = np.random.Generator

TINY = 1e-300  # the smallest chance that is told from zero


@dataclass(frozen=True)
class Test:
    """One test of the battery.

    Attributes
    ----------
    name : str
    compares : str
        What with what.
    statistic : float
    p_value : float
        Chance of a statistic at least as unlikely from independent decisions.
    bits : int
        Decisions, or pairs of them, that it rests on.
    at : str
        Where it is worst, if it looks at several places.
    effect : float
        How large what it found is: a correlation, or a difference of rates.
    """

    __test__ = False  # pytest: this is no test class

    name: str
    compares: str
    statistic: float
    p_value: float
    bits: int
    at: str = ""
    effect: float = 0.0


def binomial(successes: ArrayLike, trials: ArrayLike, chance: ArrayLike, draw: Draw) -> Scores:
    """Scores of binomial counts, independent standard normal if the chances are right."""
    successes, trials, chance = np.broadcast_arrays(successes, trials, chance)
    at = stats.binom.pmf(successes, trials, chance)
    u = draw.random(at.shape)
    below = stats.binom.cdf(successes - 1, trials, chance) + u * at
    above = stats.binom.sf(successes, trials, chance) + (1 - u) * at
    lower = special.ndtri(np.maximum(below, TINY))
    upper = -special.ndtri(np.maximum(above, TINY))
    return np.asarray(np.where(below < above, lower, upper))


def any_rate(scores: Scores, slope: ArrayLike, draw: Draw) -> Scores:
    """Scores that were taken at the observed rate, made independent standard normal again.

    Estimating the rate takes one direction out of them, that in which they move with it. A draw
    takes its place.

    Parameters
    ----------
    scores : (n,)
    slope : (n,), or a number if all move alike
        How fast the scores move with the rate, up to a factor.
    """
    direction = np.broadcast_to(np.asarray(slope, np.float64), scores.shape)
    direction = direction / (np.linalg.norm(direction) or 1)
    whole: Scores = scores + direction * (draw.standard_normal() - direction @ scores)
    return whole


def table(
    cells: NDArray[np.int64], chances: Callable[[float], Scores], rate: float, draw: Draw
) -> Scores:
    """Scores of the cells of a table but the last, each given those before it.

    Parameters
    ----------
    cells : (n,)
        How often each outcome was seen.
    chances : function of the rate
        Of each outcome, (n,).
    rate : float
        Observed.
    """

    def given_those_before(at: float) -> Scores:
        chance = chances(at)
        return np.asarray((chance / chance[::-1].cumsum()[::-1])[:-1])

    chance, step = given_those_before(rate), 1e-4 * rate * (1 - rate)
    left = cells[::-1].cumsum()[::-1][:-1]
    moves = (given_those_before(rate + step) - given_those_before(rate - step)) / (2 * step)
    slope = moves * np.sqrt(left / (chance * (1 - chance)))
    return any_rate(binomial(cells[:-1], left, chance, draw), slope, draw)


def covariance(both: ArrayLike, either: ArrayLike, count: ArrayLike, rate: float) -> Scores:
    """Sum over pairs of the product of both decisions, each less the observed rate.

    Parameters
    ----------
    both : array
        Pairs in which both are rare.
    either : array
        Rare first ones and rare second ones, together.
    count : array
        Pairs.
    """
    return np.asarray(both) - rate * np.asarray(either) + np.asarray(count) * rate**2


def pairs(covariance: Scores, count: ArrayLike, rate: float, draw: Draw) -> Scores:
    """Scores of how often both decisions of a pair are rare.

    Of the rare first ones, about count * rate, as many second ones are rare as a binomial count
    says. At the observed rate its variance is smaller by the factor 1 - rate.
    """
    count = np.asarray(count, np.float64)
    successes, trials = np.rint(covariance + count * rate**2), np.rint(count * rate)
    successes = np.clip(successes, 0, trials)
    return np.asarray(binomial(successes, trials, rate, draw) / np.sqrt(1 - rate))


def correlation(covariance: Scores, count: ArrayLike, rate: float) -> Scores:
    """1 where the decisions of each pair are the same, 0 where they know nothing of each other."""
    return np.asarray(covariance / (np.asarray(count) * rate * (1 - rate)))


def one(score: float) -> float:
    """Chance of a score at least as far from 0."""
    return float(2 * stats.norm.sf(abs(score)))


def either_side(below: float, above: float) -> float:
    """Chance of a statistic at least as far out on its side, doubled for the other side."""
    return float(min(1.0, 2 * min(below, above)))


def worst_of(count: int, p_value: float) -> float:
    """Chance that the smallest of `count` independent p-values is at most `p_value`."""
    return float(-np.expm1(count * np.log1p(-p_value))) if p_value < 1 else 1.0


def family(
    name: str,
    compares: str,
    scores: Scores,
    *,
    bits: int,
    place: Callable[[int], str],
    effects: Scores,
) -> list[Test]:
    """Tests of independent scores: all together (chi-square on either side), and the worst alone.

    Parameters
    ----------
    place : function of an index
        Where a score is from, in words.
    effects : (n,)
        How large what each score found is.
    """
    worst = int(np.abs(scores).argmax())
    z, effect, at = float(scores[worst]), float(effects[worst]), place(worst)
    if scores.size == 1:
        return [Test(name, compares, z, one(z), bits, at, effect)]
    total = float(scores @ scores)
    sides = stats.chi2.cdf(total, scores.size), stats.chi2.sf(total, scores.size)
    smallest = worst_of(scores.size, one(z))
    return [
        Test(name, compares, total, either_side(*sides), bits, at, effect),
        Test(f"{name}, worst", "the worst of them", z, smallest, bits, at, effect),
    ]
