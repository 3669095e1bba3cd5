"""The kernels' library as Python sees it: abi.h in ctypes, and the launch of the forward."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from npu_kernels.knobs import MMAD_ORDERS, Knobs
from reference.formats import BF16, FP16, Array, Format

OK, BAD_ARGUMENT, UNSUPPORTED, CHECK_FAILED = range(4)
FORMATS = (FP16, BF16)  # numbered as in abi.h
PIPES = ("S", "V", "M", "MTE1", "MTE2", "MTE3", "FIX")
PATHS = ("GM to UB", "GM to L1", "UB to GM", "L0C to GM", "L1 to L0A", "L1 to L0B")
CORES = ("AIC", "AIV0", "AIV1")
TEXT_BYTES = 64 * 1024


class CheckFailed(Exception):
    """The emulator refused what the kernel did; the text is its report."""


class Declined(Exception):
    """The library does not do this; the text begins with the argument's name."""


class Mismatch(Exception):
    """The library was made from another abi.h."""


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("bytes", ctypes.c_int64),
        ("stride_batch", ctypes.c_int64),
        ("stride_seqlen", ctypes.c_int64),
        ("stride_head", ctypes.c_int64),
    )


class _Emulation(ctypes.Structure):
    _fields_ = (
        ("checked", ctypes.c_int32),
        ("auto_sync", ctypes.c_int32),
        ("keeps_inf_nan", ctypes.c_int32),
        ("mmad_order", ctypes.c_int32),
        ("exp_ulps", ctypes.c_int32),
        ("threads", ctypes.c_int32),
        ("adversarial", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("seed", ctypes.c_uint64),
    )


class _Counters(ctypes.Structure):
    _fields_ = (
        ("group", ctypes.c_int32),
        ("core", ctypes.c_int32),
        ("instructions", ctypes.c_uint64 * len(PIPES)),
        ("repeats", ctypes.c_uint64 * len(PIPES)),
        ("macs", ctypes.c_uint64 * len(PIPES)),
        ("waits", ctypes.c_uint64 * len(PIPES)),
        ("bytes", ctypes.c_uint64 * len(PATHS)),
    )


class _Forward(ctypes.Structure):
    _fields_ = (
        ("struct_bytes", ctypes.c_uint64),
        *((name, ctypes.c_int64) for name in ("batch", "heads_q", "heads_k")),
        *((name, ctypes.c_int64) for name in ("seqlen_q", "seqlen_k")),
        *((name, ctypes.c_int64) for name in ("head_dim", "head_dim_v")),
        ("format", ctypes.c_int32),
        ("causal", ctypes.c_int32),
        ("scale", ctypes.c_float),
        ("groups", ctypes.c_int32),
        *((name, _Tensor) for name in ("q", "k", "v", "out")),
        *((name, ctypes.c_void_p) for name in ("lse", "softmax_max", "softmax_sum")),
        ("workspace", ctypes.c_void_p),
        ("workspace_bytes", ctypes.c_int64),
        ("stream", ctypes.c_void_p),
        ("emulation", _Emulation),
        ("text", ctypes.c_void_p),
        ("text_bytes", ctypes.c_int64),
        ("counters", ctypes.c_void_p),
        ("counters_capacity", ctypes.c_int64),
        ("counters_count", ctypes.c_int64),
    )


@dataclass(frozen=True, kw_only=True)
class CoreCounters:
    """What one core did in a launch.

    Attributes
    ----------
    group : int
    core : "AIC", "AIV0" or "AIV1"
    instructions, repeats, macs, waits : number by pipe, of PIPES
    bytes : number by path, of PATHS
    """

    group: int
    core: str
    instructions: dict[str, int]
    repeats: dict[str, int]
    macs: dict[str, int]
    waits: dict[str, int]
    bytes: dict[str, int]


@dataclass(frozen=True, eq=False, kw_only=True)
class Launch:
    """What a launch gave.

    Attributes
    ----------
    out : (batch, seqlen_q, heads_q, head_dim_v) uint16
    lse, softmax_max, softmax_sum : (batch, heads_q, seqlen_q) float32
    remarks : warnings and notes of the emulator
    counters : one for each core that ran
    """

    out: Array
    lse: Array
    softmax_max: Array
    softmax_sum: Array
    remarks: tuple[str, ...]
    counters: tuple[CoreCounters, ...]


@cache
def load(path: Path) -> ctypes.CDLL:
    """The library at `path`.

    Raises
    ------
    Mismatch
        If its struct is not the one of this module.
    """
    library = ctypes.CDLL(str(path))
    library.npu_forward_struct_bytes.restype = ctypes.c_uint64
    library.npu_flash_forward_workspace.restype = ctypes.c_int64
    library.npu_flash_forward.restype = ctypes.c_int32
    theirs, ours = library.npu_forward_struct_bytes(), ctypes.sizeof(_Forward)
    if theirs != ours:
        raise Mismatch(
            f"{path}: NpuForward has {theirs} bytes there and {ours} in binding.py: "
            "make binding.py like abi.h, and build again"
        )
    return library


def flash_forward(
    library: ctypes.CDLL,
    q: Array,
    k: Array,
    v: Array,
    *,
    format: Format,
    scale: float,
    causal: bool,
    knobs: Knobs,
) -> Launch:
    """Launch the forward kernel.

    Parameters
    ----------
    q : (batch, seqlen_q, heads_q, head_dim) uint16
    k : (batch, seqlen_k, heads_k, head_dim) uint16
    v : (batch, seqlen_k, heads_k, head_dim_v) uint16
        Any steps that are not negative; the innermost 1.
    causal : bool
        Bottom-right.

    Raises
    ------
    ValueError
        If an argument cannot be; the text begins with its name.
    Declined
        If the kernel does not do this.
    CheckFailed
        If the emulator refuses what the kernel does.
    """
    for name, tensor in (("q", q), ("k", k), ("v", v)):
        _check(name, tensor)
    if k.shape != (q.shape[0], k.shape[1], k.shape[2], q.shape[3]):
        raise ValueError(f"k: shape {k.shape} does not fit to q's {q.shape}")
    if v.shape[:3] != k.shape[:3]:
        raise ValueError(f"v: shape {v.shape} does not fit to k's {k.shape}")
    if format not in FORMATS:
        raise ValueError(f"format: {format.name}: give fp16 or bf16")
    batch, seqlen_q, heads_q, head_dim = q.shape
    out = np.empty((batch, seqlen_q, heads_q, v.shape[3]), np.uint16)
    # Side by side, one could run over into another and stay inside what the library may write.
    lse, softmax_max, softmax_sum = (
        np.empty((batch, heads_q, seqlen_q), np.float32) for _ in range(3)
    )
    text = ctypes.create_string_buffer(TEXT_BYTES)
    counters = (_Counters * (len(CORES) * knobs.cores))()
    forward = _Forward(
        struct_bytes=ctypes.sizeof(_Forward),
        batch=batch,
        heads_q=heads_q,
        heads_k=k.shape[2],
        seqlen_q=seqlen_q,
        seqlen_k=k.shape[1],
        head_dim=head_dim,
        head_dim_v=v.shape[3],
        format=FORMATS.index(format),
        causal=causal,
        scale=scale,
        groups=knobs.cores,
        q=_tensor(q),
        k=_tensor(k),
        v=_tensor(v),
        out=_tensor(out),
        lse=_address(lse),
        softmax_max=_address(softmax_max),
        softmax_sum=_address(softmax_sum),
        emulation=_emulation(knobs),
        text=ctypes.addressof(text),
        text_bytes=TEXT_BYTES,
        counters=ctypes.addressof(counters),
        counters_capacity=len(counters),
    )
    needed = library.npu_flash_forward_workspace(ctypes.byref(forward))
    workspace = np.empty(max(needed, 0), np.uint8)  # where there is an error, the launch tells it
    forward.workspace, forward.workspace_bytes = _address(workspace), workspace.nbytes
    code = library.npu_flash_forward(ctypes.byref(forward))
    said = text.value.decode(errors="replace")
    if code != OK:
        raise _error(code, said)
    return Launch(
        out=out,
        lse=lse,
        softmax_max=softmax_max,
        softmax_sum=softmax_sum,
        remarks=tuple(said.splitlines()),
        counters=tuple(_counted(counters[i]) for i in range(forward.counters_count)),
    )


def _error(code: int, said: str) -> Exception:
    kinds: dict[int, type[Exception]] = {BAD_ARGUMENT: ValueError, UNSUPPORTED: Declined}
    return kinds.get(code, CheckFailed)(said)


def _check(name: str, tensor: Array) -> None:
    if tensor.ndim != 4 or tensor.dtype != np.uint16:
        raise ValueError(
            f"{name}: {tensor.dtype} of shape {tensor.shape}: give four axes of uint16"
        )
    if tensor.size == 0:
        return
    steps = tensor.strides
    if any(step < 0 or step % tensor.itemsize for step in steps):
        raise ValueError(f"{name}: strides {steps} in bytes: give multiples of 2, not negative")
    if tensor.shape[3] > 1 and steps[3] != tensor.itemsize:
        raise ValueError(f"{name}: the innermost stride is {steps[3]} bytes: give 2")


def _tensor(tensor: Array) -> _Tensor:
    steps = [stride // tensor.itemsize for stride in tensor.strides]
    reach = sum(step * (size - 1) for step, size in zip(steps, tensor.shape, strict=True))
    used = (1 + reach) * tensor.itemsize if tensor.size else 0
    return _Tensor(_address(tensor), used, *(steps[axis] for axis in (0, 1, 2)))


def _address(array: Array) -> int:
    return array.ctypes.data


def _emulation(knobs: Knobs) -> _Emulation:
    return _Emulation(
        checked=not knobs.fast,
        auto_sync=knobs.auto_sync,
        keeps_inf_nan=knobs.keeps_inf_nan,
        mmad_order=MMAD_ORDERS.index(knobs.mmad),
        exp_ulps=knobs.exp,
        threads=len(os.sched_getaffinity(0)),
        adversarial=knobs.adversarial,
        seed=knobs.seed,
    )


def _counted(counters: _Counters) -> CoreCounters:
    def by(names: Sequence[str], numbers: Any) -> dict[str, int]:
        return dict(zip(names, map(int, numbers), strict=True))

    return CoreCounters(
        group=counters.group,
        core=CORES[counters.core],
        instructions=by(PIPES, counters.instructions),
        repeats=by(PIPES, counters.repeats),
        macs=by(PIPES, counters.macs),
        waits=by(PIPES, counters.waits),
        bytes=by(PATHS, counters.bytes),
    )
