"""Memory that a launch holds at most above its inputs: the device's, or a child process's."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from conformance.benchmark.roofline import is_reached
from conformance.benchmark.workloads import FORMAT, Workload
from conformance.kernel import LoadedKernel, load
from conformance.kernel.launch import Launch, launch_of, run
from conformance.torch_bridge import import_torch
from reference.formats import FORMATS
from reference.problem import Problem, Unsupported

STATUS = Path("/proc/self/status")
RESET = Path("/proc/self/clear_refs")
SMALL = 128
"""Tokens of a launch before the measured one, so that what is set up once does not count."""


def peak_memory(
    kernel: LoadedKernel, workload: Workload, problem: Problem, launch: Launch, *, seed: int
) -> tuple[int | None, str]:
    """Bytes, or None and why nothing tells them.

    A launch may know them itself, by ``device_bytes()``: results and workspace. Else torch counts
    them on an accelerator; on a CPU a child process does the same again and reads the high-water
    mark of its resident memory.
    """
    if (device_bytes := getattr(launch, "device_bytes", None)) is not None:
        return int(device_bytes()), ""
    if kernel.device == "cpu":
        if not RESET.exists():
            return None, f"there is no {RESET} on this system"
        return _of_child(kernel, workload, seed)
    if not is_reached(kernel.device):
        return None, f"torch does not know the device {kernel.device}"
    return _on_device(kernel, problem)


def _on_device(kernel: LoadedKernel, problem: Problem) -> tuple[int | None, str]:
    """By torch's count, of a launch that holds no older results."""
    device = kernel.device.partition(":")[0]
    counter: Any = getattr(import_torch(device), device)
    if not hasattr(counter, "max_memory_allocated"):
        return None, f"torch does not count the memory of {device}"
    launch = launch_of(kernel, problem)
    counter.reset_peak_memory_stats()
    before = counter.memory_allocated()
    run(launch)
    return int(counter.max_memory_allocated()) - int(before), ""


def _of_child(kernel: LoadedKernel, workload: Workload, seed: int) -> tuple[int | None, str]:
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder, "bytes")  # standard output is the kernel's
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "conformance.benchmark.peak_memory",
                kernel.spec,
                str(seed),
                str(answer),
            ],
            input=json.dumps(asdict(replace(workload, real=None))),
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            return None, f"the child process that measures memory failed: {last}"
        return int(answer.read_text()), ""


def measured(kernel: LoadedKernel, workload: Workload, *, seed: int) -> int:
    """Bytes by which the high-water mark of this process rises in one launch."""
    lens = None if workload.lens is None else (SMALL,)
    tokens = min(workload.seqlen_q, SMALL)
    first = replace(workload, batch=1, seqlen_q=tokens, seqlen_k=None, lens=lens)
    with suppress(Unsupported):
        run(_prepared(kernel, first, seed))
    launch = _prepared(kernel, workload, seed)
    _give_back()
    RESET.write_text("5")  # the high-water mark becomes what is resident
    before = _high_water()
    run(launch)
    return _high_water() - before


def _prepared(kernel: LoadedKernel, workload: Workload, seed: int) -> Launch:
    return launch_of(kernel, workload.case.problem(FORMATS[FORMAT], seed=seed))


def _give_back() -> None:
    """Let the C library return what was freed: used again, it would not be seen."""
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)


def _high_water() -> int:
    (line,) = [line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def main(spec: str, seed: str, answer: str) -> None:
    """Write what `measured` finds for the workload that standard input describes."""
    fields = json.load(sys.stdin)
    if fields["lens"] is not None:
        fields["lens"] = tuple(fields["lens"])
    Path(answer).write_text(
        str(measured(load(spec, for_benchmarks=True), Workload(**fields), seed=int(seed)))
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
