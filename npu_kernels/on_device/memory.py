"""What a call points to, carried to the device's memory and back."""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from npu_kernels.ascend_c.guard import Guarded, used_bytes
from npu_kernels.on_device.torch_probe import torch_with_npu
from reference.formats import Array

HOST_ONLY = ("cu_seqlens_q", "cu_seqlens_k", "prefix", "text", "counters", "stream")
"""Pointers that the library follows on the host."""


class Memory(Protocol):
    """Memory of a device; a block is whatever holds it."""

    def upload(self, data: Array, *, is_written: bool) -> Any:
        """A block with these bytes, (bytes,) uint8; whether a kernel may write it."""
        ...

    def download(self, block: Any) -> Array:
        """The bytes of a block."""
        ...

    def address(self, block: Any) -> int:
        """Where a block begins."""
        ...

    def stream(self) -> int:
        """The stream that launches go to."""
        ...

    def synchronize(self) -> None:
        """Return when the device has done all that was launched."""
        ...


@dataclass(frozen=True, eq=False)
class OnDevice:
    """A device's library, called with arrays of the host.

    Attributes
    ----------
    library : a library that `device_library.load` gave
    memory : Memory
    """

    library: ctypes.CDLL
    memory: Memory

    def __getattr__(self, name: str) -> Any:
        return getattr(self.library, name)

    def place(
        self,
        struct: ctypes.Structure,
        *,
        reads: Mapping[str, Array | None],
        writes: Sequence[Guarded],
        after: Placed | None = None,
    ) -> Placed:
        """Upload what a call of abi.h needs; `struct` points to the device afterwards.

        The guards of `writes` travel, too: who looks at them sees what was written on the device.
        What an earlier call placed is where it is: nothing of `after` is uploaded again.
        """
        places = {} if after is None else dict(after.places)
        blocks = [] if after is None else [after]
        given = [array for array in reads.values() if array is not None]
        for array in sorted(given, key=used_bytes):  # of two that begin together, the longer
            if after is None or array.ctypes.data not in after.places:
                blocks.append(self.memory.upload(_bytes(array), is_written=False))
                places[array.ctypes.data] = self.memory.address(blocks[-1])
        written = [self.memory.upload(one.whole, is_written=True) for one in writes]
        for one, block in zip(writes, written, strict=True):
            offset = one.array.ctypes.data - one.whole.ctypes.data
            places[one.array.ctypes.data] = self.memory.address(block) + offset
        _move(struct, places)
        struct.launch.stream = self.memory.stream()
        return Placed(self.memory, places, tuple(blocks), tuple(zip(writes, written, strict=True)))


@dataclass(frozen=True, eq=False)
class Placed:
    """What a call has on the device; it lives as long as this does.

    Attributes
    ----------
    memory : Memory
    places : addresses on the device by those on the host
    reads : blocks, and what earlier calls placed
    writes : arrays of the host, each with its block
    """

    memory: Memory
    places: Mapping[int, int]
    reads: tuple[Any, ...]
    writes: tuple[tuple[Guarded, Any], ...]

    def fetch(self) -> None:
        """Bring what was written to the host, guards included; waits for the stream."""
        for one, block in self.writes:
            one.whole[:] = self.memory.download(block)


def _bytes(array: Array) -> Array:
    """From an array's first byte to its last, gaps included; of an empty one a byte to point to."""
    if array.size == 0:
        return np.zeros(1, np.uint8)
    first = array[(slice(0, 1),) * array.ndim].view(np.uint8)
    return np.lib.stride_tricks.as_strided(first, (used_bytes(array),), (1,))


def _move(struct: ctypes.Structure, places: Mapping[int, int]) -> None:
    """Let every pointer of a struct point to the device's copy."""
    for name, kind, *_ in struct._fields_:
        value = getattr(struct, name)
        if isinstance(value, ctypes.Structure):
            _move(value, places)
        elif kind is ctypes.c_void_p and name not in HOST_ONLY and value is not None:
            setattr(struct, name, places.get(value))


@dataclass(frozen=True)
class TorchMemory:
    """Memory that torch allocates; a block is a tensor of uint8.

    Attributes
    ----------
    device : as torch names it, such as "npu"
    """

    device: str = "npu"

    def upload(self, data: Array, *, is_written: bool) -> Any:
        """A tensor with these bytes."""
        torch = importlib.import_module("torch")
        block = torch.empty(data.size, dtype=torch.uint8, device=self.device)
        return block.copy_(torch.from_numpy(np.ascontiguousarray(data)))

    def download(self, block: Any) -> Array:
        """The tensor's bytes."""
        bytes: Array = block.cpu().numpy()
        return bytes

    def address(self, block: Any) -> int:
        """The tensor's first byte."""
        return int(block.data_ptr())

    def stream(self) -> int:
        """torch_npu's current stream; asking for it empties torch_npu's own queue."""
        return int(torch_with_npu().npu.current_stream().npu_stream)

    def synchronize(self) -> None:
        """Wait for all streams of the device."""
        torch_with_npu().npu.synchronize()
