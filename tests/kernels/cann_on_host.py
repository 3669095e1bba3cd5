"""A CANN folder, and torch's device "npu", made of the host's memory and the emulator's cores.

What runs on it is our own side of the border: build.sh, CMakeLists.txt, the device's library, and
what Python does with it. CANN's compiler, torch_npu and a device are not there. Work is queued and
runs when somebody waits for it; the host cannot touch the device's memory.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import cmake
import pytest
import torch

from npu_kernels.emulator import build
from npu_kernels.on_device import library

HERE = Path(__file__).parent / "cann"
DEVICE = build.PACKAGE / "cann"
CMAKE = Path(cmake.CMAKE_BIN_DIR) / "cmake"
ASCENDC = """
function(ascendc_library name type)
  foreach(source ${ARGN})
    if(NOT EXISTS "${source}")
      message(FATAL_ERROR "no ${source}")
    endif()
  endforeach()
  add_library(${name} INTERFACE)
endfunction()
function(ascendc_include_directories)
endfunction()
function(ascendc_compile_options)
endfunction()
"""
PARTS = {
    "acl.h": "include/acl/acl.h",
    "libascendcl.so": "lib64/libascendcl.so",
    "ascendc.cmake": "compiler/tikcpp/ascendc_kernel_cmake/ascendc.cmake",
}
CHIP = "Ascend910B2"
STREAMS = (0x57, 0x58, 0x59)
"""Handles of streams 0, 1 and 2; the runtime knows no stream of the last one."""


def folder_with(folder: Path, *parts: str) -> Path:
    """A CANN folder with these of PARTS, the library of the runtime among them."""
    for part in parts:
        file = folder / PARTS[part]
        file.parent.mkdir(parents=True, exist_ok=True)
        if part == "acl.h":
            shutil.copy(HERE / "acl" / "acl.h", file)
        elif part == "libascendcl.so":
            file.symlink_to(_runtime(folder.parent / "runtime"))
        else:
            file.write_text(ASCENDC)
    return folder


def _runtime(sources: Path) -> Path:
    """The kernels as the device has them, the functions that launch them, and the runtime."""
    shutil.copytree(build.FLASH_ATTENTION, sources)
    for host_file in (sources / "host").glob("*.cpp"):
        host_file.unlink()
    for name in ("host_device.h", "host_device.cpp", "runtime.cpp"):
        shutil.copy(HERE / name, sources)
    shutil.copy(DEVICE / "stubs.h", sources)
    shutil.copytree(HERE / "acl", sources / "acl")
    return build.library(kernel=sources, kernel_options=build.STRICT)


def script(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What build.sh says to these arguments, in an environment of nothing else."""
    needed = {"PATH": "/usr/bin:/bin", "CMAKE": str(CMAKE), "NPU_BUILD_DIR": "/dev/null"}
    return subprocess.run(
        ["bash", str(library.SCRIPT), *arguments],
        env=needed | environment,
        capture_output=True,
        text=True,
        check=False,
    )


# --- torch_npu ---


class Counts(NamedTuple):
    """What happened on the device."""

    copies_to_host: int
    copies_to_device: int
    waits: int
    launches: int


class HostDevice:
    """The device "npu" of torch in this process, over the runtime of a CANN folder."""

    def __init__(self, runtime: Path) -> None:
        """`runtime` : libascendcl.so of a folder made here."""
        self.runtime = ctypes.CDLL(str(runtime), ctypes.RTLD_GLOBAL)
        self.torch_npu = ctypes.CDLL(str(_torch_npu(runtime.resolve())))
        self.runtime.host_device_count.restype = ctypes.c_int64
        self.runtime.host_device_blocks.restype = ctypes.c_int64
        self.runtime.host_device_last_stream.restype = ctypes.c_void_p
        self.torch_npu.host_torch_npu_stream.restype = ctypes.c_int64
        torch.utils.rename_privateuse1_backend("npu")
        self.torch_npu.host_torch_npu_begin()
        torch._register_device_module("npu", self.module())

    def module(self) -> ModuleType:
        """torch.npu, as far as anybody here asks it."""
        npu = ModuleType("torch.npu")
        npu.current_stream = self.current_stream
        npu.synchronize = self.synchronize
        npu.device = lambda device: nullcontext()
        npu.is_available = lambda: True
        npu.device_count = lambda: 1
        npu._is_in_bad_fork = lambda: False
        npu.manual_seed_all = lambda seed: None
        return npu

    def current_stream(self) -> torch.Stream:
        """A stream of torch with torch_npu's handle."""
        number = self.torch_npu.host_torch_npu_stream()
        stream = _Stream(stream_id=number, device_index=0, device_type=20)
        stream.npu_stream = STREAMS[number]
        stream.synchronize = self.synchronize
        return stream

    def use_stream(self, number: int) -> None:
        """Make one of STREAMS the current one of this thread."""
        self.torch_npu.host_torch_npu_set_stream(ctypes.c_int64(number))

    def synchronize(self) -> None:
        """Let everything run that waits.

        Raises
        ------
        RuntimeError
            If a kernel failed.
        """
        if self.torch_npu.host_torch_npu_synchronize():
            raise RuntimeError("507015: the device failed")

    def reset(self) -> None:
        """Count from here on."""
        self.runtime.host_device_reset()

    def counts(self) -> Counts:
        """What happened since `reset`."""
        return Counts(*(self.runtime.host_device_count(which) for which in range(4)))

    def blocks(self) -> int:
        """Allocations of the device that are not freed; lets everything run."""
        return int(self.runtime.host_device_blocks())

    def set_room(self, most: int) -> None:
        """The largest allocation that there is room for, in bytes."""
        self.torch_npu.host_torch_npu_set_room(ctypes.c_int64(most))

    def fail_next(self) -> None:
        """Let the next kernel that runs fail."""
        self.runtime.host_device_fail_next()

    def last_stream(self) -> int:
        """The stream of what was queued last."""
        return int(self.runtime.host_device_last_stream())

    def set_soc(self, name: str) -> None:
        """The chip that the runtime names."""
        self.runtime.host_cann_set_soc(name.encode())


class _Stream(torch.Stream):
    """With room for torch_npu's attributes."""


def _torch_npu(runtime: Path) -> Path:
    """torch_npu.cpp, compiled against this torch and this runtime."""
    torch_folder = Path(torch.__file__).parent
    source = HERE / "torch_npu.cpp"
    content = "\0".join([torch.__version__, str(runtime), source.read_text()])
    target = build.build_folder() / f"{hashlib.sha256(content.encode()).hexdigest()[:20]}.so"
    if not target.exists():
        partial = target.with_suffix(f".{os.getpid()}.so")
        include = torch_folder / "include"
        subprocess.run(
            [
                *build.compiler(),
                *("-std=c++20", "-O0", "-fPIC", "-shared", f"-I{HERE}"),
                *(f"-I{include}", f"-I{include}/torch/csrc/api/include"),
                *(str(source), "-o", str(partial), str(runtime), f"-Wl,-rpath,{runtime.parent}"),
                *(f"-L{torch_folder}/lib", "-ltorch_cpu", "-lc10"),
            ],
            check=True,
        )
        partial.rename(target)
    return target


@cache
def host_device() -> HostDevice:
    """The one device of this process."""
    return HostDevice(_whole_cann() / PARTS["libascendcl.so"])


@cache
def built() -> Path:
    """NPU_BUILD_DIR with a library that build.sh made for CHIP in it; the device is there, too."""
    host_device()  # before a test says where else to compile
    cann = _whole_cann()
    folder = cann.parent / "built"
    with _locked(cann.parent):
        if not folder.exists():
            done = script("-arch", "910", NPU_BUILD_DIR=str(folder), ASCEND_HOME_PATH=str(cann))
            if done.returncode:
                raise build.BuildError(done.stderr)
    return folder


@cache
def _whole_cann() -> Path:
    """A CANN folder with all its parts, kept for as long as no source changes."""
    places = (build.PACKAGE / "abi.h", build.FLASH_ATTENTION, build.EMULATOR, DEVICE, HERE)
    content = build.digest(*places, suffixes=(".h", ".cpp", ".asc", ".txt", ".sh"))
    place = build.build_folder() / f"cann-{content[:20]}"
    place.mkdir(exist_ok=True)
    with _locked(place):
        if not (place / "cann").exists():
            shutil.rmtree(place / "runtime", ignore_errors=True)
            folder_with(place / "cann", *PARTS)
    return place / "cann"


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def use_device(monkeypatch: pytest.MonkeyPatch) -> HostDevice:
    """The device, its library and torch_npu, for one test."""
    monkeypatch.setenv("NPU_BUILD_DIR", str(built()))
    monkeypatch.setitem(sys.modules, "torch_npu", ModuleType("torch_npu"))
    device = host_device()
    device.set_soc(CHIP)
    return device
