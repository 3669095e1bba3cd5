"""The kernels' library as Python sees it: what it is, how it is called, what it says."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from npu_kernels import structs
from npu_kernels.device_memory import OnDevice
from npu_kernels.guard import Guarded, fingerprints, guarded
from npu_kernels.knobs import MMAD_ORDERS, Knobs
from npu_kernels.question import Question, address, tensor_struct
from npu_kernels.structs import CORES, PATHS, PIPES
from reference.formats import Array

OK, BAD_ARGUMENT, UNSUPPORTED, CHECK_FAILED = range(4)
FUNCTIONS = ("npu_flash_forward", "npu_flash_backward", "npu_dropout_mask")
TEXT_BYTES = 64 * 1024


class CheckFailed(Exception):
    """The kernel did what it may not; the text is the emulator's report, or names the memory."""


class Declined(Exception):
    """The library does not do this; the text begins with the argument's name."""


class Mismatch(Exception):
    """The library was made from another abi.h."""


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


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a call says beside its results.

    Attributes
    ----------
    remarks : warnings and notes of the emulator
    counters : one for each core that ran, by kernel, group and core
    """

    remarks: tuple[str, ...]
    counters: tuple[CoreCounters, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Launch:
    """What the forward gave.

    Attributes
    ----------
    out : uint16, of Question.shape_out
    lse, softmax_max, softmax_sum : float32, of Question.shape_lse
    remarks, counters : as in Said
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
        If its structs are not those of structs.py.
    """
    library = ctypes.CDLL(str(path))
    library.npu_struct_bytes.restype = ctypes.c_uint64
    for which, struct in enumerate(structs.QUESTIONS):
        theirs, ours = library.npu_struct_bytes(which), ctypes.sizeof(struct)
        if theirs != ours:
            raise Mismatch(
                f"{path}: Npu{struct.__name__} has {theirs} bytes there and {ours} in structs.py: "
                "make structs.py like abi.h, and build again"
            )
    for name in FUNCTIONS:
        if hasattr(library, name):
            getattr(library, f"{name}_workspace").restype = ctypes.c_int64
    return library


def flash_forward(library: ctypes.CDLL | OnDevice, question: Question, *, knobs: Knobs) -> Launch:
    """Launch the forward kernel.

    Raises
    ------
    ValueError
        If an argument cannot be; the text begins with its name.
    Declined
        If the kernel does not do this.
    CheckFailed
        If the emulator refuses what the kernel does, or it wrote where it may not.
    """
    out = guarded("out", question.shape_out, np.uint16)
    rows = [
        guarded(name, question.shape_lse, np.float32)
        for name in ("lse", "softmax_max", "softmax_sum")
    ]
    forward = structs.Forward(
        problem=question.struct(),
        out=tensor_struct(out.array),
        **{one.name: address(one.array) for one in rows},
    )
    said = call(
        library,
        "npu_flash_forward",
        forward,
        reads=question.arrays(),
        writes=[out, *rows],
        knobs=knobs,
    )
    lse, softmax_max, softmax_sum = (one.array for one in rows)
    return Launch(
        out=out.array,
        lse=lse,
        softmax_max=softmax_max,
        softmax_sum=softmax_sum,
        remarks=said.remarks,
        counters=said.counters,
    )


def call(
    library: ctypes.CDLL | OnDevice,
    function: str,
    asked: ctypes.Structure,
    *,
    reads: Mapping[str, Array | None],
    writes: Sequence[Guarded],
    knobs: Knobs,
    kernels: int = 1,
) -> Said:
    """Call a function of abi.h, with its workspace; see that it kept to its memory.

    Parameters
    ----------
    function : str
        Its name; that with "_workspace" tells how much workspace it needs.
    asked : one of structs.QUESTIONS
        All but struct_bytes and launch filled in; both are set here.
    reads, writes : the arrays that `asked` points to
    kernels : int
        That it launches at most.

    Raises
    ------
    ValueError, Declined, CheckFailed
        As `flash_forward`.
    """
    text = ctypes.create_string_buffer(TEXT_BYTES)
    counters = (structs.Counters * (len(CORES) * knobs.cores * kernels))()
    asked.struct_bytes = ctypes.sizeof(asked)
    asked.launch = structs.Launch(
        groups=knobs.cores,
        emulation=_emulation(knobs),
        text=ctypes.addressof(text),
        text_bytes=TEXT_BYTES,
        counters=ctypes.addressof(counters),
        counters_capacity=len(counters),
    )
    launch = asked.launch
    needed = getattr(library, f"{function}_workspace")(ctypes.byref(asked))
    needed = max(needed, 0)  # an error is told by the call itself
    workspace = guarded("workspace", (needed,), np.uint8)
    launch.workspace, launch.workspace_bytes = address(workspace.array), needed
    before = fingerprints(reads)
    if isinstance(library, OnDevice):
        code = library.run(function, asked, reads=reads, writes=[*writes, workspace])
    else:
        code = getattr(library, function)(ctypes.byref(asked))
    said = text.value.decode(errors="replace")
    if code != OK:
        raise _error(code, said)
    _check_memory(reads, before, [*writes, workspace])
    return Said(
        remarks=tuple(said.splitlines()),
        counters=tuple(_counted(counters[i]) for i in range(launch.counters_count)),
    )


def _error(code: int, said: str) -> Exception:
    kinds: dict[int, type[Exception]] = {BAD_ARGUMENT: ValueError, UNSUPPORTED: Declined}
    return kinds.get(code, CheckFailed)(said)


def _check_memory(
    reads: Mapping[str, Array | None], before: Mapping[str, int], writes: Sequence[Guarded]
) -> None:
    for one in writes:
        if damage := one.damage():
            raise CheckFailed(damage)
    for name, fingerprint in fingerprints(reads).items():
        if fingerprint != before[name]:
            raise CheckFailed(f"{name}: an input was written")


def _emulation(knobs: Knobs) -> structs.Emulation:
    return structs.Emulation(
        checked=not knobs.fast,
        auto_sync=knobs.auto_sync,
        keeps_inf_nan=knobs.keeps_inf_nan,
        mmad_order=MMAD_ORDERS.index(knobs.mmad),
        exp_ulps=knobs.exp,
        adversarial=knobs.adversarial,
        threads=len(os.sched_getaffinity(0)),
        seed=knobs.seed,
    )


def _counted(counters: structs.Counters) -> CoreCounters:
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
