"""A short cut that saves 11 to 14 % of the oracle's time: forward and backward in one pass.

Scores are computed once and kept for a strip of rows, which saves one product in seven. The pass
applies to plain problems with small scores, which most problems are. A strip has some rows and
every key, so the pass applies only up to LONGEST keys.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby

import numpy as np

from reference.blockwise.forward import finish
from reference.blockwise.rounding import EXACT
from reference.formats import Array
from reference.parallel.addition_order import AdditionOrder
from reference.parallel.scratch import Scratch
from reference.problem.head import Head
from reference.problem.result import Result
from reference.problem.tiling import blocks, hidden_pairs, intersection, rows_of

LONGEST = 4096  # keys: a strip of 512 rows is 16 MiB
EDGE = 128  # rows that are taken together where the mask hides something


def applies(heads: list[Head], small: list[bool]) -> bool:
    """Whether `solve_rows` may be used: every head `is_small`, has no dropout and no more keys."""
    return all(
        is_small and head.dropout is None and head.seqlen_k <= LONGEST
        for head, is_small in zip(heads, small, strict=True)
    )


@dataclass(frozen=True, eq=False)
class _Piece:
    """Part of a strip: some of its rows, some keys, and exp(score), the weights times l."""

    here: slice  # of the strip's rows
    keys: range
    p: Array  # (rows, keys)


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
        # Under a causal mask the last rows see the most: begun first, they do not end alone.
        strips = [
            (head, rows)
            for head in heads
            for rows in reversed(list(blocks(head.seqlen_q, block_q)))
        ]
        self.strips = list(enumerate(strips))
        self.blocks = list(blocks(heads[0].seqlen_k, block_k))
        self.order = AdditionOrder()
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
            rows_of(result.dk[head.at_k], block)[...] = dk.T
            rows_of(result.dv[head.at_k], block)[...] = dv.T
        self._memory = None


def solve_rows(
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
    with group.order.alarm():
        memory = group.memory(head)
        q = scratch.take("q", len(rows), head.q.shape[1])
        np.multiply(rows_of(head.q, rows), head.scale, out=q)
        tiles, l = _forward(result, memory, head, rows, q, group.blocks, scratch)
        dout1 = _over_l(result, head, rows, l, scratch)
        dq = scratch.take("dq", q.shape[1], len(rows)).T  # BLAS is faster on wide results
        dq[...] = 0
        for at, (block, pieces) in enumerate(zip(group.blocks, tiles, strict=True)):
            shares = [
                _differentiate(memory, piece, q, dout1, dq, scratch, str(number))
                for number, piece in enumerate(pieces)
            ]
            with group.order.turn((at, 0), number):
                for piece, (dk, dv) in zip(pieces, shares, strict=True):
                    here = slice(piece.keys.start - block.start, piece.keys.stop - block.start)
                    memory.dk[at][:, here] += dk
                    memory.dv[at][:, here] += dv
        np.multiply(dq, head.scale, out=rows_of(result.dq[head.at_q], rows))
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
) -> tuple[list[list[_Piece]], Array]:
    """Write out and statistics; return the pieces of each block of keys, and l."""
    m, l = np.zeros((len(rows), 1)), np.zeros((len(rows), 1))
    acc = scratch.take("acc", head.v.shape[1], len(rows)).T
    acc[...] = 0
    strip, used = scratch.take("strip", len(rows) * head.seqlen_k), 0
    tiles = []
    for block in key_blocks:
        pieces = []
        for edge, keys in _pieces(head, rows, block):
            here = slice(edge.start - rows.start, edge.stop - rows.start)
            p = strip[used : used + len(edge) * len(keys)].reshape(len(edge), len(keys))
            used += p.size
            np.matmul(q[here], rows_of(memory.k, keys).T, out=p)
            np.exp(p, out=p)
            if (mask := hidden_pairs(head, edge, keys, scratch.recall)) is not None:
                np.copyto(p, 0, where=mask)
            l[here, 0] += p @ np.ones(len(keys))
            product = scratch.take("product", head.v.shape[1], len(edge)).T
            acc[here] += np.matmul(p, rows_of(memory.v1, keys)[:, :-1], out=product)
            pieces.append(_Piece(here, keys, p))
        tiles.append(pieces)
    finish(result, head, rows, m, l, acc, EXACT)
    return tiles, l


def _pieces(head: Head, rows: range, block: range) -> Iterator[tuple[range, range]]:
    """The keys that every row sees; of others fewer rows at a time, with those that they may see.

    In steps of EDGE keys.
    """
    for kind, steps in groupby(
        blocks(block.stop, EDGE, block.start), partial(head.mask.tile, rows)
    ):
        run = list(steps)
        keys = range(run[0].start, run[-1].stop)
        if kind == "full":
            yield rows, keys
        elif kind == "partial":
            for edge in blocks(rows.stop, EDGE, rows.start):
                seen = intersection(keys, head.mask.span(edge))
                if seen and head.mask.tile(edge, seen) != "empty":
                    yield edge, seen


def _differentiate(
    memory: _Memory, piece: _Piece, q: Array, dout1: Array, dq: Array, scratch: Scratch, name: str
) -> tuple[Array, Array]:
    """Add a piece to dq; return its (head_dim, keys) of dk and (head_dim_v, keys) of dv."""
    q, dout1 = q[piece.here], dout1[piece.here]
    ds = scratch.take("ds", *piece.p.shape)
    np.matmul(dout1, rows_of(memory.v1, piece.keys).T, out=ds)
    ds *= piece.p
    dv = scratch.take("dv" + name, dout1.shape[1] - 1, len(piece.keys))
    np.matmul(dout1[:, :-1].T, piece.p, out=dv)
    dk = scratch.take("dk" + name, q.shape[1], len(piece.keys))
    np.matmul(q.T, ds, out=dk)
    product = scratch.take("product", q.shape[1], len(q)).T
    dq[piece.here] += np.matmul(ds, rows_of(memory.k, piece.keys), out=product)
    return dk, dv


def _over_l(result: Result, head: Head, rows: range, l: Array, scratch: Scratch) -> Array:
    """(dout, -delta) / l: the weights are p / l, and p is not divided by it."""
    assert head.dout is not None and result.out is not None
    out = rows_of(result.out[head.at_q], rows)
    dout1 = scratch.take("dout1", len(rows), out.shape[1] + 1)
    dout1[:, :-1] = rows_of(head.dout, rows)
    dout1[:, -1] = -(dout1[:, :-1] * out).sum(axis=1)
    if head.dlse is not None:
        dout1[:, -1] += rows_of(head.dlse, rows)
    dout1 /= np.where(l == 0, 1, l)
    return dout1
