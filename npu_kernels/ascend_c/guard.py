"""Memory that a kernel may write lies between two guards; memory that it reads stays as it is."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reference.formats import Array

GUARD_BYTES = 4096  # of each guard: more than one instruction writes beyond by mistake, and aligned
PATTERN = 0xA5


@dataclass(frozen=True, eq=False)
class Guarded:
    """An allocation of its own.

    Attributes
    ----------
    name : str
    whole : (bytes,) uint8
        Guard, array, guard.
    array : any shape and type, contiguous
        What the kernel may write.
    """

    name: str
    whole: Array
    array: Array

    def damage(self) -> str | None:
        """What was written beside the array, in one line, or None."""
        sides = {"before": self.whole[:GUARD_BYTES], "after": self.whole[-GUARD_BYTES:]}
        for side, guard in sides.items():
            if (changed := np.flatnonzero(guard != PATTERN)).size:
                distance = GUARD_BYTES - changed[-1] if side == "before" else changed[0] + 1
                return (
                    f"{self.name}: {changed.size} bytes {side} it were written, "
                    f"the nearest {distance} B away"
                )
        return None


def guarded(name: str, shape: Sequence[int], dtype: Any) -> Guarded:
    """An array of this shape and type, its contents unset, between two guards."""
    count = int(np.prod(shape, dtype=np.int64))
    size = count * np.dtype(dtype).itemsize
    whole = np.empty(size + 2 * GUARD_BYTES, np.uint8)
    whole[:GUARD_BYTES] = whole[-GUARD_BYTES:] = PATTERN
    array = np.frombuffer(whole.data, dtype, count, GUARD_BYTES).reshape(shape)
    return Guarded(name, whole, array)


def used_bytes(array: Array) -> int:
    """Bytes from an array's first element to the end of its last; no stride is negative."""
    if array.size == 0:
        return 0
    reach = sum(step * (size - 1) for step, size in zip(array.strides, array.shape, strict=True))
    return int(reach) + array.itemsize


def fingerprints(arrays: Mapping[str, Array | None]) -> dict[str, int]:
    """A checksum of the bytes of each array, gaps included."""
    return {name: _checksum(array) for name, array in arrays.items() if array is not None}


def _checksum(array: Array) -> int:
    size = used_bytes(array)
    first = array[(slice(0, 1),) * array.ndim].view(np.uint8)
    return zlib.crc32(np.lib.stride_tricks.as_strided(first, (size,), (1,)).data) if size else 0
