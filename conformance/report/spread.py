"""How errors are spread over a tensor: counts by size, and maps; small, to cross processes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from conformance.run.record import ErrorMap, Spread, Tiles
from conformance.verdict.error import Compared
from conformance.verdict.verdict import TensorVerdict
from reference.formats import Array

LEAST, MOST = -24, 8
"""Powers of two between which sizes are counted; what lies beyond counts with the outermost."""

ROW_TILES, COLUMN_TILES, HEAD_TILES = 48, 16, 32
"""The finest that a map is."""

EXPONENT, BIAS = 23, 126
"""Where the exponent of a float32 lies; a number in [1/2, 1) has this one."""


def spread_of(tensor: TensorVerdict) -> Spread:
    """How many elements have which error / allowed and error / sigma, in powers of two.

    Element e of a list counts sizes in [2**(LEAST + e - 1), 2**(LEAST + e)); the first counts 0
    and everything below, the last infinities and everything above.
    """
    assert tensor.compared is not None, "a tensor that was not compared has no errors"
    error, sigma = tensor.compared.error, tensor.compared.sigma
    with np.errstate(all="ignore"):
        z = np.divide(error, sigma, out=np.zeros_like(error), where=error != 0)
        ratio, z32 = tensor.compared.ratio.astype(np.float32), z.astype(np.float32)
    return Spread(ratio=_by_power(ratio), z=_by_power(z32))


def added(one: Spread, other: Spread) -> Spread:
    """The counts of two spreads together."""
    return Spread(
        ratio=tuple(a + b for a, b in zip(one.ratio, other.ratio, strict=True)),
        z=tuple(a + b for a, b in zip(one.z, other.z, strict=True)),
    )


def _by_power(sizes: NDArray[np.float32]) -> tuple[int, ...]:
    """Counts by exponent, as the bits have it: 0 has the least there is, inf and NaN the largest.

    The sign does not matter.
    """
    exponents = (sizes.ravel().view(np.uint32) << 1) >> (EXPONENT + 1)
    counts = np.bincount(exponents, minlength=256)
    first, last = BIAS + LEAST, BIAS + MOST
    inner = [int(count) for count in counts[first + 1 : last]]
    return (int(counts[: first + 1].sum()), *inner, int(counts[last:].sum()))


def map_of(tensor: TensorVerdict) -> ErrorMap | None:
    """Largest error / allowed for each (head, tile of rows) and (tile of columns, tile of rows).

    None for tensors without rows: dsink, and what has no elements. Heads of all sequences stand
    one after another, in tiles where they are many; columns are channels, or keys for dbias.
    """
    if tensor.compared is None or not tensor.elements or tensor.name == "dsink":
        return None
    ratio = _rows_heads_columns(tensor.name, tensor.compared)
    most = (ROW_TILES, HEAD_TILES, COLUMN_TILES)
    rows, heads, columns = (-(-n // tiles) for n, tiles in zip(ratio.shape, most, strict=True))
    by_rows = _tiled(ratio, rows, axis=0)
    return ErrorMap(
        tensor=tensor.name,
        row_tile=rows,
        head_tile=heads,
        column_tile=columns,
        heads=_rounded(_tiled(by_rows.max(axis=2), heads, axis=1).T),
        columns=_rounded(_tiled(by_rows.max(axis=1), columns, axis=1).T),
    )


def _tiled(ratios: Array, tile: int, *, axis: int) -> Array:
    """The largest of each tile along an axis."""
    largest: Array = np.maximum.reduceat(ratios, np.arange(0, ratios.shape[axis], tile), axis=axis)
    return largest


def _rows_heads_columns(name: str, compared: Compared) -> Array:
    """Error / allowed as (rows, heads of all sequences, columns)."""
    ratio = compared.ratio
    if name.startswith(("lse", "softmax_max")):  # (batch, heads, rows), or (heads, total)
        return ratio.reshape(-1, ratio.shape[-1], 1).swapaxes(0, 1)
    if name == "dbias":  # (batch, heads, rows, keys), or the last of them
        last = ratio.reshape((1, 1, *ratio.shape))
        return last.reshape(-1, *last.shape[-2:]).swapaxes(0, 1)
    if ratio.ndim == 3:  # (total, heads, channels)
        return ratio
    return ratio.swapaxes(0, 1).reshape(ratio.shape[1], -1, ratio.shape[3])


def _rounded(ratios: Array) -> Tiles:
    """Plain numbers of three digits; what is above 1 stays above 1, and at most 2**MOST."""
    return tuple(
        tuple(max(float(f"{ratio:.3g}"), 1.01 if ratio > 1 else 0.0) for ratio in row)
        for row in np.minimum(ratios, 2.0**MOST)
    )
