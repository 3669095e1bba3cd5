"""What torch and torch_npu have to say, asked in a child process.

With torch_npu installed and CANN absent, a plain ``import torch`` fails, and torch cannot be
imported in that process any more: nobody should ask that in a process that still needs it.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

NO_AUTOLOAD = {"TORCH_DEVICE_BACKEND_AUTOLOAD": "0"}
TIMEOUT = 120  # seconds


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What the child process found.

    Attributes
    ----------
    torch, torch_npu : version, or "" where it is not installed
    ascendcl : why libascendcl.so cannot be loaded, "" if it can
    error : the last line of what importing torch_npu, or asking it, said; "" if all went well
    devices : number of NPUs that torch_npu sees
    soc : name of the first, such as "Ascend910B2", or ""
    """

    torch: str = ""
    torch_npu: str = ""
    ascendcl: str = ""
    error: str = ""
    devices: int = 0
    soc: str = ""


@cache
def probe() -> Probe:
    """Ask in a child process; a crash or a hang there is an answer, too."""
    command = [sys.executable, "-m", "npu_kernels.on_device.torch_probe"]
    try:
        done = subprocess.run(
            command,
            env=os.environ | NO_AUTOLOAD,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return replace(_installed(), error=f"importing torch_npu took more than {TIMEOUT} s")
    if done.returncode < 0:
        how = signal.Signals(-done.returncode).name
        return replace(_installed(), error=f"importing torch_npu ended the process by {how}")
    if done.returncode:
        return replace(_installed(), error=_last_line(done.stderr))
    return Probe(**json.loads(done.stdout.splitlines()[-1]))


def _installed() -> Probe:
    return Probe(torch=_version("torch"), torch_npu=_version("torch_npu"))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1]


def _loads(library: str) -> str:
    try:
        ctypes.CDLL(library)
    except OSError as error:
        return str(error)
    return ""


def look() -> Probe:
    """Import torch_npu in this process and ask it."""
    seen = replace(_installed(), ascendcl=_loads("libascendcl.so"))
    if not seen.torch or not seen.torch_npu:
        return seen
    try:
        npu = torch_with_npu().npu
        devices = int(npu.device_count()) if npu.is_available() else 0
        soc = str(npu.get_device_name(0)) if devices else ""
    except Exception as error:
        return replace(seen, error=_last_line(f"{type(error).__name__}: {error}"))
    return replace(seen, devices=devices, soc=soc)


def torch_with_npu() -> Any:
    """Torch after torch_npu was imported; fails for good in this process where CANN is missing."""
    os.environ.update(NO_AUTOLOAD)  # so that the failure is torch_npu's own
    torch = importlib.import_module("torch")
    importlib.import_module("torch_npu")
    return torch


if __name__ == "__main__":
    print(json.dumps(asdict(look())))
