"""What is true of every mask, exactly: laws on what was recovered, each with its sentence.

A law that does not hold raises Broken, whose text says what the kernel does instead.
"""

from __future__ import annotations

import math

import numpy as np

from conformance.dropout.recovery.recover import GRADIENTS, Broken, Recovered, probe, read
from conformance.dropout.recovery.slips import (
    agreement,
    declared,
    is_near,
    name_of,
    quantised,
    shift_of,
    unlike,
)
from conformance.verdict.verdict import STATISTICS, judge
from reference import blockwise
from reference.bounds import error_bound
from reference.contract import Contract
from reference.dropout import Dropout
from reference.formats import Array
from reference.mask import Bools
from reference.problem import Problem

OF_ROW_SUM = ("lse", ", ".join(STATISTICS))


def with_decisions(problem: Problem, keep: Bools) -> Problem:
    """The same problem with these decisions as packed bits, which the oracle can follow."""
    assert problem.dropout is not None
    flat = [
        keep[head.sequence, head.head_q, : head.seqlen_q, : head.seqlen_k].ravel()
        for head in problem.heads()
    ]
    bits = np.packbits(np.concatenate([*flat, np.zeros(0, np.bool_)]), bitorder="little")
    return problem.replace(dropout=Dropout(p=problem.dropout.p, bits=bits))


def require_one_mask(recovered: Recovered, contract: Contract) -> None:
    """The backward drops exactly what the forward dropped: by dv, dq and dk."""
    forward, seen, problem = recovered.keep, recovered.seen, recovered.problem
    for name in GRADIENTS:
        if name not in recovered.factors:
            continue
        backward = recovered.decisions(name)
        differ = int(np.count_nonzero((forward != backward) & seen))
        if not differ:
            continue
        follows = contract.dropout == "problem" and (forward == declared(problem)).all()
        likeness = (
            name_of(backward, seen, problem)
            if follows
            else f"beside the forward's, {unlike(backward, forward, seen, recovered.dropout.p)}"
        )
        raise Broken(
            f"the backward drops other weights than the forward: by {name}, {differ} of "
            f"{np.count_nonzero(seen)} decisions differ; the backward's mask is {likeness}"
        )


def require_declared(recovered: Recovered) -> None:
    """The mask is the one that the problem's dropout says: its stream, or its packed bits."""
    keep, seen, problem = recovered.keep, recovered.seen, recovered.problem
    if differ := int(np.count_nonzero((keep != declared(problem)) & seen)):
        raise Broken(
            f"the mask is not the declared one: {differ} of {np.count_nonzero(seen)} decisions "
            f"differ; it is {name_of(keep, seen, problem)}"
        )


def require_scale(recovered: Recovered, contract: Contract) -> None:
    """Kept weights are multiplied by 1 / (1 - p), dropped ones by 0."""
    right, within = recovered.dropout.scale, allowed(recovered, contract)
    for name in within:
        factor, decisions = recovered.factors[name], recovered.decisions(name)
        kept = decisions & recovered.keep  # the bound knows the forward's mask
        off = kept & ~(np.abs(factor - right) <= within[name])
        if off.any():
            raise Broken(
                f"kept weights are not multiplied by 1 / (1 - p) = {right:.6g}: by {name}, "
                f"{np.count_nonzero(off)} of {np.count_nonzero(kept)} are beyond the bound; "
                f"they are multiplied by {_factor(recovered, factor, kept, within[name])}"
            )
        dropped = recovered.seen & ~decisions
        if left := int(np.count_nonzero(factor[dropped])):
            most = float(np.abs(factor[dropped]).max())
            raise Broken(
                f"dropped weights are not 0: by {name}, {left} of {np.count_nonzero(dropped)} are "
                f"left, multiplied by up to {most:.3g}"
            )


def require_row_sum(recovered: Recovered, contract: Contract) -> None:
    """lse, and softmax_max and softmax_sum, are those of the weights before dropout."""
    problem, answer = recovered.problem, recovered.answers[0]
    probed = with_decisions(probe(problem, 0), recovered.keep)
    want = blockwise.attention(probed)
    bound = error_bound(probed, contract, result=want)
    scores = judge(answer, want, bound, problem=probed, contract=contract).tensors
    for score in scores:
        if score.name not in OF_ROW_SUM or not score.reason:
            continue
        if score.worst is None:
            raise Broken(f"{score.name}: {score.reason}")
        sees, kept = np.zeros(problem.shape_lse), np.zeros(problem.shape_lse)
        for head in problem.heads():
            rows = (head.sequence, head.head_q, slice(head.seqlen_q))
            sees[head.at_lse] = recovered.seen[rows].sum(axis=1)
            kept[head.at_lse] = recovered.keep[rows].sum(axis=1)
        sums = np.asarray([kept[score.worst], kept[score.worst] * recovered.dropout.scale])
        with np.errstate(divide="ignore"):
            knows = (np.abs(score.got * math.log(contract.lse_base) - np.log(sums)) < 0.01).any()
        raise Broken(
            f"the row sum {'includes dropout' if knows else 'is not that of the weights'}: "
            f"{score.name} at {score.worst} is {score.got:.6g}, not {score.want:.6g}, the "
            f"logarithm of {sees[score.worst]:g} weights of 1; {kept[score.worst]:g} of them "
            "are kept"
        )


def allowed(recovered: Recovered, contract: Contract) -> dict[str, Array]:
    """How far each factor of out and dv may be from the truth, under a contract."""
    problem = recovered.problem
    within = {name: np.full(recovered.seen.shape, np.nan) for name in recovered.factors}
    for first in recovered.answers:
        probed = with_decisions(probe(problem, first), recovered.keep)
        bound = error_bound(probed, contract, result=blockwise.attention(probed)).worst
        for name, part in read(problem, first, bound).items():
            np.copyto(within[name], part, where=~np.isnan(part))
    return {name: within[name] for name in ("out", "dv") if name in within}


def _factor(recovered: Recovered, factor: Array, kept: Bools, within: Array) -> str:
    """What kept weights are multiplied by, in words if one of the usual slips explains it."""
    p, forward = recovered.dropout.p, recovered.keep
    with np.errstate(divide="ignore", invalid="ignore"):
        share = recovered.seen.sum(axis=3, keepdims=True) / forward.sum(axis=3, keepdims=True)
    slips = {
        "1: they are not scaled": np.asarray(1.0),
        "1 - p, where 1 / (1 - p) belongs": np.asarray(1 - p),
        "1 / (1 - p) twice": np.asarray((1 - p) ** -2),
        "1 / p": np.asarray(1 / p),
        "what makes the kept ones of a row sum to 1: the row sum includes dropout": share,
        "that and 1 / (1 - p): the row sum includes dropout": share / (1 - p),
    } | {
        f"1 / (1 - p) with {name}": np.asarray(1 / (1 - other))
        for name, other in quantised(p).items()
    }
    budgets = {
        words: float(np.max((np.abs(factor / slip - 1) / (within * (1 - p)))[kept]))
        for words, slip in slips.items()
    }
    words = min(budgets, key=budgets.__getitem__)
    values = factor[kept]
    return words if budgets[words] <= 2 else f"{values.min():.6g} to {values.max():.6g}"


def require_same(a: Bools, b: Bools, seen: Bools, *, p: float, what: str) -> None:
    """Two masks are one at the pairs that both show; `what` says which they are."""
    if differ := int(np.count_nonzero((a != b) & seen)):
        raise Broken(
            f"{what}: {differ} of {np.count_nonzero(seen)} decisions differ; of one beside the "
            f"other: {unlike(a, b, seen, p)}"
        )


def require_unrelated(a: Bools, b: Bools, *, p: float, first: str, second: str) -> None:
    """Two masks are neither equal, nor one stream moved along, nor nearer than chance allows."""
    every = np.ones(a.shape, np.bool_)
    share, chance = agreement(a, b, every), p * p + (1 - p) * (1 - p)
    if share == 1:
        raise Broken(f"{first} has the mask of {second}: all {a.size} decisions are equal")
    if shift := shift_of(a.ravel(), b.ravel()):
        raise Broken(
            f"{first} has the mask of {second} moved along by {shift} elements: streams overlap"
        )
    if not is_near(share, chance, a.size):
        raise Broken(
            f"{first} and {second} decide alike at {share:.1%} of {a.size} pairs; unrelated masks "
            f"do at {chance:.1%}"
        )
