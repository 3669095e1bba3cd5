"""Memory that a kernel may write lies between two guards; memory that it reads stays as it is."""

from __future__ import annotations

import ctypes
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from npu_kernels.ascend_c.places import Placed, used_bytes
from npu_kernels.on_device.memory import OnDevice
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
        Guard, array, guard; on the host.
    array : any shape and type, contiguous
        The part between the guards.
    block : tensor of `whole`'s bytes on a device, or None
        Where the kernel writes; `fetch` brings it to `whole`.
    """

    name: str
    whole: Array
    array: Array
    block: Any = None

    @property
    def target(self) -> Any:
        """What the kernel writes: `array`, or the tensor of its shape on the device."""
        if self.block is None:
            return self.array
        values = self.block[GUARD_BYTES : GUARD_BYTES + self.array.nbytes]
        return values.view(getattr(import_module("torch"), str(self.array.dtype))).reshape(
            self.array.shape
        )

    def fetch(self) -> None:
        """Bring what was written to the host, guards included; waits for the device."""
        if self.block is not None:
            self.whole[:] = self.block.cpu().numpy()

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


def guarded(
    name: str, shape: Sequence[int], dtype: Any, *, library: ctypes.CDLL | OnDevice
) -> Guarded:
    """An array of this shape and type, its contents unset, between two guards.

    It is on the device too where `library` is one's.
    """
    count = int(np.prod(shape, dtype=np.int64))
    size = count * np.dtype(dtype).itemsize
    whole = np.empty(size + 2 * GUARD_BYTES, np.uint8)
    whole[:GUARD_BYTES] = whole[-GUARD_BYTES:] = PATTERN
    array = np.frombuffer(whole.data, dtype, count, GUARD_BYTES).reshape(shape)
    block = library.empty(len(whole)).fill_(PATTERN) if isinstance(library, OnDevice) else None
    return Guarded(name, whole, array, block)


def fingerprints(values: Mapping[str, Placed | None]) -> dict[str, int]:
    """A checksum of the bytes of each array or tensor, gaps included."""
    return {name: _checksum(one) for name, one in values.items() if one is not None}


def _checksum(values: Placed) -> int:
    size = used_bytes(values)
    if not isinstance(values, np.ndarray):
        flat = values.as_strided((size // values.itemsize,), (1,))
        return zlib.crc32(flat.cpu().numpy().data)
    first = values[(slice(0, 1),) * values.ndim].view(np.uint8)
    return zlib.crc32(np.lib.stride_tricks.as_strided(first, (size,), (1,)).data) if size else 0
