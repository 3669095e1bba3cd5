"""What dropout does to training: the mean answer is the one without it, the variance is known.

Every tensor of the answer is linear in the decisions, which are independent: its value without
dropout plus a sum of ``c (Z - 1)``, Z = 1 / (1 - p) or 0. docs/dropout.md derives the c.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from conformance.cases.inputs import Stream
from conformance.dropout.recovery.recover import Broken
from conformance.kernel import LoadedKernel
from reference import dense
from reference.bounds import error_bound
from reference.contract import Contract
from reference.dropout import Dropout
from reference.formats import Array, Format
from reference.problem import Problem, Result
from reference.problem.head import Head, Index

ALPHA = 1e-6
"""Chance that a right kernel fails in one format: every element, factor, variance together."""

SEQLEN, HEADS, HEAD_DIM = 41, 2, 64
BATCH, CALLS = 32, 4
"""Copies of the sequence in a call, and calls at offsets of their own: masks are their product."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ExpectedMean:
    """What dropout makes of one tensor of one sequence; every field is like the tensor, float64.

    Attributes
    ----------
    mean, variance
        Over all masks.
    step
        The most that one decision moves an element from its mean.
    worst, sigma
        The most that a kernel's rounding may move it, and its typical size.
    """

    mean: Array
    variance: Array
    step: Array
    worst: Array
    sigma: Array


@dataclass(frozen=True, eq=False, kw_only=True)
class Effect:
    """How one tensor's answers over many masks compare with what is expected.

    Attributes
    ----------
    name : str
    masks : int
    z : float
        Largest |mean - expected| of an element in standard errors of that mean.
    used : float
        The same over its limit: at most 1 passes.
    at : index of that element, in a tensor of one sequence
    got, want : float
        The mean there, and the expected one.
    factor, factor_within : float
        How many times the answer without dropout the mean is, and how far that may be from 1.
    variance, variance_within : float
        The variance over the expected one, and how far that may be from 1.
    """

    name: str
    masks: int
    z: float
    used: float
    at: tuple[int, ...]
    got: float
    want: float
    factor: float
    factor_within: float
    variance: float
    variance_within: float

    def fault(self, p: float) -> str:
        """A sentence that says what is wrong; empty if nothing is."""
        mean = f"the mean of {self.name} over {self.masks} masks"
        if not abs(self.factor - 1) <= self.factor_within:
            slips = {"were not scaled": 1 - p, "were multiplied by 1 - p": (1 - p) ** 2}
            near = [words for words, slip in slips.items() if abs(self.factor / slip - 1) < 0.05]
            reading = f", as if kept weights {near[0]}" if near else ""
            return (
                f"{mean} is {self.factor:.4g} times that without dropout{reading} "
                f"(1 within {self.factor_within:.2g} is right)"
            )
        if not self.used <= 1:
            return (
                f"{mean} is not that without dropout: at row, head, channel {self.at} it is "
                f"{self.got:.6g}, not {self.want:.6g}; z = {self.z:.3g}, {self.used:.3g} times "
                "the limit"
            )
        if not abs(self.variance - 1) <= self.variance_within:
            return (
                f"{self.name} varies over {self.masks} masks {self.variance:.4g} times as much as "
                f"dropout with p = {p:g} makes it (1 within {self.variance_within:.2g} is right)"
            )
        return ""


def make_problem(format: Format, dropout: Dropout, *, backward: bool) -> Problem:
    """One random sequence, repeated through the batch: each copy meets other decisions.

    v and dout have the mean 1, so that a wrong scale moves every element of out and dv one way;
    q is small, so that no weight outweighs the others.
    """
    draw = Stream("dropout/effect").normal

    def tensor(name: str, seqlen: int, *, mean: float = 0.0, size: float = 0.5) -> Array:
        values = mean + size * draw(name, (1, seqlen, HEADS, HEAD_DIM))
        return format.round(np.repeat(values, BATCH, axis=0))

    return Problem(
        q=tensor("q", SEQLEN),
        k=tensor("k", SEQLEN, size=1.0),
        v=tensor("v", SEQLEN, mean=1.0),
        dout=tensor("dout", SEQLEN, mean=1.0) if backward else None,
        format=format,
        dropout=dropout,
    )


def effects(kernel: LoadedKernel, problem: Problem) -> list[Effect]:
    """Ask a kernel the question at CALLS offsets; how each tensor compares.

    Raises
    ------
    Unsupported
        If the kernel declines the problem.
    """
    dropout = problem.dropout
    assert dropout is not None
    answers = [
        kernel(problem.replace(dropout=replace(dropout, offset=dropout.offset ^ call)))
        for call in range(CALLS)
    ]
    wanted = expected(problem, kernel.contract(problem))
    tests = sum(one.mean.size + 2 for one in wanted.values())
    return [
        _effect(
            name,
            np.concatenate([np.asarray(getattr(one, name), np.float64) for one in answers]),
            want,
            most=max(1.0, dropout.scale - 1),
            alpha=ALPHA / tests,
        )
        for name, want in wanted.items()
    ]


def require_no_effect(kernel: LoadedKernel, problem: Problem) -> None:
    """The mean answer is the answer without dropout, and varies as the formula says.

    Raises
    ------
    Unsupported
        If the kernel declines the problem.
    Broken
        If a mean or a variance is beyond its limit.
    """
    assert problem.dropout is not None
    faults = [one.fault(problem.dropout.p) for one in effects(kernel, problem)]
    if any(faults):
        raise Broken("\n".join(filter(None, faults)))


def _effect(name: str, samples: Array, want: ExpectedMean, *, most: float, alpha: float) -> Effect:
    masks, mean = len(samples), samples.mean(axis=0)
    error = np.abs(mean - want.mean)
    # Bernstein: P(|sum| > t) <= 2 exp(-t^2 / 2 / (variance + step t / 3)), solved for t / masks
    rare = math.log(2 / alpha)
    jump = rare * most * want.step / 3
    within = (jump + np.sqrt(jump**2 + 2 * rare * masks * want.variance)) / masks + want.worst
    used = error / within
    at = np.unravel_index(int(np.nanargmax(np.where(np.isnan(used), np.inf, used))), used.shape)
    axes = tuple(range(1, samples.ndim))
    factors = (samples * want.mean).sum(axis=axes) / (want.mean**2).sum()
    spread = ((samples - want.mean) ** 2 / want.variance).mean(axis=axes)
    noise = want.sigma / np.sqrt(want.variance)
    return Effect(
        name=name,
        masks=masks,
        z=float(error[at] / np.sqrt(want.variance[at] / masks)),
        used=float(used[at]),
        at=tuple(int(index) for index in at),
        got=float(mean[at]),
        want=float(want.mean[at]),
        factor=float(factors.mean()),
        factor_within=_within(factors, alpha)
        + float((np.abs(want.mean) * want.worst).sum() / (want.mean**2).sum()),
        variance=float(spread.mean()),
        variance_within=_within(spread, alpha) + float((2 * noise + noise**2).mean()),
    )


def _within(samples: Array, alpha: float) -> float:
    """How far the mean of independent samples may be from its expectation (Student's t)."""
    quantile = float(stats.t.isf(alpha / 2, len(samples) - 1))
    return quantile * float(samples.std(ddof=1)) / math.sqrt(len(samples))


def expected(problem: Problem, contract: Contract) -> dict[str, ExpectedMean]:
    """What to expect of each tensor of the first sequence, whose copies the others are."""
    tensors = {name: getattr(problem, name)[:1] for name in ("q", "k", "v")}
    dout = None if problem.dout is None else problem.dout[:1]
    one = problem.replace(**tensors, dout=dout, dropout=None)
    assert problem.dropout is not None
    p = problem.dropout.p
    size = one.heads_q * one.q.shape[1] * one.k.shape[1]
    every = Dropout(p=p, bits=np.full(-(-size // 8), 255, np.uint8))  # errors grow with weights
    kept = one.replace(dropout=every)
    bound = error_bound(kept, contract, result=dense.attention(kept))
    mean, variance, step = dense.attention(one), one.zeros(), one.zeros()
    for head in one.heads():
        for name, at, c in _coefficients(head):
            getattr(variance, name)[at] = p / (1 - p) * (c**2).sum(axis=(0, 1))
            getattr(step, name)[at] = np.abs(c).max(axis=(0, 1))
    names = ("out", "dq", "dk", "dv") if dout is not None else ("out",)

    def first(result: Result, name: str) -> Array:
        tensor: Array = getattr(result, name)
        return np.asarray(tensor[0], np.float64)

    return {
        name: ExpectedMean(
            mean=first(mean, name),
            variance=first(variance, name),
            step=first(step, name),
            worst=first(bound.worst, name),
            sigma=first(bound.sigma, name),
        )
        for name in names
    }


def _coefficients(head: Head) -> list[tuple[str, Index, Array]]:
    """What the decision of (i, j) moves: tensor, where it stands, c of (i, j, row, channel)."""
    q, k, v = (x.astype(np.float64) for x in (head.q, head.k, head.v))
    s = head.scale * q @ k.T
    weights = np.exp(s - s.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    rows, keys = np.eye(len(q)), np.eye(len(k))
    coefficients: list[tuple[str, Index, Array]] = [
        ("out", head.at_q, np.einsum("ij,ir,jc->ijrc", weights, rows, v))
    ]
    if head.dout is None:
        return coefficients
    dout = head.dout.astype(np.float64)
    w = weights * (dout @ v.T)  # dS_ij = w_ij Z_ij - P_ij sum_m w_im Z_im
    ds = w[:, :, None] * (keys[None] - weights[:, None, :])  # of decision (i, j) at dS_im
    return [
        *coefficients,
        ("dv", head.at_k, np.einsum("ij,jr,ic->ijrc", weights, keys, dout)),
        ("dq", head.at_q, head.scale * np.einsum("ijm,ir,mc->ijrc", ds, rows, k, optimize=True)),
        ("dk", head.at_k, head.scale * np.einsum("ijr,ic->ijrc", ds, q)),
    ]
