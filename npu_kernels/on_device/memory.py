"""A device's library over tensors of torch_npu: what is copied there, launched there, fetched."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from npu_kernels.ascend_c.places import used_bytes
from npu_kernels.on_device.torch_probe import torch_with_npu
from reference.formats import Array

BLOCKING = "ASCEND_LAUNCH_BLOCKING"
"""The switch by which torch_npu's own operators wait for their end."""


@dataclass(frozen=True, eq=False)
class OnDevice:
    """A device's library; the functions of abi.h are called as on the emulator's.

    Attributes
    ----------
    library : a library that `on_device.library.load` gave
    """

    library: ctypes.CDLL

    def __getattr__(self, name: str) -> Any:
        return getattr(self.library, name)

    def upload(self, array: Array) -> Any:
        """A tensor on the device with an array's values, strides and gaps."""
        torch = torch_with_npu()
        flat = np.lib.stride_tricks.as_strided(
            array.reshape(-1)[:0] if array.size == 0 else array,
            (used_bytes(array) // array.itemsize,),
            (array.itemsize,),
        )
        there = torch.from_numpy(flat.copy()).to("npu")
        return there.as_strided(array.shape, [step // array.itemsize for step in array.strides])

    def empty(self, count: int) -> Any:
        """So many bytes of the device, (count,) uint8."""
        torch = torch_with_npu()
        return torch.empty(count, dtype=torch.uint8, device="npu")

    def launch(self, function: str, struct: ctypes.Structure, *, batch: int) -> int:
        """NPU_OK, or another code of abi.h, once a function of it is queued on the current stream.

        Nothing is waited for, unless ASCEND_LAUNCH_BLOCKING is set. What `struct` points to may be
        given back to torch's allocator afterwards: it is used again in the order of the stream.

        Parameters
        ----------
        struct : ForwardStruct, BackwardStruct or DropoutMaskStruct
            Its tensors and its workspace are on the current device.
        batch : int
            Number of sequences.
        """
        torch = torch_with_npu()
        size = self.library.npu_plan_bytes(ctypes.c_int64(batch))
        # Of the CPU whatever the default device is; zeros: nothing to launch.
        plan = torch.zeros(size, dtype=torch.uint8, device="cpu", pin_memory=True)
        there = self.empty(size)
        launch = struct.launch
        launch.plan, launch.plan_bytes = plan.data_ptr(), size
        launch.plan_on_device = there.data_ptr()
        if code := getattr(self.library, function)(ctypes.byref(struct)):
            return int(code)
        there.copy_(plan, non_blocking=True)
        stream = torch.npu.current_stream()
        # Asking for its handle makes torch_npu hand over what it has queued, the copy among it.
        launch.stream = stream.npu_stream
        code = self.library.npu_launch(ctypes.byref(launch))
        there.record_stream(stream)
        if is_blocking():
            _wait(stream, function)
        return int(code)

    def synchronize(self) -> None:
        """Wait for all streams of the device."""
        torch_with_npu().npu.synchronize()


def _wait(stream: Any, function: str) -> None:
    try:
        stream.synchronize()
    except RuntimeError as error:
        raise RuntimeError(f"{function} failed on the device: {error}") from None


def place_for(library: ctypes.CDLL | OnDevice) -> Callable[[Array], Any]:
    """What puts an array where a library's kernels read it: an upload, or nothing to do."""
    return library.upload if isinstance(library, OnDevice) else lambda array: array


def is_blocking() -> bool:
    """Whether each call waits for its end, so that a failure is the call's own."""
    return os.environ.get(BLOCKING, "0") not in ("", "0")
