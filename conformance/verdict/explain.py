"""What a failed verdict says: where the answer is wrong, by how much, and in which pattern."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from conformance.verdict.diagnose import diagnose
from conformance.verdict.evidence import chance_inside, chance_of_factor, is_evidence
from conformance.verdict.places import axes, indices, place, plural, runs, where
from conformance.verdict.verdict import TensorVerdict, Verdict
from reference.problem import Problem

TILES = (128, 64, 32, 16)


def explain(verdict: Verdict, problem: Problem, *, likely: str | None = None) -> str:
    """A few lines for each tensor that failed or is suspicious, then what the others used.

    Parameters
    ----------
    likely : str, or None
        ``diagnose(verdict, problem)``, if it is known already.
    """
    lines = []
    for score in verdict.failures:
        lines += [f"{score.name}: {score.reason}", *_details(score, problem)]
    likely = diagnose(verdict, problem) if likely is None else likely
    if likely:
        lines.append(f"likely: {likely}")
    for score in verdict.suspicions:
        lines.append(f"{score.name} is suspicious: {score.suspicion}")
    wrong = {score.name for score in (*verdict.failures, *verdict.suspicions)}
    if right := [score for score in verdict.tensors if score.name not in wrong]:
        used = ", ".join(f"{score.name} {score.ratio:.2g}" for score in right)
        lines.append(f"within the bound (worst error / allowed): {used}")
    return "\n".join([*lines, f"problem: {describe(problem)}"])


def describe(problem: Problem) -> str:
    """Sizes and features of a problem, in one line."""
    q, k = (
        (
            "cu_seqlens_q, cu_seqlens_k lengths",
            f"{_lengths(problem.seqlens_q)}, {_lengths(problem.seqlens_k)}",
        )
        if problem.is_packed
        else (
            "batch, seqlen_q, seqlen_k",
            f"{problem.batch}, {problem.max_seqlen_q}, {problem.max_seqlen_k}",
        )
    )
    heads = f"heads_q {problem.heads_q}, heads_k {problem.heads_k}"
    dims = f"head_dim {problem.head_dim}, head_dim_v {problem.head_dim_v}"
    return f"{q} = {k}; {heads}; {dims}; {', '.join(sorted(problem.features))}"


def _lengths(lengths: Sequence[int]) -> str:
    shown = ", ".join(map(str, lengths[:8]))
    return f"({shown}{', ...' if len(lengths) > 8 else ''})"


def _details(score: TensorVerdict, problem: Problem) -> list[str]:
    if score.worst is None or score.failing is None or not score.failing.any():
        return []
    names = axes(score.name, len(score.worst), packed=problem.is_packed)
    error = abs(score.got - score.want)
    lines = [
        f"    worst at {place(names, score.worst)}{_sequence(score, names, problem)}: "
        f"got {score.got:.9g}, oracle {score.want:.9g}, error {error:.3g}, "
        f"allowed {score.allowed:.3g}, ratio {score.ratio:.3g}",
        f"    where: {where(score.failing, names)}",
    ]
    lines += [f"    {text}" for text in _tiles(score.failing, names)]
    if score.nan or score.inf:
        lines.append(f"    of {score.elements} values, {score.nan} are NaN, {score.inf} infinite")
    return lines + _factor(score, problem)


def _sequence(score: TensorVerdict, names: Sequence[str], problem: Problem) -> str:
    """Where a packed row or key stands in its own sequence."""
    if not problem.is_packed or score.name in ("dbias", "dsink"):
        return ""
    assert score.worst is not None
    side = "key" if "key" in names else "row"
    offsets = problem.offsets_k if side == "key" else problem.offsets_q
    at = score.worst[list(names).index(side)]
    sequence = int(np.searchsorted(offsets, at, side="right")) - 1
    return f" ({side} {at - offsets[sequence]} of sequence {sequence})"


def _tiles(failing: NDArray[np.bool_], names: Sequence[str]) -> list[str]:
    """On which axes failing runs begin or end where a tile would, more often than by accident."""
    lines = []
    for axis, name in enumerate(names):
        if name not in ("row", "key", "channel"):
            continue
        size, failed = failing.shape[axis], runs(indices(failing, axis))
        starts = {first for first, _ in failed if first}
        ends = {last + 1 for _, last in failed if last + 1 < size}
        kinds = {"begin and end": starts | ends if starts and ends else set()}
        kinds |= {"begin": starts, "end": ends}
        for what, edges in kinds.items():
            if tile := _tile(edges, size, looks=len(kinds) * len(TILES)):
                lines.append(f"failing {plural(name)} {what} at multiples of {tile}")
                break
    return lines


def _tile(edges: set[int], size: int, *, looks: int) -> int:
    """The largest tile whose multiples below `size` hold all edges by no accident; else 0."""
    for tile in TILES:
        chance = chance_inside(len(edges), inside=(size - 1) // tile, among=size - 1)
        if edges and not any(edge % tile for edge in edges) and is_evidence(chance, looks=looks):
            return tile
    return 0


def _factor(score: TensorVerdict, problem: Problem) -> list[str]:
    """Which number times the oracle the failing elements are, if enough of them say so."""
    assert score.failing is not None
    shown = f"{score.factor:.4g}"
    chance = chance_of_factor(int(np.count_nonzero(score.failing)) - score.nan - score.inf)
    if math.isnan(score.factor) or shown == "1" or not is_evidence(chance):
        return []
    return [f"    there, got is {shown} x oracle{_known(score, problem)}"]


def _known(score: TensorVerdict, problem: Problem) -> str:
    """What a factor between answer and oracle may stand for."""
    keep = 1.0 if problem.dropout is None else 1 - problem.dropout.p
    meanings = {
        "nothing was written, or everything was masked": 0.0,
        "log2(e): base 2 instead of e": math.log2(math.e),
        "ln(2): base e instead of 2": math.log(2),
        "the sign": -1.0,
        "1 / scale: not scaled": 1 / problem.scale if problem.scale else math.nan,
        "scale: scaled twice": problem.scale,
        "1 / group: one head of each group": 1 / problem.group,
        "1 - p of dropout": keep,
        "1 / (1 - p) of dropout": 1 / keep,
    }
    near = [
        text
        for text, factor in meanings.items()
        if factor != 1 and abs(score.factor - factor) <= max(abs(factor), 1e-3) / 100
    ]
    return f" ({' or '.join(near)})" if near else ""
