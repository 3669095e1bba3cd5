"""abi.h in ctypes: the same fields in the same order. What they mean is written there."""

from __future__ import annotations

import ctypes

FP16, BF16 = range(2)
BOTTOM_RIGHT, TOP_LEFT = range(2)
UNBOUNDED = 2**63 - 1

PIPES = ("S", "V", "M", "MTE1", "MTE2", "MTE3", "FIX")
PATHS = ("GM to UB", "GM to L1", "UB to GM", "L0C to GM", "L1 to L0A", "L1 to L0B")
CORES = ("AIC", "AIV0", "AIV1")


class TensorStruct(ctypes.Structure):
    """NpuTensor."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("bytes", ctypes.c_int64),
        ("stride_batch", ctypes.c_int64),
        ("stride_seqlen", ctypes.c_int64),
        ("stride_head", ctypes.c_int64),
    )


class PairsStruct(ctypes.Structure):
    """NpuPairs."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("bytes", ctypes.c_int64),
        ("stride_batch", ctypes.c_int64),
        ("stride_head", ctypes.c_int64),
        ("stride_q", ctypes.c_int64),
        ("stride_k", ctypes.c_int64),
    )


class BitsStruct(ctypes.Structure):
    """NpuBits."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("bytes", ctypes.c_int64),
        ("stride_batch", ctypes.c_int64),
        ("stride_head", ctypes.c_int64),
        ("stride_row", ctypes.c_int64),
    )


class EmulationStruct(ctypes.Structure):
    """NpuEmulation."""

    _fields_ = (
        ("checked", ctypes.c_int32),
        ("auto_sync", ctypes.c_int32),
        ("keeps_inf_nan", ctypes.c_int32),
        ("mmad_order", ctypes.c_int32),
        ("exp_ulps", ctypes.c_int32),
        ("threads", ctypes.c_int32),
        ("adversarial", ctypes.c_int32),
        ("ln_ulps", ctypes.c_int32),
        ("truncates", ctypes.c_int32),
        ("random_padding", ctypes.c_int32),
        ("seed", ctypes.c_uint64),
    )


class CountersStruct(ctypes.Structure):
    """NpuCounters."""

    _fields_ = (
        ("group", ctypes.c_int32),
        ("core", ctypes.c_int32),
        ("instructions", ctypes.c_uint64 * len(PIPES)),
        ("repeats", ctypes.c_uint64 * len(PIPES)),
        ("macs", ctypes.c_uint64 * len(PIPES)),
        ("waits", ctypes.c_uint64 * len(PIPES)),
        ("bytes", ctypes.c_uint64 * len(PATHS)),
    )


class LaunchStruct(ctypes.Structure):
    """NpuLaunch."""

    _fields_ = (
        ("groups", ctypes.c_int64),
        ("workspace", ctypes.c_void_p),
        ("workspace_bytes", ctypes.c_int64),
        ("stream", ctypes.c_void_p),
        ("plan", ctypes.c_void_p),
        ("plan_bytes", ctypes.c_int64),
        ("plan_on_device", ctypes.c_void_p),
        ("emulation", EmulationStruct),
        ("text", ctypes.c_void_p),
        ("text_bytes", ctypes.c_int64),
        ("counters", ctypes.c_void_p),
        ("counters_capacity", ctypes.c_int64),
        ("counters_count", ctypes.c_int64),
    )


class ProblemStruct(ctypes.Structure):
    """NpuProblem."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("batch", "heads_q", "heads_k")),
        *((name, ctypes.c_int64) for name in ("seqlen_q", "seqlen_k")),
        *((name, ctypes.c_int64) for name in ("head_dim", "head_dim_v")),
        *((name, ctypes.c_void_p) for name in ("cu_seqlens_q", "cu_seqlens_k", "prefix")),
        *((name, ctypes.c_int64) for name in ("window_left", "window_right")),
        *((name, ctypes.c_int32) for name in ("anchor", "format")),
        *((name, ctypes.c_float) for name in ("scale", "softcap", "keep_prob")),
        ("reserved", ctypes.c_int32),
        *((name, TensorStruct) for name in ("q", "k", "v")),
        ("bias", PairsStruct),
        *((name, BitsStruct) for name in ("keep", "dropout")),
        ("slopes", ctypes.c_void_p),
        ("slopes_stride_batch", ctypes.c_int64),
        ("sink", ctypes.c_void_p),
    )


class ForwardStruct(ctypes.Structure):
    """NpuForward."""

    _fields_ = (
        ("struct_bytes", ctypes.c_uint64),
        ("problem", ProblemStruct),
        ("out", TensorStruct),
        *((name, ctypes.c_void_p) for name in ("lse", "softmax_max", "softmax_sum")),
        ("launch", LaunchStruct),
    )


class BackwardStruct(ctypes.Structure):
    """NpuBackward."""

    _fields_ = (
        ("struct_bytes", ctypes.c_uint64),
        ("problem", ProblemStruct),
        *((name, TensorStruct) for name in ("out", "dout")),
        *((name, ctypes.c_void_p) for name in ("lse", "dlse")),
        *((name, TensorStruct) for name in ("dq", "dk", "dv")),
        *((name, ctypes.c_void_p) for name in ("dbias", "dsink")),
        ("launch", LaunchStruct),
    )


class VisibleStruct(ctypes.Structure):
    """NpuVisible."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("window_left", "window_right")),
        ("prefix", ctypes.c_void_p),
        *((name, ctypes.c_int32) for name in ("anchor", "reserved")),
    )


class DropoutMaskStruct(ctypes.Structure):
    """NpuDropoutMask."""

    _fields_ = (
        ("struct_bytes", ctypes.c_uint64),
        *((name, ctypes.c_int64) for name in ("batch", "heads_q", "seqlen_q", "seqlen_k")),
        *((name, ctypes.c_void_p) for name in ("cu_seqlens_q", "cu_seqlens_k", "visible")),
        *((name, ctypes.c_uint64) for name in ("seed", "offset")),
        ("keep_prob", ctypes.c_float),
        ("reserved", ctypes.c_int32),
        ("bits", ctypes.c_void_p),
        ("bits_bytes", ctypes.c_int64),
        ("launch", LaunchStruct),
    )


class ProbeStruct(ctypes.Structure):
    """NpuProbe."""

    _fields_ = (
        ("struct_bytes", ctypes.c_uint64),
        *((name, ctypes.c_int64) for name in ("operation", "count")),
        *(("x", ctypes.c_void_p), ("x_bytes", ctypes.c_int64)),
        *(("y", ctypes.c_void_p), ("y_bytes", ctypes.c_int64)),
        *(("out", ctypes.c_void_p), ("out_bytes", ctypes.c_int64)),
        ("launch", LaunchStruct),
    )


STRUCTS = (
    *(TensorStruct, PairsStruct, BitsStruct, EmulationStruct, CountersStruct, LaunchStruct),
    *(ProblemStruct, ForwardStruct, BackwardStruct, VisibleStruct, DropoutMaskStruct),
    ProbeStruct,
)


def layout() -> dict[str, tuple[int, int]]:
    """First byte and number of bytes of each struct ("NpuTensor") and field ("NpuTensor.data")."""
    places: dict[str, tuple[int, int]] = {}
    for struct in STRUCTS:
        name = "Npu" + struct.__name__.removesuffix("Struct")
        places[name] = 0, ctypes.sizeof(struct)
        for field, *_ in struct._fields_:
            place = getattr(struct, field)
            places[f"{name}.{field}"] = place.offset, place.size
    return places
