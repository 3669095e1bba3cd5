"""Packed decisions: LSB first, 1 = keep, padded to whole units of 128 bits.

Element t is bit t % 8 of byte t // 8, and n of them take ceil(n / 128) * 16 bytes, as in
torch_npu's mask tensors.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reference.formats import describe

UNIT = 128  # bits; the vendor's generators make so many at a time


def packed_bytes(count: int) -> int:
    """Bytes that `count` decisions take."""
    return -(-count // UNIT) * (UNIT // 8)


def pack(keep: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Decisions, in the order of their elements, as bytes; the padding is 0."""
    padded = np.zeros(packed_bytes(keep.size), np.uint8)
    found = np.packbits(keep.reshape(-1), bitorder="little")
    padded[: found.size] = found
    return padded


def unpack(bits: NDArray[np.uint8], count: int) -> NDArray[np.bool_]:
    """The first `count` decisions of packed ones, (count,) bool; what is in the padding is ignored.

    Raises
    ------
    ValueError
        If bits is no flat uint8 array of exactly the bytes that `count` decisions take.
    """
    if not isinstance(bits, np.ndarray) or bits.dtype != np.uint8 or bits.ndim != 1:
        raise ValueError(f"the mask is {describe(bits)}: give a flat uint8 array")
    if bits.size != packed_bytes(count):
        raise ValueError(
            f"the mask has {bits.size} bytes: {count} decisions take {packed_bytes(count)}, "
            f"16 for each {UNIT} or part of them"
        )
    return np.unpackbits(bits, count=count, bitorder="little").astype(np.bool_)
