"""The kernels' library as Python sees it: what it is, how it is called, what it says."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from npu_kernels.ascend_c import structs
from npu_kernels.ascend_c.guard import Guarded, fingerprints, guarded
from npu_kernels.ascend_c.places import Placed, address
from npu_kernels.ascend_c.structs import CORES, PATHS, PIPES
from npu_kernels.emulator.options import MMAD_ORDERS, EmulatorOptions
from npu_kernels.on_device.memory import OnDevice

OK, BAD_ARGUMENT, UNSUPPORTED, CHECK_FAILED = range(4)
TEXT_BYTES = 64 * 1024


class CheckFailed(Exception):
    """The kernel did what it may not; the text is the emulator's report, or names the memory."""


class Declined(Exception):
    """The library does not do this; the text begins with the argument's name."""


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
class CallReport:
    """What a call reports beside its results.

    Attributes
    ----------
    remarks : warnings and notes of the emulator
    counters : one for each core that ran, by kernel, group and core
    """

    remarks: tuple[str, ...]
    counters: tuple[CoreCounters, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class PreparedCall:
    """A function of abi.h with all that it needs, which may be launched again and again.

    Attributes
    ----------
    library : the library
    function : str
    struct : ForwardStruct, BackwardStruct or DropoutMaskStruct
    reads : what `struct` points to
    writes : what the kernel may write, its workspace last
    before : checksums of those of `reads` that nobody may write
    text, counters : where the library says them
    batch : number of sequences
    """

    library: ctypes.CDLL | OnDevice
    function: str
    struct: ctypes.Structure
    reads: Mapping[str, Placed | None]
    writes: Sequence[Guarded]
    before: Mapping[str, int]
    text: Any
    counters: Any
    batch: int

    def launch(self) -> None:
        """Launch the kernels; on a device it may still be running afterwards.

        Raises
        ------
        ValueError, Declined, CheckFailed
            If an argument cannot be; the library does not do this; or it may not do what it does.
        """
        run(self.library, self.function, self.struct, self.text, batch=self.batch)

    def finish(self) -> CallReport:
        """Bring the results to the host, and see that the kernel kept to its memory.

        Raises
        ------
        CheckFailed
            If it did not.
        """
        for one in self.writes:
            one.fetch()
        _check_memory(self.reads, self.before, self.writes)
        count = self.struct.launch.counters_count
        return CallReport(
            remarks=tuple(_message(self.text).splitlines()),
            counters=tuple(_counted(self.counters[i]) for i in range(count)),
        )


def prepare(
    library: ctypes.CDLL | OnDevice,
    function: str,
    struct: ctypes.Structure,
    *,
    batch: int,
    reads: Mapping[str, Placed | None],
    writes: Sequence[Guarded],
    options: EmulatorOptions,
    kernels: int = 1,
    after: PreparedCall | None = None,
) -> PreparedCall:
    """A function of abi.h with its workspace, on the device where the library is one's.

    Parameters
    ----------
    function : str
        Its name; that with "_workspace" tells how much workspace it needs.
    struct : ForwardStruct, BackwardStruct or DropoutMaskStruct
        All but struct_bytes and launch filled in; both are set here.
    batch : int
        Number of sequences.
    reads, writes : what `struct` points to
    kernels : int
        That it launches at most.
    after : PreparedCall, or None
        Writes some of `reads` before this one is launched.
    """
    counters = (structs.CountersStruct * (len(CORES) * options.cores * kernels))()
    text = begin(struct, options=options)
    struct.launch.counters = ctypes.addressof(counters)
    struct.launch.counters_capacity = len(counters)
    needed = workspace_bytes(library, function, struct)
    workspace = guarded("workspace", (needed,), np.uint8, library=library)
    set_workspace(struct, workspace.target)
    written = [] if after is None else [address(one.target) for one in after.writes]
    before = {name: x for name, x in reads.items() if address(x) not in written}
    return PreparedCall(
        library=library,
        function=function,
        struct=struct,
        reads=reads,
        writes=[*writes, workspace],
        before=fingerprints(before),
        text=text,
        counters=counters,
        batch=batch,
    )


def begin(struct: ctypes.Structure, *, options: EmulatorOptions) -> Any:
    """A buffer for the library's text, after struct_bytes and launch are set to call a function."""
    text = ctypes.create_string_buffer(TEXT_BYTES)
    struct.struct_bytes = ctypes.sizeof(struct)
    struct.launch = structs.LaunchStruct(
        groups=options.cores,
        emulation=_emulation(options),
        text=ctypes.addressof(text),
        text_bytes=TEXT_BYTES,
    )
    return text


def workspace_bytes(
    library: ctypes.CDLL | OnDevice, function: str, struct: ctypes.Structure
) -> int:
    """Bytes that a function needs; 0 also for what it refuses, since the call itself says that."""
    return max(int(getattr(library, f"{function}_workspace")(ctypes.byref(struct))), 0)


def set_workspace(struct: ctypes.Structure, workspace: Placed) -> None:
    """Let a struct's call use these bytes, which must outlive it."""
    struct.launch.workspace = address(workspace)
    struct.launch.workspace_bytes = workspace.shape[0]


def run(
    library: ctypes.CDLL | OnDevice,
    function: str,
    struct: ctypes.Structure,
    text: Any,
    *,
    batch: int,
) -> None:
    """Call a function of abi.h; on a device it is queued, and may still run afterwards.

    Raises
    ------
    ValueError, Declined, CheckFailed
        If an argument cannot be; the library does not do this; or it may not do what it does.
    """
    if isinstance(library, OnDevice):
        code = library.launch(function, struct, batch=batch)
    else:
        code = getattr(library, function)(ctypes.byref(struct))
    if code != OK:
        raise _error(code, _message(text))


def _message(text: Any) -> str:
    return str(text.value.decode(errors="replace"))


def call(
    library: ctypes.CDLL | OnDevice,
    function: str,
    struct: ctypes.Structure,
    *,
    batch: int,
    reads: Mapping[str, Placed | None],
    writes: Sequence[Guarded],
    options: EmulatorOptions,
) -> CallReport:
    """Prepare a function of abi.h, call it once, and see that it kept to its memory.

    Raises
    ------
    ValueError, Declined, CheckFailed
        If an argument cannot be; the library does not do this; or it may not do what it does.
    """
    once = prepare(
        library, function, struct, batch=batch, reads=reads, writes=writes, options=options
    )
    once.launch()
    return once.finish()


def _error(code: int, text: str) -> Exception:
    kinds: dict[int, type[Exception]] = {BAD_ARGUMENT: ValueError, UNSUPPORTED: Declined}
    return kinds.get(code, CheckFailed)(text)


def _check_memory(
    reads: Mapping[str, Placed | None], before: Mapping[str, int], writes: Sequence[Guarded]
) -> None:
    for one in writes:
        if damage := one.damage():
            raise CheckFailed(damage)
    for name, fingerprint in fingerprints({name: reads[name] for name in before}).items():
        if fingerprint != before[name]:
            raise CheckFailed(f"{name}: an input was written")


def _emulation(options: EmulatorOptions) -> structs.EmulationStruct:
    return structs.EmulationStruct(
        checked=not options.fast,
        auto_sync=options.auto_sync,
        keeps_inf_nan=options.keeps_inf_nan,
        mmad_order=MMAD_ORDERS.index(options.mmad),
        truncates=options.truncates,
        exp_ulps=options.exp,
        ln_ulps=options.ln,
        random_padding=options.random_padding,
        adversarial=options.adversarial,
        threads=len(os.sched_getaffinity(0)),
        seed=options.seed,
    )


def _counted(counters: structs.CountersStruct) -> CoreCounters:
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
