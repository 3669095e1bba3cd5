"""What a wrong answer looks like: the right answer to a misread problem, or a known pattern."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from conformance.verdict.evidence import chance_inside, is_evidence
from conformance.verdict.expected import Expected
from conformance.verdict.verdict import Verdict, judge
from reference import dense
from reference.mask import Anchor, Mask
from reference.problem import Problem, Result

WORK = 2**20  # pairs of query and key up to which it is worth the time
TILES = (256, 128, 64, 32, 16)  # the largest that explains a failure is the likeliest


def diagnose(verdict: Verdict, problem: Problem) -> str:
    """The first guess that fits a failed out, as one line; empty if none does."""
    out = next((score for score in verdict.tensors if score.name == "out"), None)
    pairs = problem.heads_q * int(np.dot(problem.seqlens_q, problem.seqlens_k))
    if out is None or out.failing is None or not out.reason or pairs > WORK:
        return ""
    for text, misread in misreadings(problem.replace(dout=None, dlse=None)):
        if _fits(verdict, misread):
            return f"out is right for this problem {text}"
    return _rescaling(out.failing, problem)


def misreadings(problem: Problem) -> Iterator[tuple[str, Problem]]:
    """Problems that a kernel may have answered instead, and how each differs."""
    mask = problem.mask
    for text, other in _other_masks(mask):
        yield text, problem.replace(mask=other)
    changes = {
        "without bias": {"bias": None} if problem.bias is not None else None,
        "without ALiBi slopes": {"slopes": None} if problem.slopes is not None else None,
        "without softcap": {"softcap": None} if problem.softcap is not None else None,
        "without sink": {"sink": None} if problem.sink is not None else None,
        "without dropout": {"dropout": None} if problem.drops else None,
        "with scale 1": {"scale": 1.0},
        "with scale head_dim ** -0.5": {"scale": None},
    }
    for text, change in changes.items():
        if change is not None:
            yield text, problem.replace(**change)
    if problem.group > 1 and problem.heads_k > 1:
        heads = np.arange(problem.heads_q) % problem.heads_k
        k, v = (np.ascontiguousarray(tensor[..., heads, :]) for tensor in (problem.k, problem.v))
        yield "with key head n % heads_k for query head n", problem.replace(k=k, v=v)


def _other_masks(mask: Mask) -> Iterator[tuple[str, Mask]]:
    left, right = mask.window
    if mask.window != (None, None):
        anchor: Anchor = "top-left" if mask.anchor == "bottom-right" else "bottom-right"
        yield f"with a {anchor} anchor", replace(mask, anchor=anchor)
        yield "without its window", replace(mask, window=(None, None))
    for step in (-1, 1):
        if left is not None:
            yield f"with left = {left + step}", replace(mask, window=(left + step, right))
        if right is not None:
            yield f"with right = {right + step}", replace(mask, window=(left, right + step))
    if mask.prefix is not None:
        yield "without prefix", replace(mask, prefix=None)
    if mask.keep is not None:
        yield "without keep", replace(mask, keep=None)


def _fits(verdict: Verdict, misread: Problem) -> bool:
    expected, contract = Expected(problem=misread), verdict.contract
    want, allowed = expected.answer, expected.allowed(contract)
    got = Result(out=verdict.got.out)
    return judge(got, want, allowed, problem=misread, contract=contract).passes()


def _rescaling(failing: NDArray[np.bool_], problem: Problem) -> str:
    """Whether the rows that fail are those whose maximum rises after their first tile of keys."""
    fails = [np.zeros(0, np.bool_)]
    rises: dict[int, list[NDArray[np.bool_]]] = {tile: [fails[0]] for tile in TILES}
    for head in problem.heads():
        if not head.seqlen_q or not head.seqlen_k:
            continue
        p = dense.softmax(head).p
        largest, first = p.argmax(axis=1), (p > 0).argmax(axis=1)
        fails.append(np.asarray(failing[head.at_q].any(axis=1)))
        for tile in TILES:
            rises[tile].append(largest // tile > first // tile)
    failed = np.concatenate(fails)
    for tile, heads in rises.items():
        risen = np.concatenate(heads)
        explained = np.count_nonzero(failed & risen)
        chance = chance_inside(
            int(np.count_nonzero(failed)), inside=int(np.count_nonzero(risen)), among=risen.size
        )
        # a rise that is small may stay within the bound
        if (
            not failed[~risen].any()
            and 2 * explained > np.count_nonzero(risen)
            and is_evidence(chance, looks=len(TILES))
        ):
            return (
                f"rows of out fail only where the largest score comes after the first {tile} keys: "
                "is acc rescaled when the maximum rises?"
            )
    return ""
