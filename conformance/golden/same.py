"""Whether two answers of the oracle are the same but for the rounding of float64.

Both come from the same exact inputs by float64 arithmetic, in whatever order of sums. Each is
within the bound of an FP64 kernel under the default Contract, which `error_bound` of the problem's
FP64 twin derives (docs/numerics.md, section 6, "FP64": the kernel's bound plus the oracle's own).
So two of them differ by at most that sum. A bound is a sum of positive terms, made in float64 and
then rounded up to float32: n u of relative error, n the operations, is far below half a step of
float32, so that two of them differ by one step at most.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from conformance.verdict.error import equal
from conformance.verdict.verdict import STATISTICS
from reference.bounds import error_bound
from reference.formats import FP64, Array
from reference.problem import Problem, Result

WIDENED = ("q", "k", "v", "bias", "slopes", "sink", "dout", "dlse")


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The worst element of a tensor that is not what it was.

    Attributes
    ----------
    name : str
        With its prefix: "answer.out", "bound.dq".
    at : index, or None where shapes differ
    old, new : float
    times : float
        |new - old| / what rounding explains.
    """

    name: str
    at: tuple[int, ...] | None = None
    old: float = np.nan
    new: float = np.nan
    times: float = np.inf

    def __str__(self) -> str:
        """One phrase: where, what it was, what it is."""
        if self.at is None:
            return f"{self.name} has another shape"
        where = ", ".join(map(str, self.at))
        return f"{self.name}[{where}] {self.old:.9g} -> {self.new:.9g}"


def moved_answers(problem: Problem, old: Result, new: Result) -> list[Difference]:
    """The tensors of two answers to `problem` that differ by more than rounding explains.

    softmax_max and softmax_sum count as their lse: any maximum is legal.
    """
    if _same_bits(old, new):
        return []
    allowed = error_bound(_twin(problem), result=old).worst
    pairs = [(name, getattr(old, name), x) for name, x in new.tensors() if name not in STATISTICS]
    differences = [
        _difference(f"answer.{name}", before, after, getattr(allowed, name))
        for name, before, after in pairs
    ]
    if new.softmax_max is not None:
        pair = (_lse_of(old), _lse_of(new))
        differences.append(_difference("answer." + "+".join(STATISTICS), *pair, allowed.lse))
    return [each for each in differences if each is not None]


def moved_bounds(old: Result, new: Result) -> list[Difference]:
    """The tensors of two float32 bounds that differ by more than one step of float32."""
    differences = []
    for name, after in new.tensors():
        before = getattr(old, name)
        with np.errstate(invalid="ignore"):
            step = np.spacing(np.maximum(before, after)) if before.shape == after.shape else after
        differences.append(_difference(f"bound.{name}", before, after, step))
    return [each for each in differences if each is not None]


def _same_bits(old: Result, new: Result) -> bool:
    others = dict(old.tensors())
    return all(np.array_equal(x, others[name], equal_nan=True) for name, x in new.tensors())


def _difference(name: str, old: Array, new: Array, allowed: Any) -> Difference | None:
    if old.shape != new.shape:
        return Difference(name=name)
    if not old.size:
        return None
    with np.errstate(all="ignore"):
        apart = np.abs(new.astype(np.float64) - old.astype(np.float64))
        times = np.where(equal(old, new), 0.0, apart / allowed)
    times = np.where(np.isnan(times), np.inf, times)
    at = np.unravel_index(int(np.argmax(times)), times.shape)
    if times[at] <= 1:
        return None
    where = tuple(int(index) for index in at)
    return Difference(
        name=name, at=where, old=float(old[at]), new=float(new[at]), times=float(times[at])
    )


def _lse_of(result: Result) -> Array:
    assert result.softmax_max is not None and result.softmax_sum is not None
    with np.errstate(divide="ignore"):
        return np.asarray(result.softmax_max + np.log(result.softmax_sum))


def _twin(problem: Problem) -> Problem:
    """The same problem in FP64."""
    tensors = {name: getattr(problem, name) for name in WIDENED}
    wide = {name: x.astype(np.float64) for name, x in tensors.items() if x is not None}
    return problem.replace(format=FP64, **wide)
