"""One tile of scores: what is done to q k before the softmax, and the factors of dropout."""

from __future__ import annotations

import numpy as np

from reference.blockwise.rounding import RoundingPoints
from reference.formats import Array
from reference.problem.head import Head


def is_plain(head: Head) -> bool:
    """Whether the scores are scale * q k as it stands."""
    return head.softcap is None and head.bias is None and head.slope is None


def modify(s: Array, head: Head, rows: range, keys: range, points: RoundingPoints) -> Array | None:
    """Turn ``scale * q k`` into the exponent, in place: store, cap, bias, ALiBi.

    Returns
    -------
    (rows, keys), or None without softcap
        tanh(s / softcap), which the gradient needs.
    """
    points.round(s, points.scores)
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
