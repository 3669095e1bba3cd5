"""The forward's kernel as Python sees it."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np

from npu_kernels.ascend_c import structs
from npu_kernels.ascend_c.binding import CoreCounters, PreparedCall, prepare
from npu_kernels.ascend_c.encoded import EncodedProblem, tensor_struct
from npu_kernels.ascend_c.guard import guarded
from npu_kernels.ascend_c.places import Placed, address
from npu_kernels.emulator.options import EmulatorOptions
from npu_kernels.on_device.memory import OnDevice, place_for
from reference.formats import Array

FUNCTION = "npu_flash_forward"
ROWS = ("lse", "softmax_max", "softmax_sum")


@dataclass(frozen=True, eq=False, kw_only=True)
class ForwardAnswer:
    """What the forward gave.

    Attributes
    ----------
    out : uint16, of EncodedProblem.shape_out
    lse, softmax_max, softmax_sum : float32, of EncodedProblem.shape_lse
    remarks, counters : as in binding.CallReport
    """

    out: Array
    lse: Array
    softmax_max: Array
    softmax_sum: Array
    remarks: tuple[str, ...]
    counters: tuple[CoreCounters, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class ForwardCall:
    """The forward of one problem, ready to be launched.

    Attributes
    ----------
    call : PreparedCall
    out, lse : what the kernel writes, on a device where it runs on one
    """

    call: PreparedCall
    out: Placed
    lse: Placed

    def answer(self) -> ForwardAnswer:
        """What the last launch gave.

        Raises
        ------
        binding.CheckFailed
            If the kernel wrote where it may not.
        """
        report = self.call.finish()
        out, *rows = (one.array for one in self.call.writes[:-1])
        return ForwardAnswer(
            out=out,
            **dict(zip(ROWS, rows, strict=True)),
            remarks=report.remarks,
            counters=report.counters,
        )


def forward_struct(
    encoded: EncodedProblem, out: Placed, lse: Placed, softmax_max: Placed, softmax_sum: Placed
) -> structs.ForwardStruct:
    """NpuForward, which points to these; they must outlive it."""
    return structs.ForwardStruct(
        problem=encoded.struct(),
        out=tensor_struct(out),
        lse=address(lse),
        softmax_max=address(softmax_max),
        softmax_sum=address(softmax_sum),
    )


def prepare_forward(
    library: ctypes.CDLL | OnDevice, encoded: EncodedProblem, *, options: EmulatorOptions
) -> ForwardCall:
    """Results and workspace of the forward; `encoded` must outlive it."""
    out = guarded("out", encoded.shape_out, np.uint16, library=library)
    rows = [guarded(name, encoded.shape_lse, np.float32, library=library) for name in ROWS]
    ready = prepare(
        library,
        FUNCTION,
        forward_struct(encoded, out.target, *(one.target for one in rows)),
        batch=encoded.batch,
        reads=encoded.arrays(),
        writes=[out, *rows],
        options=options,
    )
    return ForwardCall(call=ready, out=out.target, lse=rows[0].target)


def flash_forward(
    library: ctypes.CDLL | OnDevice, encoded: EncodedProblem, *, options: EmulatorOptions
) -> ForwardAnswer:
    """What the forward kernel gives, launched once.

    Raises
    ------
    ValueError
        If the library refuses an argument; the text begins with its name.
    binding.Declined
        If the kernel does not do this.
    binding.CheckFailed
        If the emulator refuses what the kernel does, or it wrote where it may not.
    """
    placed = encoded.placed_by(place_for(library))
    ready = prepare_forward(library, placed, options=options)
    ready.call.launch()
    return ready.answer()
