"""The exact answer that a bound is about, where nobody gives it: two plain passes in float64."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reference.bounds.scores import tiles
from reference.formats import Array
from reference.parallel.workers import run
from reference.problem import Problem, Result
from reference.problem.head import Head


def exact_answer(problem: Problem, *, block_q: int, block_k: int, threads: int | None) -> Result:
    """Out, lse and the gradients that the problem asks for.

    Memory O(block_q block_k), apart from the answer.
    """
    result = problem.zeros()
    heads = list(problem.heads())
    blocks = [(head, rows) for head in heads for rows in row_blocks(head, block_q)]
    run(lambda task: _attend(result, *task, block_k), blocks, threads=threads)
    if problem.dout is not None:
        for head, rows in blocks:
            _differentiate(result, head, rows, block_k)
    return result


def row_blocks(head: Head, block_q: int) -> list[range]:
    """The rows of a head, in blocks."""
    n = head.seqlen_q
    return [range(start, min(start + block_q, n)) for start in range(0, n, block_q)]


def part(array: Array, steps: range) -> Array:
    """Some rows of an array."""
    return array[steps.start : steps.stop]


def row_maxima(head: Head, rows: range, block_k: int) -> Array:
    """The largest score of each row, the sink included: (rows, 1), -inf where there is none.

    An oracle's softmax_max need not be it: any pair of softmax_max and softmax_sum is legal.
    """
    m = np.full((len(rows), 1), -np.inf if head.sink is None else head.sink)
    for keys in tiles(head, rows, block_k):
        np.maximum(m, _scores(head, rows, keys).x.max(axis=1, keepdims=True), out=m)
    return m


@dataclass(frozen=True, eq=False)
class _Scores:
    x: Array
    slope: Array
    z: Array


def _scores(head: Head, rows: range, keys: range) -> _Scores:
    q, k = part(head.q, rows).astype(np.float64), part(head.k, keys).astype(np.float64)
    x = head.scale * (q @ k.T)
    slope: Array = np.ones((1, 1))
    z: Array = slope
    if head.softcap is not None:
        t = np.tanh(x / head.softcap)
        x, slope = head.softcap * t, 1 - t**2
    if head.bias is not None:
        x = x + part(head.bias, rows)[:, keys.start : keys.stop]
    if head.slope is not None:
        i, j = np.arange(rows.start, rows.stop)[:, None], np.arange(keys.start, keys.stop)
        x = x - head.slope * np.abs(i + head.shift - j)
    if head.dropout is not None:
        z = head.dropout.keep(rows, keys) * head.dropout.scale
    return _Scores(np.where(head.mask.visible(rows, keys), x, -np.inf), slope, z)


def _attend(result: Result, head: Head, rows: range, block_k: int) -> None:
    m = np.full((len(rows), 1), -np.inf if head.sink is None else head.sink)
    total = np.ones_like(m) if head.sink is not None else np.zeros_like(m)
    acc = np.zeros((len(rows), head.v.shape[1]))
    for keys in tiles(head, rows, block_k):
        tile = _scores(head, rows, keys)
        raised = np.maximum(m, tile.x.max(axis=1, keepdims=True))
        shift = np.where(np.isfinite(raised), raised, 0.0)  # a row that saw nothing so far
        p, rescale = np.exp(tile.x - shift), np.exp(m - shift)
        total = total * rescale + p.sum(axis=1, keepdims=True)
        acc = acc * rescale + (p * tile.z) @ part(head.v, keys).astype(np.float64)
        m = raised
    assert result.out is not None and result.lse is not None
    part(result.out[head.at_q], rows)[...] = acc / np.where(total == 0, 1.0, total)
    part(result.lse[head.at_lse], rows)[...] = (m + np.log(total))[:, 0]


def _differentiate(result: Result, head: Head, rows: range, block_k: int) -> None:
    assert result.out is not None and result.lse is not None and head.dout is not None
    assert result.dq is not None and result.dk is not None and result.dv is not None
    dout = part(head.dout, rows).astype(np.float64)
    lse = part(result.lse[head.at_lse], rows)[:, None]
    delta = (dout * part(result.out[head.at_q], rows)).sum(axis=1, keepdims=True)
    if head.dlse is not None:
        delta = delta - part(head.dlse, rows).astype(np.float64)[:, None]
    if result.dsink is not None:
        assert head.sink is not None
        result.dsink[head.head_q] -= (np.exp(head.sink - lse) * delta).sum()
    lse = np.where(np.isfinite(lse), lse, 0.0)
    q = part(head.q, rows).astype(np.float64)
    for keys in tiles(head, rows, block_k):
        tile = _scores(head, rows, keys)
        k, v = part(head.k, keys).astype(np.float64), part(head.v, keys).astype(np.float64)
        p = np.exp(tile.x - lse)
        dx = p * (tile.z * (dout @ v.T) - delta)
        ds = head.scale * tile.slope * dx
        part(result.dq[head.at_q], rows)[...] += ds @ k
        part(result.dk[head.at_k], keys)[...] += ds.T @ q
        part(result.dv[head.at_k], keys)[...] += (p * tile.z).T @ dout
        if result.dbias is not None:
            add_to_bias(result.dbias, head, rows, keys, dx)


def add_to_bias(total: Array, head: Head, rows: range, keys: range, tile: Array) -> None:
    """Add a tile to what has the bias's shape, summed over the axes that broadcast."""
    into = total.reshape((1,) * (4 - total.ndim) + total.shape)[head.at_bias]
    axes = tuple(axis for axis in (0, 1) if into.shape[axis] == 1)
    steps = [
        slice(None) if axis in axes else slice(at.start, at.stop)
        for axis, at in enumerate((rows, keys))
    ]
    into[tuple(steps)] += tile.sum(axis=axes, keepdims=True)
