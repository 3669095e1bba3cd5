"""One tile of scores: which keys it holds, and what is done to q k before the softmax."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from reference.blockwise.rounding import Arithmetic
from reference.formats import Array
from reference.mask import Bools
from reference.parallel.scratch import Scratch
from reference.problem.head import Head


def blocks(length: int, size: int, first: int = 0) -> Iterator[range]:
    """Ranges of `size` from `first` to `length`; the last may be shorter."""
    return (range(start, min(start + size, length)) for start in range(first, length, size))


def part(x: Array, rows: range) -> Array:
    """View of some rows."""
    return x[rows.start : rows.stop]


def meet(a: range, b: range) -> range:
    """What two ranges share."""
    return range(max(a.start, b.start), min(a.stop, b.stop))


def hidden(head: Head, rows: range, keys: range, scratch: Scratch) -> Bools | None:
    """Which pairs of a tile the mask hides; None if it hides none."""
    mask = head.mask
    if mask.tile(rows, keys) == "full":
        return None
    if mask.keep is not None or mask.prefix:
        return ~mask.visible(rows, keys)
    step = rows.start - keys.start  # all that a window's edges depend on
    key = (step, len(rows), len(keys), mask.left, mask.right)
    return scratch.recall(key, lambda: ~mask.visible(rows, keys))


def is_plain(head: Head) -> bool:
    """Whether the scores are scale * q k as it stands."""
    return head.softcap is None and head.bias is None and head.slope is None


def modify(s: Array, head: Head, rows: range, keys: range, arithmetic: Arithmetic) -> Array | None:
    """Turn ``scale * q k`` into the exponent, in place: store, cap, bias, ALiBi.

    Returns
    -------
    (rows, keys), or None without softcap
        tanh(s / softcap), which the gradient needs.
    """
    arithmetic.round(s, arithmetic.s)
    t = None
    if head.softcap is not None:
        s /= head.softcap
        t = np.tanh(s)
        np.multiply(t, head.softcap, out=s)
    if head.bias is not None:
        s += head.bias[rows.start : rows.stop, keys.start : keys.stop]
    if head.slope is not None:
        i, j = np.arange(rows.start, rows.stop)[:, None], np.arange(keys.start, keys.stop)
        s -= np.abs(i + head.shift - j).astype(s.dtype) * s.dtype.type(head.slope)
    return t


def decisions(head: Head, rows: range, keys: range) -> Array | None:
    """What dropout multiplies a tile by: 0 or 1 / (1 - p), float64; None without dropout."""
    if head.dropout is None:
        return None
    return head.dropout.keep(rows, keys) * head.dropout.scale
