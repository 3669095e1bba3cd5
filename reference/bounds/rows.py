"""The largest scores of some rows, and sums of tiles in a bias's shape."""

from __future__ import annotations

import numpy as np

from reference.bounds.scores import tiles
from reference.formats import Array
from reference.problem.head import Head
from reference.problem.tiling import four_axes, rows_of


def row_maxima(head: Head, rows: range, block_k: int) -> Array:
    """The largest score of each row, the sink included: (rows, 1), -inf where there is none.

    An oracle's softmax_max need not be it: any pair of softmax_max and softmax_sum is legal.
    """
    m = np.full((len(rows), 1), -np.inf if head.sink is None else head.sink)
    for keys in tiles(head, rows, block_k):
        np.maximum(m, _scores(head, rows, keys).max(axis=1, keepdims=True), out=m)
    return m


def _scores(head: Head, rows: range, keys: range) -> Array:
    """The exact scores of a tile, (rows, keys), -inf where a pair is hidden."""
    q, k = rows_of(head.q, rows).astype(np.float64), rows_of(head.k, keys).astype(np.float64)
    x = head.scale * (q @ k.T)
    if head.softcap is not None:
        x = head.softcap * np.tanh(x / head.softcap)
    if head.bias is not None:
        x = x + rows_of(head.bias, rows)[:, keys.start : keys.stop]
    if head.slope is not None:
        i, j = np.arange(rows.start, rows.stop)[:, None], np.arange(keys.start, keys.stop)
        x = x - head.slope * np.abs(i + head.shift - j)
    return np.where(head.mask.visible(rows, keys), x, -np.inf)


def add_to_bias(total: Array, head: Head, rows: range, keys: range, tile: Array) -> None:
    """Add a tile to what has the bias's shape, summed over the axes that broadcast."""
    into = four_axes(total)[head.at_bias]
    axes = tuple(axis for axis in (0, 1) if into.shape[axis] == 1)
    steps = [
        slice(None) if axis in axes else slice(at.start, at.stop)
        for axis, at in enumerate((rows, keys))
    ]
    into[tuple(steps)] += tile.sum(axis=axes, keepdims=True)
