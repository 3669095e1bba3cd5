"""Memory that a launch holds at most above its inputs: the device's, or a child process's."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from conformance.kernel import Subject, load
from conformance.launch import Launch, launch_of, run
from conformance.torch_bridge import import_torch
from conformance.workloads import FORMAT, Workload
from reference.formats import FORMATS

STATUS = Path("/proc/self/status")
RESET = Path("/proc/self/clear_refs")
SMALL = 128
"""Tokens of a launch before the measured one, so that what is set up once does not count."""


def peak_memory(kernel: Subject, workload: Workload, launch: Launch, *, seed: int) -> int | None:
    """Bytes; None where nothing tells them.

    A launch may know them itself, by ``device_bytes()``: results and workspace. Else torch counts
    them on an accelerator; on a CPU a child process does the same again and reads the high-water
    mark of its resident memory.
    """
    if (device_bytes := getattr(launch, "device_bytes", None)) is not None:
        return int(device_bytes())
    if kernel.device == "cpu":
        return _of_child(kernel, workload, seed) if RESET.exists() else None
    return _on_device(kernel.device.partition(":")[0], launch)


def _on_device(device: str, launch: Launch) -> int | None:
    torch: Any = import_torch(device)
    counter = getattr(torch, device, None)
    if counter is None or not hasattr(counter, "max_memory_allocated"):
        return None
    counter.reset_peak_memory_stats()
    before = counter.memory_allocated()
    run(launch)
    return int(counter.max_memory_allocated()) - int(before)


def _of_child(kernel: Subject, workload: Workload, seed: int) -> int:
    done = subprocess.run(
        [sys.executable, "-m", "conformance.peak_memory", kernel.spec, str(seed)],
        input=json.dumps(asdict(replace(workload, real=None))),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    if done.returncode:
        raise RuntimeError(f"the child that measures memory failed\n{done.stderr}")
    return int(done.stdout)


def measured(kernel: Subject, workload: Workload, *, seed: int) -> int:
    """Bytes by which the high-water mark of this process rises in one launch."""
    first = replace(workload, batch=1, seqlen_q=min(workload.seqlen_q, SMALL), seqlen_k=None)
    run(_prepared(kernel, replace(first, lens=None), seed))
    launch = _prepared(kernel, workload, seed)
    _give_back()
    RESET.write_text("5")  # the high-water mark becomes what is resident
    before = _high_water()
    run(launch)
    return _high_water() - before


def _prepared(kernel: Subject, workload: Workload, seed: int) -> Launch:
    return launch_of(kernel, workload.case.problem(FORMATS[FORMAT], seed=seed))


def _give_back() -> None:
    """Let the C library return what was freed: used again, it would not be seen."""
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)


def _high_water() -> int:
    (line,) = [line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def main(spec: str, seed: str) -> None:
    """Print what `measured` finds for the workload that standard input describes."""
    fields = json.load(sys.stdin)
    if fields["lens"] is not None:
        fields["lens"] = tuple(fields["lens"])
    print(measured(load(spec), Workload(**fields), seed=int(seed)))


if __name__ == "__main__":
    main(*sys.argv[1:])
