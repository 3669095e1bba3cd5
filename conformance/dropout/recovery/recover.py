"""What dropout did to each weight, read off a kernel's answers to problems that are one-hot.

All scores are 0, so a row that sees n keys has the weight 1/n at each. A value that is 1 in one
channel brings the weight of its key to that channel of out; a dout, a key and a query that are 1
in one channel do the same for dv, dq and dk. docs/dropout.md derives it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from conformance.dropout.generators.known import PER_CALL
from conformance.dropout.shape import Shape
from conformance.dropout.statistics.masks import Masks
from conformance.kernel import BadAnswer, LoadedKernel
from conformance.verdict.evidence import is_evidence
from reference.dropout import Dropout
from reference.formats import BF16, FP16, FP32, Array
from reference.mask import Bools
from reference.problem import Problem, Result, Unsupported
from reference.problem.head import Head

LOUD = 32.0
"""The size of dout: it keeps dS, whose weights are small, among fp16's normal numbers."""

GRADIENTS = ("dv", "dq", "dk")


class Broken(Exception):
    """A law about dropout does not hold; the text is the sentence that says which, and how."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Recovered:
    """What dropout multiplied each weight by, as each tensor of the answer tells it.

    Attributes
    ----------
    problem : Problem
        What was asked, all tensors 0 where the probes have ones.
    factors : {"out", "dv", "dq", "dk": (batch, heads_q, max_seqlen_q, max_seqlen_k) float64}
        0 where a weight was dropped, ``1 / (1 - p)`` where it was kept, NaN where no pair is seen.
        Without gradients only "out".
    seen : bool array of that shape
    answers : {first: Result}
        The kernel's answer to each probe, by where it begins.
    """

    problem: Problem
    factors: dict[str, Array]
    seen: Bools
    answers: Mapping[int, Result]

    @property
    def dropout(self) -> Dropout:
        """The problem's dropout."""
        assert self.problem.dropout is not None
        return self.problem.dropout

    @cached_property
    def keep(self) -> Bools:
        """The decisions of the forward, False where no pair is seen."""
        return self.decisions("out")

    def decisions(self, name: str) -> Bools:
        """The decisions that one tensor tells of, False where no pair is seen.

        Raises
        ------
        Broken
            If some factor is neither near 0 nor any that a kept weight could have, or if no weight
            is kept where chance would keep one.
        """
        whole, factor = 1 - self.dropout.p, self.factors[name]
        kept, dropped = factor >= whole / 2, np.abs(factor) <= whole / 4
        if (unclear := self.seen & ~(kept | dropped)).any():
            at = tuple(int(index) for index in np.argwhere(unclear)[0])
            raise Broken(
                f"{name} tells of no decision at {np.count_nonzero(unclear)} of "
                f"{np.count_nonzero(self.seen)} pairs: batch, head, row, key {at} has its weight "
                f"times {factor[at]:.4g}; dropped is times 0, kept is times {1 / whole:.4g}"
            )
        if not (kept & self.seen).any() and is_evidence(self.dropout.p ** int(self.seen.sum())):
            raise Broken(
                f"{name} tells of no kept weight among {np.count_nonzero(self.seen)}: with "
                f"p = {self.dropout.p:g} chance would keep some; is {name} all zeros?"
            )
        return kept & self.seen


def recover(kernel: LoadedKernel, problem: Problem) -> Recovered:
    """Ask a kernel as many one-hot problems as it takes to know every decision.

    Parameters
    ----------
    subject : LoadedKernel
    problem : Problem
        Its lengths, heads, mask, format and dropout are asked; its tensors are 0. With a dout the
        gradients tell of the backward's decisions.

    Raises
    ------
    Unsupported
        If the kernel declines such problems.
    """
    names = ("out", *GRADIENTS) if problem.dout is not None else ("out",)
    answers: dict[int, Result] = {}
    for first in firsts(problem):
        if answers:
            require_seeded(kernel, problem)
        answers[first] = kernel(probe(problem, first))
    seen = visible(problem)
    factors = {name: np.full(seen.shape, np.nan) for name in names}
    for first, answer in answers.items():
        for name, factor in read(problem, first, answer).items():
            np.copyto(factors[name], factor, where=seen & ~np.isnan(factor))
    return Recovered(problem=problem, factors=factors, seen=seen, answers=answers)


def require_seeded(kernel: LoadedKernel, problem: Problem) -> None:
    """Decline what takes the same mask in several calls, for a kernel that cannot repeat one.

    Raises
    ------
    Unsupported
        If the contract says that its generator cannot be seeded.
    """
    if kernel.contract(problem).dropout == "unseeded":
        raise Unsupported("not testable: its generator cannot be seeded (dropout='unseeded')")


def visible(problem: Problem) -> Bools:
    """Which pairs are seen, (batch, heads_q, max_seqlen_q, max_seqlen_k)."""
    seen = np.zeros(problem.shape_scores, np.bool_)
    for head in problem.heads():
        rows, keys = range(head.seqlen_q), range(head.seqlen_k)
        seen[_at(head)] = head.mask.visible(rows, keys)
    return seen


def _at(head: Head) -> tuple[int, int, slice, slice]:
    return (head.sequence, head.head_q, slice(head.seqlen_q), slice(head.seqlen_k))


def width_of(problem: Problem) -> int:
    """Keys, and rows of dout, that one probe tells of.

    With gradients half of the channels are the queries', half the keys', so that scores stay 0.
    """
    return problem.head_dim_v if problem.dout is None else problem.head_dim // 2


def firsts(problem: Problem) -> range:
    """Where each probe of a problem begins: the first key, and the first row of dout."""
    rows = 0 if problem.dout is None else problem.max_seqlen_q * problem.group
    return range(0, max(rows, problem.max_seqlen_k, 1), width_of(problem))


def probe(problem: Problem, first: int) -> Problem:
    """The one-hot problem for keys, and rows of dout, from `first`; scores are 0 throughout."""
    width = width_of(problem)
    names = ("q", "k", "v", "dout") if problem.dout is not None else ("v",)
    tensors = {name: np.zeros_like(getattr(problem, name)) for name in names}
    for head in problem.heads():
        keys, channels = _block(head.seqlen_k, first, width)
        tensors["v"][head.at_k][keys, channels] = 1
        if problem.dout is None:
            continue
        tensors["v"][head.at_k][:, -1] = 1  # so that dP is known, and is not 0
        tensors["k"][head.at_k][keys, width + channels] = 1
        rows, channels = _rows(problem, head, first)
        tensors["q"][head.at_q][rows, channels] = 1
        tensors["dout"][head.at_q][rows, channels] = LOUD
        tensors["dout"][head.at_q][:, -1] = LOUD
    return problem.replace(**tensors)


def _block(length: int, first: int, width: int) -> tuple[Array, Array]:
    """Which of `length` belong to the block, and the channel of each."""
    block = np.arange(first, max(min(first + width, length), first))
    return block, block - first


def _rows(problem: Problem, head: Head, first: int) -> tuple[Array, Array]:
    """Rows of a head in the block, and their channels: heads of a group stand one after another."""
    behind = head.head_q % problem.group * head.seqlen_q
    slots, channels = _block(behind + head.seqlen_q, first, width_of(problem))
    return slots[slots >= behind] - behind, channels[slots >= behind]


def read(problem: Problem, first: int, answer: Result) -> dict[str, Array]:
    """What the answer to one probe says, by tensor; NaN where that probe tells nothing.

    out and dv are proportional to the factors, so that this reads their bounds, too.
    """
    probed = probe(problem, first)
    names = ("out", *GRADIENTS) if probed.dout is not None else ("out",)
    factors = {name: np.full(probed.shape_scores, np.nan) for name in names}
    for head in probed.heads():
        seen = head.mask.visible(range(head.seqlen_q), range(head.seqlen_k))
        for name, rows, keys, values in _read(probed, head, seen, first, answer):
            factors[name][_at(head)][rows, keys] = values
    return factors


def _read(
    probed: Problem, head: Head, seen: Bools, first: int, answer: Result
) -> Iterator[tuple[str, Array | slice, Array | slice, Array]]:
    """What one answer says of one head: tensor, rows, keys, and the factors there."""
    width, every = width_of(probed), slice(None)
    sees = np.maximum(seen.sum(axis=1, keepdims=True), 1)  # 1 / weight
    keys, channels = _block(head.seqlen_k, first, width)
    out = _given(answer, "out")[head.at_q]
    yield "out", every, keys, out[:, channels] * sees
    if probed.dout is None:
        return
    rows, places = _rows(probed, head, first)
    dq, dk, dv = _given(answer, "dq"), _given(answer, "dk"), _given(answer, "dv")
    dq, dk, dv = dq[head.at_q], dk[head.at_k], dv[head.at_k]
    yield "dv", rows, every, dv[:, places].T / LOUD * sees[rows]
    assert head.dout is not None
    dout = head.dout.astype(np.float64)
    dp = dout @ head.v.T
    delta = (dout * out).sum(axis=1, keepdims=True)
    from_dq = dq[:, width + channels] / head.scale * sees
    yield "dq", every, keys, (from_dq + delta) / dp[:, keys]
    from_dk = dk[:, places].T / head.scale * sees[rows]
    yield "dk", rows, every, (from_dk + delta[rows]) / dp[rows]


def _given(answer: Result, name: str) -> Array:
    tensor: Array | None = getattr(answer, name)
    if tensor is None:
        raise BadAnswer(f"the kernel gave no {name}: the problem asks for it")
    return np.asarray(tensor, np.float64)


MASKS = Shape(seqlens_q=(1024,) * 2, seqlens_k=(128,) * 2, heads_q=4, heads_k=4, head_dim=128)
"""What masks are read off: a million decisions to a call; fewer where a kernel declines that."""


def masks_of_kernel(
    kernel: LoadedKernel, *, p: float, calls: int, seed: int = 0
) -> Iterator[Masks]:
    """The masks of consecutive calls of a kernel, each read off one call.

    The offset moves on from 0 as torch_npu's does, by PER_CALL.

    Raises
    ------
    Unsupported
        If the kernel declines to drop anything, in bf16, fp16 and fp32.
    Broken
        If an answer tells of no decision.
    """
    taken = _taken(kernel, p)
    for call in range(calls):
        problem = taken.replace(dropout=Dropout(p=p, seed=seed, offset=PER_CALL * call))
        yield Masks(keep=recover(kernel, problem).keep, p=p)


def _taken(kernel: LoadedKernel, p: float) -> Problem:
    """The first problem to read masks off that the kernel does not decline."""
    declined = []
    for rows, width in ((1024, 128), (1024, 64), (128, 128), (64, 64)):
        shape = replace(MASKS, seqlens_q=(rows,) * 2, seqlens_k=(width,) * 2, head_dim=width)
        for format in (BF16, FP16, FP32):
            problem = shape.zeros(format, Dropout(p=p), backward=False)
            try:
                kernel(problem)
            except Unsupported as why:
                declined.append(str(why))
            else:
                return problem
    raise Unsupported(declined[0])
