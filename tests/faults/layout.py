"""Broken kernels for conformance.cases.faults.layout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

import faults.host_kernel as host
from faults.host_kernel import Host, Tile
from faults.misreading import (
    Kernel,
    as_if_contiguous,
    only_backward,
    only_forward,
    round_down,
    round_up,
    takes,
    takes_head,
)
from reference.formats import Array
from reference.problem import Problem, Result
from reference.problem.head import Head


def _whole_tiles(head: Head, rows: range, block: int) -> list[range]:
    return [keys for keys in host.key_tiles(head, rows, block) if len(keys) == block]


def _tiles_to_sixteen(head: Head, rows: range, block: int) -> list[range]:
    end = round_down(head.seqlen_k, 16)
    every = host.key_tiles(head, rows, block)
    return [range(keys.start, min(keys.stop, end)) for keys in every if keys.start < end]


def visible_with_fill(tile: Tile) -> Array:
    """What is visible, and the fill past the last key."""
    seen = host.visible(tile)
    seen[:, len(tile.keys) :] = True
    return seen


def rows_lost(name: str) -> Host:
    """A kernel that writes no row of a tensor beyond the last multiple of 16."""

    def answer(result: Result, problem: Problem) -> Result:
        tensor = getattr(result, name).copy()
        rows = np.moveaxis(tensor, 0 if problem.is_packed else 1, 0)
        rows[round_down(len(rows), 16) :] = 0
        return replace(result, **{name: tensor})

    return Host(answer=answer)


def _narrow(result: Result, problem: Problem) -> Result:
    out = result.out.copy()
    out[..., problem.head_dim :] = 0
    return replace(result, out=out)


def _product_of_eights(tile: Tile, q: Array, k: Array) -> Array:
    width = round_down(q.shape[1], 8)
    return host.product(tile, q[:, :width], k[:, :width])


def _first_sequence(name: str) -> Callable[[Problem], Array]:
    return lambda problem: np.repeat(getattr(problem, name)[:1], problem.batch, axis=0)


def _reads_keys(head: Head, problem: Problem, *, first: int, length: int | None = None) -> Head:
    """The head with `length` keys from row `first` of the pack, as far as the pack goes."""
    length = head.seqlen_k if length is None else length
    first = min(first, len(problem.k) - head.seqlen_k)
    at_k = (slice(first, min(first + length, len(problem.k))), head.head_k)
    mask = replace(head.mask, seqlen_k=at_k[0].stop - first)
    return replace(head, k=problem.k[at_k], v=problem.v[at_k], at_k=at_k, mask=mask)


def _keys_of_next(head: Head, problem: Problem) -> Head:
    first = problem.offsets_k[head.sequence]
    return _reads_keys(head, problem, first=first, length=round_up(head.seqlen_k, 128))


def _keys_at_queries(head: Head, problem: Problem) -> Head:
    return _reads_keys(head, problem, first=problem.offsets_q[head.sequence])


def _keys_without_empty(head: Head, problem: Problem) -> Head:
    lengths = zip(problem.seqlens_q, problem.seqlens_k, strict=True)
    empty = sum(0 in pair for pair in list(lengths)[: head.sequence])
    return _reads_keys(head, problem, first=problem.offsets_k[head.sequence - empty])


def _diagonal_of_whole(head: Head, problem: Problem) -> Head:
    behind_q = problem.offsets_q[-1] - problem.offsets_q[head.sequence]
    behind_k = problem.offsets_k[-1] - problem.offsets_k[head.sequence]
    return replace(
        head, mask=replace(head.mask, right=head.mask.right - head.shift + behind_k - behind_q)
    )


def _reads_key_head(choose: Callable[[int, Problem], int]) -> Host:
    """A kernel that takes another key head for each query head."""

    def change(head: Head, problem: Problem) -> Head:
        head_k = min(choose(head.head_q, problem), problem.heads_k - 1)
        at_k = (*head.at_k[:-1], head_k)
        return replace(head, head_k=head_k, k=problem.k[at_k], v=problem.v[at_k], at_k=at_k)

    return takes_head(change)


def _ignores_strides(name: str) -> Host:
    """A kernel that reads a tensor as if it were contiguous."""

    def change(head: Head, problem: Problem) -> Head:
        at = head.at_k if name == "v" else head.at_q
        return replace(head, **{name: as_if_contiguous(getattr(problem, name))[at]})

    return takes_head(change)


def _remembers(field: str) -> Kernel:
    """A kernel that answers with a field of its first problem."""
    first: list[Any] = []

    def kernel(problem: Problem) -> Result:
        first.append(getattr(problem, field))
        return Host()(problem.replace(**{field: first[0]}))

    return kernel


def _remembers_length() -> Kernel:
    """A kernel that visits the key tiles of its first problem."""
    first: list[int] = []

    def tiles_of_first(head: Head, rows: range, block: int) -> list[range]:
        return [keys for keys in host.key_tiles(head, rows, block) if keys.start < first[0]]

    def kernel(problem: Problem) -> Result:
        first.append(problem.max_seqlen_k)
        return Host(key_tiles=tiles_of_first)(problem)

    return kernel


def _remembers_dq() -> Kernel:
    """A kernel that adds to what the last call left in dq."""
    left: list[Array] = []

    def kernel(problem: Problem) -> Result:
        result = Host()(problem)
        left.append(result.dq + (left[-1] if left else 0))
        return replace(result, dq=problem.format.round(left[-1]))

    return kernel


LAYOUT = {
    "key-tail-dropped": only_forward(Host(key_tiles=_whole_tiles)),
    "key-tail-not-hidden": only_forward(Host(visible=visible_with_fill)),
    "keys-counted-in-sixteens": only_forward(Host(key_tiles=_tiles_to_sixteen)),
    "query-tail-not-written": rows_lost("out"),
    "head-dim-counted-in-eights": Host(product=_product_of_eights),
    "value-width-of-key": Host(answer=_narrow),
    "first-sequence-for-all": takes(k=_first_sequence("k"), v=_first_sequence("v")),
    "packed-sequences-leak": only_forward(takes_head(_keys_of_next)),
    "packed-offsets-of-queries": takes_head(_keys_at_queries),
    "packed-diagonal-of-whole": takes_head(_diagonal_of_whole),
    "packed-empty-sequence-skipped": takes_head(_keys_without_empty),
    "gqa-head-modulo": _reads_key_head(lambda n, problem: n % problem.heads_k),
    "gqa-group-power-of-two": _reads_key_head(
        lambda n, problem: n >> (problem.group.bit_length() - 1)
    ),
    "strides-of-queries-ignored": _ignores_strides("q"),
    "strides-of-values-ignored": _ignores_strides("v"),
    "strides-of-dout-ignored": only_backward(_ignores_strides("dout")),
}

STATE: dict[str, Callable[[], Kernel]] = {
    "scale-of-first-call": lambda: _remembers("scale"),
    "mask-of-first-call": lambda: _remembers("mask"),
    "length-of-first-call": _remembers_length,
    "workspace-not-cleared": _remembers_dq,
}
