"""The backward's kernels as Python sees them."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np

from npu_kernels.ascend_c import structs
from npu_kernels.ascend_c.binding import CoreCounters, PreparedCall, prepare
from npu_kernels.ascend_c.encoded import EncodedProblem, address, tensor_struct
from npu_kernels.ascend_c.guard import Guarded, guarded
from npu_kernels.emulator.options import EmulatorOptions
from npu_kernels.on_device.memory import OnDevice
from reference.formats import Array

KERNELS = 5  # rows, the pass over keys, that over queries, dbias, dsink


@dataclass(frozen=True, eq=False, kw_only=True)
class BackwardAnswer:
    """What the backward gave.

    Attributes
    ----------
    dq, dk, dv : uint16, like q, k, v
    dbias : float32, like EncodedProblem.bias, or None
    dsink : (heads_q,) float32, or None
    remarks, counters : as in binding.Said
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
    """The backward of one question, ready to be launched.

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
        said = self.call.finish()
        arrays: dict[str, Any] = {"dbias": None, "dsink": None}
        arrays |= {one.name: one.array for one in self.call.writes[:-1]}
        return BackwardAnswer(**arrays, remarks=said.remarks, counters=said.counters)


def prepare_backward(
    library: ctypes.CDLL | OnDevice,
    encoded: EncodedProblem,
    *,
    out: Array,
    dout: Array,
    lse: Array,
    dlse: Array | None = None,
    options: EmulatorOptions,
    after: PreparedCall | None = None,
) -> BackwardCall:
    """Results and workspace of the backward's kernels; the arrays must outlive it.

    Parameters
    ----------
    out, dout, lse, dlse : as in `flash_backward`; out and lse may be what `after` will write
    """
    written = {
        "dq": guarded("dq", encoded.q.shape, np.uint16),
        "dk": guarded("dk", encoded.k.shape, np.uint16),
        "dv": guarded("dv", encoded.v.shape, np.uint16),
    }
    if encoded.bias is not None:
        written["dbias"] = guarded("dbias", encoded.bias.shape, np.float32)
    if encoded.sink is not None:
        written["dsink"] = guarded("dsink", encoded.sink.shape, np.float32)
    ready = prepare(
        library,
        "npu_flash_backward",
        _struct(encoded, written, out=out, dout=dout, lse=lse, dlse=dlse),
        reads={**encoded.arrays(), "out": out, "dout": dout, "lse": lse, "dlse": dlse},
        writes=list(written.values()),
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
    """Launch the backward's kernels, one after the other.

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
    ready = prepare_backward(
        library, encoded, out=out, dout=dout, lse=lse, dlse=dlse, options=options
    )
    ready.call.launch()
    return ready.answer()


def _struct(
    encoded: EncodedProblem,
    written: dict[str, Guarded],
    *,
    out: Array,
    dout: Array,
    lse: Array,
    dlse: Array | None,
) -> structs.BackwardStruct:
    return structs.BackwardStruct(
        problem=encoded.struct(),
        out=tensor_struct(out),
        dout=tensor_struct(dout),
        lse=address(lse),
        dlse=address(dlse),
        **{name: tensor_struct(written[name].array) for name in ("dq", "dk", "dv")},
        **{
            name: address(written[name].array)
            for name in ("dbias", "dsink")
            if name in written and written[name].array.size
        },
    )


def _check_statistics(encoded: EncodedProblem, out: Array, lse: Array) -> None:
    for name, array, shape in (("out", out, encoded.shape_out), ("lse", lse, encoded.shape_lse)):
        if array.shape != shape:
            raise ValueError(f"{name}: shape {array.shape}: give {shape}, as the forward does")
    if (broken := np.flatnonzero(np.isnan(lse))).size:
        raise ValueError(f"lse: NaN at {broken[0]}: it does not belong to this problem")
