"""Forward and backward in one pass: scores are computed once, and kept for a strip of rows.

It serves plain problems with small scores, most of what is asked, and saves one product in seven.
A strip is block_q rows of every key, so it serves only up to LONGEST keys.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from reference.blockwise_arithmetic import EXACT
from reference.blockwise_forward import finish
from reference.blockwise_scores import blocks, hidden, meet, part
from reference.blockwise_scratch import Scratch
from reference.blockwise_turns import Turns
from reference.formats import Array
from reference.head import Head
from reference.result import Result

LONGEST = 4096  # keys: a strip of 256 rows is 8 MiB


def serves(heads: list[Head], small: list[bool]) -> bool:
    """Whether `solve` may be used: every head `is_small`, has no dropout and no more keys."""
    return all(
        is_small and head.dropout is None and head.seqlen_k <= LONGEST
        for head, is_small in zip(heads, small, strict=True)
    )


@dataclass(frozen=True, eq=False)
class _Memory:
    """Keys of one key head in float64, and the sums over its queries."""

    k: Array  # (seqlen_k, head_dim)
    v1: Array  # (seqlen_k, head_dim_v + 1), with a column of ones
    dk: list[Array]  # (head_dim, keys) for each block of keys
    dv: list[Array]  # (head_dim_v, keys)


class Group:
    """One key head, while tasks work on its query heads: made by the first, ended by the last."""

    def __init__(self, heads: list[Head], block_q: int, block_k: int) -> None:
        strips = [(head, rows) for head in heads for rows in blocks(head.seqlen_q, block_q)]
        self.strips = list(enumerate(strips))
        self.blocks = list(blocks(heads[0].seqlen_k, block_k))
        self.turns = Turns()
        self._lock = threading.Lock()
        self._memory: _Memory | None = None

    def memory(self, head: Head) -> _Memory:
        """The keys and sums that the tasks share."""
        with self._lock:
            if self._memory is None:
                shape_v = len(head.v), head.v.shape[1]
                v1 = np.ones((shape_v[0], shape_v[1] + 1))
                v1[:, :-1] = head.v
                dk = [np.zeros((head.k.shape[1], len(block))) for block in self.blocks]
                dv = [np.zeros((head.v.shape[1], len(block))) for block in self.blocks]
                self._memory = _Memory(head.k.astype(np.float64), v1, dk, dv)
            return self._memory

    def end(self, result: Result, head: Head) -> None:
        """Write dk and dv once the last task has added to them."""
        assert self._memory is not None and result.dk is not None and result.dv is not None
        for block, dk, dv in zip(self.blocks, self._memory.dk, self._memory.dv, strict=True):
            part(result.dk[head.at_k], block)[...] = dk.T
            part(result.dv[head.at_k], block)[...] = dv.T
        self._memory = None


def solve(
    result: Result,
    group: Group,
    number: int,
    head: Head,
    rows: range,
    scratch: Scratch,
) -> None:
    """Answer some rows of a head, and add their share to dk and dv in their turn.

    Parameters
    ----------
    number : int
        Which strip of its group this is.
    """
    assert head.dout is not None and result.out is not None and result.dq is not None
    with group.turns.alarm():
        memory = group.memory(head)
        q = scratch.take("q", len(rows), head.q.shape[1])
        np.multiply(part(head.q, rows), head.scale, out=q)
        tiles, l = _forward(result, memory, head, rows, q, group.blocks, scratch)
        dout1 = _over_l(result, head, rows, l, scratch)
        dq = scratch.take("dq", *q.shape)
        dq[...] = 0
        for at, (keys, p) in enumerate(tiles):
            if p is None:
                with group.turns.turn((at, 0), number):
                    continue
            first = group.blocks[at].start
            here = slice(keys.start - first, keys.stop - first)
            ds = scratch.take("ds", *p.shape)
            np.matmul(dout1, part(memory.v1, keys).T, out=ds)
            ds *= p
            dv = scratch.take("dv", head.v.shape[1], len(keys))
            np.matmul(dout1[:, :-1].T, p, out=dv)
            dk = scratch.take("dk", head.k.shape[1], len(keys))
            np.matmul(q.T, ds, out=dk)
            dq += np.matmul(ds, part(memory.k, keys), out=scratch.take("product", *q.shape))
            with group.turns.turn((at, 0), number):
                memory.dv[at][:, here] += dv
                memory.dk[at][:, here] += dk
        np.multiply(dq, head.scale, out=part(result.dq[head.at_q], rows))
        if number == len(group.strips) - 1:
            group.end(result, head)


def _forward(
    result: Result,
    memory: _Memory,
    head: Head,
    rows: range,
    q: Array,
    key_blocks: list[range],
    scratch: Scratch,
) -> tuple[list[tuple[range, Array | None]], Array]:
    """Write out and statistics; return exp(score) of each tile, None if it is empty, and l."""
    m, l = np.zeros((len(rows), 1)), np.zeros((len(rows), 1))
    acc = scratch.take("acc", len(rows), head.v.shape[1])
    product = scratch.take("product", *acc.shape)
    acc[...] = 0
    strip, used = scratch.take("strip", len(rows) * head.seqlen_k), 0
    tiles: list[tuple[range, Array | None]] = []
    span = head.mask.span(rows)
    for block in key_blocks:
        keys = meet(block, span)
        if not keys or head.mask.tile(rows, keys) == "empty":
            tiles.append((keys, None))
            continue
        size = len(rows) * len(keys)
        p = strip[used : used + size].reshape(len(rows), len(keys))
        used += size
        np.matmul(q, part(memory.k, keys).T, out=p)
        np.exp(p, out=p)
        if (mask := hidden(head, rows, keys, scratch)) is not None:
            np.copyto(p, 0, where=mask)
        l[:, 0] += p @ np.ones(len(keys))
        acc += np.matmul(p, part(memory.v1, keys)[:, :-1], out=product)
        tiles.append((keys, p))
    finish(result, head, rows, m, l, acc, EXACT)
    return tiles, l


def _over_l(result: Result, head: Head, rows: range, l: Array, scratch: Scratch) -> Array:
    """(dout, -delta) / l: the weights are p / l, and p is not divided by it."""
    assert head.dout is not None and result.out is not None
    out = part(result.out[head.at_q], rows)
    dout1 = scratch.take("dout1", len(rows), out.shape[1] + 1)
    dout1[:, :-1] = part(head.dout, rows)
    dout1[:, -1] = -(dout1[:, :-1] * out).sum(axis=1)
    if head.dlse is not None:
        dout1[:, -1] += part(head.dlse, rows)
    dout1 /= np.where(l == 0, 1, l)
    return dout1
