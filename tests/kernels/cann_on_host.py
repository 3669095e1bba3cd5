"""A CANN folder whose runtime has the host's memory and the emulator's cores: no device.

What runs on it is our own side of the border: build.sh, CMakeLists.txt, the device's library, and
what Python does with it. CANN's compiler and a device are not there.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import weakref
from pathlib import Path

import cmake

from npu_kernels.emulator import build
from npu_kernels.on_device import library
from npu_kernels.on_device.memory import OnDevice, TorchMemory

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
    for file in (DEVICE / "stubs.h", HERE / "runtime.cpp"):
        shutil.copy(file, sources)
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


class HostMemory:
    """Memory of torch's CPU, which the runtime is told of as long as it lives."""

    def __init__(self, runtime: ctypes.CDLL) -> None:
        """`runtime` : the loaded libascendcl.so of a CANN folder made here."""
        self.runtime, self.torch = runtime, TorchMemory("cpu")
        runtime.host_cann_remove.argtypes = [ctypes.c_void_p]

    def upload(self, data, *, is_written):
        """A tensor that the runtime knows."""
        block = self.torch.upload(data, is_written=is_written)
        address = self.torch.address(block)
        size = ctypes.c_int64(data.size)
        self.runtime.host_cann_add(ctypes.c_void_p(address), size, int(is_written))
        weakref.finalize(block, self.runtime.host_cann_remove, address)
        return block

    def download(self, block):
        """Its bytes."""
        return self.torch.download(block).copy()

    def address(self, block):
        """Its first byte."""
        return self.torch.address(block)

    def stream(self):
        """The one that the runtime accepts."""
        return 0x57


def on_host(root: Path) -> OnDevice:
    """The library that build.sh made with this CANN folder, over the host's memory."""
    return OnDevice(library.load(), HostMemory(ctypes.CDLL(root / PARTS["libascendcl.so"])))
