"""The backward's kernels as Python sees them."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np

from npu_kernels.ascend_c import structs
from npu_kernels.ascend_c.binding import CoreCounters, PreparedCall, prepare
from npu_kernels.ascend_c.encoded import EncodedProblem, tensor_struct
from npu_kernels.ascend_c.guard import guarded
from npu_kernels.ascend_c.places import Placed, address
from npu_kernels.emulator.options import EmulatorOptions
from npu_kernels.on_device.memory import OnDevice, place_for
from reference.formats import Array

FUNCTION = "npu_flash_backward"
KERNELS = 5  # rows, the pass over keys, that over queries, dbias, dsink


@dataclass(frozen=True, eq=False, kw_only=True)
class BackwardAnswer:
    """What the backward gave.

    Attributes
    ----------
    dq, dk, dv : uint16, like q, k, v
    dbias : float32, like EncodedProblem.bias, or None
    dsink : (heads_q,) float32, or None
    remarks, counters : as in binding.CallReport
    """

    dq: Array
    dk: Array
    dv: Array
    dbias: Array | None
    dsink: Array | None
    remarks: tuple[str, ...]
    counters: tuple[CoreCounters, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class BackwardCall:
    """The backward of one problem, ready to be launched.

    Attributes
    ----------
    call : PreparedCall
    """

    call: PreparedCall

    def answer(self) -> BackwardAnswer:
        """What the last launch gave.

        Raises
        ------
        binding.CheckFailed
            If a kernel wrote where it may not.
        """
        report = self.call.finish()
        arrays: dict[str, Any] = {"dbias": None, "dsink": None}
        arrays |= {one.name: one.array for one in self.call.writes[:-1]}
        return BackwardAnswer(**arrays, remarks=report.remarks, counters=report.counters)


def prepare_backward(
    library: ctypes.CDLL | OnDevice,
    encoded: EncodedProblem,
    *,
    out: Placed,
    dout: Placed,
    lse: Placed,
    dlse: Placed | None = None,
    options: EmulatorOptions,
    after: PreparedCall | None = None,
) -> BackwardCall:
    """Results and workspace of the backward's kernels; the arrays must outlive it.

    Parameters
    ----------
    out, dout, lse, dlse : as in `flash_backward`; out and lse may be what `after` will write
    """
    like = {"dq": encoded.q, "dk": encoded.k, "dv": encoded.v}
    in_fp32 = {"dbias": encoded.bias, "dsink": encoded.sink}
    kinds = [(like, np.uint16), (in_fp32, np.float32)]
    writes = [
        guarded(name, x.shape, dtype, library=library)
        for inputs, dtype in kinds
        for name, x in inputs.items()
        if x is not None
    ]
    statistics = {"out": out, "dout": dout, "lse": lse, "dlse": dlse}
    ready = prepare(
        library,
        FUNCTION,
        backward_struct(encoded, **statistics, **{one.name: one.target for one in writes}),
        batch=encoded.batch,
        reads={**encoded.arrays(), **statistics},
        writes=writes,
        options=options,
        kernels=KERNELS,
        after=after,
    )
    return BackwardCall(call=ready)


def flash_backward(
    library: ctypes.CDLL | OnDevice,
    encoded: EncodedProblem,
    *,
    out: Array,
    dout: Array,
    lse: Array,
    dlse: Array | None = None,
    options: EmulatorOptions,
) -> BackwardAnswer:
    """Gradients by the backward's kernels, launched one after the other.

    With a bias, workspace grows as seqlen_q * seqlen_k: 4 bytes for each pair of each head.

    Parameters
    ----------
    out, dout : uint16, of EncodedProblem.shape_out
        Any strides that are not negative; the innermost is 1.
    lse, dlse : float32, of EncodedProblem.shape_lse, contiguous

    Raises
    ------
    ValueError
        If the library refuses an argument, out or lse has another shape, or lse holds a NaN; the
        text begins with the argument's name.
    binding.Declined
        If the kernels do not do this.
    binding.CheckFailed
        If the emulator refuses what a kernel does, or it wrote where it may not.
    """
    _check_statistics(encoded, out, lse)
    place = place_for(library)
    ready = prepare_backward(
        library,
        encoded.placed_by(place),
        out=place(out),
        dout=place(dout),
        lse=place(lse),
        dlse=None if dlse is None else place(dlse),
        options=options,
    )
    ready.call.launch()
    return ready.answer()


def backward_struct(
    encoded: EncodedProblem,
    *,
    out: Placed,
    dout: Placed,
    lse: Placed,
    dlse: Placed | None,
    dq: Placed,
    dk: Placed,
    dv: Placed,
    dbias: Placed | None = None,
    dsink: Placed | None = None,
) -> structs.BackwardStruct:
    """NpuBackward, which points to these; they must outlive it."""
    return structs.BackwardStruct(
        problem=encoded.struct(),
        out=tensor_struct(out),
        dout=tensor_struct(dout),
        lse=address(lse),
        dlse=address(dlse),
        dq=tensor_struct(dq),
        dk=tensor_struct(dk),
        dv=tensor_struct(dv),
        dbias=None if dbias is None or 0 in dbias.shape else address(dbias),
        dsink=None if dsink is None or 0 in dsink.shape else address(dsink),
    )


def _check_statistics(encoded: EncodedProblem, out: Array, lse: Array) -> None:
    for name, array, shape in (("out", out, encoded.shape_out), ("lse", lse, encoded.shape_lse)):
        if array.shape != shape:
            raise ValueError(f"{name}: shape {array.shape}: give {shape}, as the forward does")
    if (broken := np.flatnonzero(np.isnan(lse))).size:
        raise ValueError(f"lse: NaN at {broken[0]}: it does not belong to this problem")
