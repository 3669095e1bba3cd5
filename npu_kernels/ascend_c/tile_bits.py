"""A decision for each pair as the kernels read it: bits by tiles of 128 x 128 pairs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from npu_kernels.ascend_c.places import Placed
from reference.formats import Array
from reference.mask import Bools

TILE = 128  # queries and keys of a tile


@dataclass(frozen=True, eq=False, kw_only=True)
class TileBits:
    """NpuBits: 1 keeps a pair.

    Attributes
    ----------
    tiles : (count, 128, 16) uint8
        A row of a tile holds 128 keys, LSB first; pairs beyond a sequence are 0.
    stride_batch, stride_head, stride_row : int, in tiles
        0 repeats. None for stride_batch: the heads of a sequence lie side by side, sequence after
        sequence, each with its own number of tiles.
    """

    tiles: Placed
    stride_batch: int | None = None
    stride_head: int = 0
    stride_row: int = 0


def of_pairs(keep: Bools) -> TileBits:
    """Tiles of keep, (1 or batch, 1 or heads_q, seqlen_q, seqlen_k); an axis of 1 is repeated."""
    tiles = _tiles(keep)
    batch, heads, rows, columns = tiles.shape[:4]
    return TileBits(
        tiles=tiles.reshape(-1, TILE, TILE // 8),
        stride_batch=heads * rows * columns if batch > 1 else 0,
        stride_head=rows * columns if heads > 1 else 0,
        stride_row=columns,
    )


def of_heads(heads: Iterable[Bools]) -> TileBits:
    """Tiles of dropout's decisions, (seqlen_q, seqlen_k) for each head, by sequence."""
    empty = np.empty((0, TILE, TILE // 8), np.uint8)
    every = [_tiles(keep).reshape(-1, TILE, TILE // 8) for keep in heads]
    return TileBits(tiles=np.concatenate([empty, *every]))


def _tiles(keep: Bools) -> Array:
    """From (..., seqlen_q, seqlen_k) to (..., rows of tiles, columns of tiles, 128, 16) uint8."""
    rows, columns = (-(-size // TILE) for size in keep.shape[-2:])
    whole = np.zeros((*keep.shape[:-2], rows * TILE, columns * TILE), np.bool_)
    whole[..., : keep.shape[-2], : keep.shape[-1]] = keep
    tiled = whole.reshape(*keep.shape[:-2], rows, TILE, columns, TILE).swapaxes(-3, -2)
    return np.packbits(tiled, axis=-1, bitorder="little")
