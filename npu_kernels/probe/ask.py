"""One probe of abi.h: values go in, what one instruction made of them comes out."""

from __future__ import annotations

import ctypes
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from npu_kernels.ascend_c import binding, structs
from npu_kernels.ascend_c.guard import guarded
from npu_kernels.ascend_c.places import address, used_bytes
from npu_kernels.emulator.options import EmulatorOptions
from npu_kernels.on_device.memory import OnDevice, place_for
from reference.formats import Array

OPERATIONS = (
    *("exp", "ln", "to_half", "to_bf16", "times_one"),
    *("padded_rows", "copies", "product", "hand_overs"),
)
"""Numbered as in abi.h."""
FUNCTION = "npu_probe"
NOTHING = np.empty(0, np.float32)


@dataclass(frozen=True, eq=False, kw_only=True)
class Prober:
    """Who is asked.

    Attributes
    ----------
    library : a library that `loading.load` gave, or one on a device
    options : how the emulator runs; a device ignores it
    """

    library: ctypes.CDLL | OnDevice
    options: EmulatorOptions

    def answer(
        self, operation: str, x: Array, *, y: Array = NOTHING, shape: Any, dtype: Any = np.float32
    ) -> Array:
        """What an operation makes of x, and of y: an array of this shape and type.

        Raises
        ------
        ValueError, CheckFailed
            If the library refuses the arguments, or the emulator what the kernel does.
        """
        place = place_for(self.library)
        given, second = place(x), place(y)
        out = guarded("out", shape, dtype, library=self.library)
        count = x.shape[-1] if operation == "product" else x.size
        struct = _struct(operation, count, given, second, out.target)
        binding.call(
            self.library,
            FUNCTION,
            struct,
            batch=1,
            reads={"x": given, "y": second},
            writes=[out],
            options=self.options,
        )
        return out.array

    def seconds(self, operation: str, count: int) -> float:
        """Wall time of so many copies or hand-overs in one launch, its end included."""
        place = place_for(self.library)
        x = place(np.zeros(8, np.float32))
        out = guarded("out", (8,), np.float32, library=self.library)
        ready = binding.prepare(
            self.library,
            FUNCTION,
            _struct(operation, count, x, place(NOTHING), out.target),
            batch=1,
            reads={"x": x},
            writes=[out],
            options=self.options,
        )
        ready.launch()
        ready.finish()
        begin = time.perf_counter()
        ready.launch()
        ready.finish()
        return time.perf_counter() - begin


def _struct(operation: str, count: int, x: Any, y: Any, out: Any) -> structs.ProbeStruct:
    return structs.ProbeStruct(
        operation=OPERATIONS.index(operation),
        count=count,
        x=address(x),
        x_bytes=used_bytes(x),
        y=address(y),
        y_bytes=used_bytes(y),
        out=address(out),
        out_bytes=used_bytes(out),
    )
