"""Pure Problem -> Problem transformations: the same question in other words, or a part of it.

The laws are stated with them. A tensor's axes have names, so that one function takes sequences,
heads, queries or keys out of every tensor of a problem, or of a result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from conformance.cases.patterns import lay_out
from reference.formats import Array
from reference.mask import Bools, Mask
from reference.problem import Problem, Result

Axis = Literal["batch", "heads", "queries", "keys"]

AXES: dict[str, tuple[Axis | None, ...]] = {
    "q": ("batch", "queries", "heads", None),
    "k": ("batch", "keys", "heads", None),
    "v": ("batch", "keys", "heads", None),
    "out": ("batch", "queries", "heads", None),
    "lse": ("batch", "heads", "queries"),
    "bias": ("batch", "heads", "queries", "keys"),
    "slopes": ("batch", "heads"),
    "sink": ("heads",),
}
"""Axes of a dense problem's tensors, counted from the last; `bias` may have size 1 in any."""

OF_KEYS = ("k", "v", "dk", "dv")
LIKE = {"dq": "q", "dk": "k", "dv": "v", "dout": "out", "dlse": "lse", "dbias": "bias"}
LIKE |= {"softmax_max": "lse", "softmax_sum": "lse", "dsink": "sink", "keep": "bias"}


def take(problem: Problem, axis: Axis, index: Sequence[int]) -> Problem:
    """The sequences, heads, queries or keys of a dense problem that `index` names, in its order.

    Heads are counted in key heads: their query heads come along. Queries and keys keep their
    meaning only where the mask does not know positions: see `with_keep`.

    Raises
    ------
    ValueError
        If the problem drops out, is positional along the axis, or is packed (heads may be taken).
    """
    if (problem.is_packed and axis != "heads") or problem.drops:
        raise ValueError("take is for dense problems without dropout")
    positional = problem.mask.window != (None, None) or problem.mask.prefix is not None
    if axis in ("queries", "keys") and (positional or problem.slopes is not None):
        raise ValueError(f"taking {axis} moves them under a positional mask: use with_keep first")
    return _take(problem, axis, index)


def _take(problem: Problem, axis: Axis, index: Sequence[int]) -> Problem:
    names = ("q", "k", "v", "bias", "slopes", "sink", "dout", "dlse")
    tensors = {name: getattr(problem, name) for name in names}
    taken = {
        name: _take_tensor(name, tensor, axis, index, problem.group)
        for name, tensor in tensors.items()
        if tensor is not None
    }
    mask = problem.mask
    if mask.keep is not None:
        keep = _take_tensor("keep", mask.keep, axis, index, problem.group)
        mask = replace(mask, keep=keep)
    if axis == "batch" and isinstance(mask.prefix, tuple):
        mask = replace(mask, prefix=tuple(mask.prefix[b] for b in index))
    return problem.replace(mask=mask, scale=problem.scale, **taken)


def take_result(result: Result, axis: Axis, index: Sequence[int], *, group: int) -> Result:
    """The part of a result that `take` keeps of a dense problem with `group` query heads a key head.

    A dbias, or dsink, without that axis is a sum over it: it stays as it is.
    """
    return Result(
        **{
            name: _take_tensor(name, tensor, axis, index, group)
            for name, tensor in result.tensors()
        }
    )


def _take_tensor(name: str, array: Array, axis: Axis, index: Sequence[int], group: int) -> Array:
    axes = AXES[LIKE.get(name, name)]
    at = axes.index(axis) - len(axes) if axis in axes else 0
    if at == 0 or array.ndim < -at or (axes == AXES["bias"] and array.shape[at] == 1):
        return array
    if axis == "heads" and name not in OF_KEYS:
        index = [head * group + member for head in index for member in range(group)]
    return np.take(array, np.asarray(index, np.intp), axis=at)


def truncate(problem: Problem, length: int) -> Problem:
    """The first `length` queries and keys of a dense problem.

    Raises
    ------
    ValueError
        If that would move the diagonal, or where `take` does.
    """
    square = problem.q.shape[1] == problem.k.shape[1]
    if problem.is_packed or problem.drops:
        raise ValueError("truncate is for dense problems without dropout")
    if not square and problem.mask.anchor == "bottom-right":
        raise ValueError("truncating moves the diagonal: anchor it top-left, or give equal lengths")
    return _take(_take(problem, "queries", range(length)), "keys", range(length))


def with_keep(problem: Problem) -> Problem:
    """The same pairs visible, all told by an explicit keep."""
    return problem.replace(mask=Mask(keep=visible_pairs(problem)))


def visible_pairs(problem: Problem) -> Bools:
    """Which pairs a problem shows, by window, prefix, keep and -inf in bias.

    Returns
    -------
    (sequences, heads_q, max_seqlen_q, max_seqlen_k), 1 for sequences or heads that do not differ
        Of packed problems the top-left part belongs to each sequence; the rest is False.
    """
    by_sequence = problem.is_packed or problem.mask.keep is not None or problem.bias is not None
    by_sequence |= isinstance(problem.mask.prefix, tuple)
    sequences = range(problem.batch if by_sequence else min(problem.batch, 1))
    heads = range(problem.heads_q if problem.hides_by_head else 1)
    pairs = np.zeros((len(sequences), len(heads), *problem.shape_scores[2:]), np.bool_)
    for b in sequences:
        rows, keys = range(problem.seqlens_q[b]), range(problem.seqlens_k[b])
        for n in heads:
            pairs[b, n, : len(rows), : len(keys)] = problem.head_mask(b, n).visible(rows, keys)
    return pairs


def repeat_kv(problem: Problem) -> Problem:
    """Each key head written once for every query head that reads it."""
    k, v = (np.repeat(x, problem.group, axis=-2) for x in (problem.k, problem.v))
    return problem.replace(k=k, v=v)


def sum_copies(result: Result, copies: int) -> Result:
    """What `repeat_kv` does to gradients, undone: dk and dv summed over the copies, in float64."""

    def gather(tensor: Array | None) -> Array | None:
        if tensor is None:
            return None
        groups = (*tensor.shape[:-2], -1, copies, tensor.shape[-1])
        return np.asarray(tensor.astype(np.float64).reshape(groups).sum(axis=-2))

    return replace(result, dk=gather(result.dk), dv=gather(result.dv))


def with_dout(problem: Problem, change: Callable[[Array], Array]) -> Problem:
    """The problem with its dout changed.

    Raises
    ------
    ValueError
        If it has none.
    """
    if problem.dout is None:
        raise ValueError("the problem has no dout to change")
    return problem.replace(dout=change(problem.dout).astype(problem.dout.dtype))


def pack(problems: Sequence[Problem]) -> Problem:
    """Dense problems of one sequence each, equal but for lengths and values, end to end.

    Raises
    ------
    ValueError
        If one has several sequences, or a keep, a bias or dropout.
    """
    first = problems[0]
    for one in problems:
        if one.is_packed or one.batch != 1 or one.drops:
            raise ValueError("pack is for dense problems of one sequence without dropout")
        if one.bias is not None or one.mask.keep is not None:
            raise ValueError("pack is for problems without keep and bias")

    def join(name: str) -> Array | None:
        tensors = [getattr(one, name) for one in problems]
        if any(tensor is None for tensor in tensors):
            return None
        return np.concatenate([tensor[0] for tensor in tensors], axis=-1 if name == "dlse" else 0)

    tensors = {name: join(name) for name in ("q", "k", "v", "dout", "dlse")}
    ends = {
        f"cu_seqlens_{side}": np.cumsum([0, *(getattr(one, side).shape[1] for one in problems)])
        for side in "qk"
    }
    return first.replace(**tensors, **ends)


def unpack(result: Result, problem: Problem) -> list[Result]:
    """The results of a packed problem's sequences, each with a batch axis of 1."""

    def part(name: str, tensor: Array, sequence: int) -> Array:
        offsets = problem.offsets_k if name in OF_KEYS else problem.offsets_q
        rows = slice(offsets[sequence], offsets[sequence + 1])
        return tensor[None, :, rows] if LIKE.get(name, name) == "lse" else tensor[None, rows]

    return [
        Result(**{name: part(name, tensor, sequence) for name, tensor in result.tensors()})
        for sequence in range(problem.batch)
    ]


def laid_out(problem: Problem, layout: str) -> Problem:
    """The same values as views with other strides, NaN in the gaps: a key of patterns.LAYOUTS."""
    names = [name for name in ("q", "k", "v", "dout") if getattr(problem, name) is not None]
    return problem.replace(**lay_out({name: getattr(problem, name) for name in names}, layout))


def poison_unseen(problem: Problem) -> Problem:
    """NaN in the keys and values that no query sees."""
    k, v = problem.k.copy(), problem.v.copy()
    seen = np.zeros((*k.shape[:-1],), np.bool_)
    for head in problem.heads():
        rows, keys = range(head.seqlen_q), range(head.seqlen_k)
        seen[head.at_k] |= head.mask.visible(rows, keys).any(axis=0)
    k[~seen] = v[~seen] = np.nan
    return problem.replace(k=k, v=v, poisoned=True)


def poison_others(problem: Problem, sequence: int) -> Problem:
    """NaN in every sequence of a problem but one."""
    return _change_others(problem, sequence, lambda tensor: np.full_like(tensor, np.nan))


def negate_others(problem: Problem, sequence: int) -> Problem:
    """Every sequence of a problem but one with its values negated."""
    return _change_others(problem, sequence, np.negative)


def _change_others(problem: Problem, sequence: int, change: Callable[[Array], Array]) -> Problem:
    changed = {}
    for name in ("q", "k", "v", "dout"):
        tensor = getattr(problem, name)
        if tensor is None:
            continue
        at: int | slice = sequence
        if problem.is_packed:
            offsets = problem.offsets_k if name in OF_KEYS else problem.offsets_q
            at = slice(offsets[sequence], offsets[sequence + 1])
        changed[name] = change(tensor)
        changed[name][at] = tensor[at]
    return problem.replace(**changed, poisoned=True)
