"""Where parts of CANN lie in its releases, and who compiles and links what.

Compilers that write down what they were called for stand in for CANN's.
CANN's own compiler is not here. What the stand-ins cannot know is in docs/device.md.
"""

from __future__ import annotations

import platform
import shutil

import pytest

from kernels.cann_on_host import DEVICE, HERE, script
from npu_kernels.emulator import build

MACHINE = f"{platform.machine()}-linux"
LIBRARY = "libnpu_flash_attention.so"
ASCENDC_LIBRARY = """
function(ascendc_library name type)
  foreach(source ${ARGN})
    get_filename_component(stem "${source}" NAME_WE)
    add_custom_command(OUTPUT ${stem}.o COMMAND "$ENV{ASC}" -o ${stem}.o -c "${source}")
    list(APPEND objects ${stem}.o)
  endforeach()
  add_library(${name} ${type} ${objects})
  set_target_properties(${name} PROPERTIES LINKER_LANGUAGE CXX)
endfunction()
function(ascendc_include_directories)
endfunction()
function(ascendc_compile_options)
endfunction()
"""
TOOLKITS = {
    "9.x": ("", "lib64/cmake/asc/asc-config.cmake"),
    "9.x, package beside others": ("", "lib64/cmake/asc-config.cmake"),
    "9.x by machine": (MACHINE, f"{MACHINE}/lib64/cmake/asc/asc-config.cmake"),
    "8.x": ("", "compiler/tikcpp/ascendc_kernel_cmake/ascendc.cmake"),
    "8.x, of old": ("", "tools/tikcpp/ascendc_kernel_cmake/ascendc.cmake"),
    "8.x by machine": (MACHINE, f"{MACHINE}/tikcpp/ascendc_kernel_cmake/ascendc.cmake"),
}
"""Where acl.h and libascendcl.so are, and what says how kernels are compiled."""


@pytest.fixture
def built(tmp_path, request):
    """What the stand-ins wrote, for a toolkit of a layout."""
    runtime, compiled_by = TOOLKITS[request.param]
    cann = tmp_path / "cann"
    include, lib = cann / runtime / "include/acl", cann / runtime / "lib64"
    package = cann / compiled_by
    for folder in (include, lib, package.parent, tmp_path / "bin"):
        folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "acl/acl.h", include)
    (lib / "libascendcl.so").write_text("/* a linker script */")
    if package.name == "ascendc.cmake":
        package.write_text(ASCENDC_LIBRARY)
    else:
        shutil.copytree(HERE / "asc", package.parent, dirs_exist_ok=True)
    for name in ("bisheng", "c++"):
        (tmp_path / "bin" / name).symlink_to(HERE / "recording_compiler.sh")
    compilers = {"ASC": f"{tmp_path}/bin/bisheng", "CXX": f"{tmp_path}/bin/c++"}
    done = script(
        *("-arch", "910b1", "-o", str(tmp_path)),
        RECORD=str(tmp_path / "record"),
        ASCEND_TOOLKIT_HOME=str(cann),  # as older set_env.sh have it, and ASCEND_HOME_PATH not
        **compilers,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / LIBRARY).exists()
    return (tmp_path / "record").read_text().splitlines()


HOST_FILES = {
    *(file.name for file in DEVICE.glob("*.cpp")),
    *(file.name for file in (build.FLASH_ATTENTION / "host").glob("*.cpp")),
} - {"on_emulator.cpp"}
KERNELS = {file.name for file in (build.FLASH_ATTENTION / "kernels").glob("*.cpp")}


def compiled(record, compiler):
    lines = (line.split(" compiles ") for line in record if " compiles " in line)
    return {file for who, file in lines if who == compiler and not file.startswith("CMake")}


@pytest.mark.parametrize("built", [name for name in TOOLKITS if name[0] == "9"], indirect=True)
def test_the_language_asc_compiles_the_kernels_and_links_the_library(built):
    """Its compiler adds the libraries that a launch needs; C++ would leave them out."""
    assert compiled(built, "bisheng") == {"flash_attention.asc"}
    assert compiled(built, "c++") == HOST_FILES
    assert [line for line in built if line.endswith(LIBRARY)] == [f"bisheng links {LIBRARY}"]


@pytest.mark.parametrize("built", [name for name in TOOLKITS if name[0] == "8"], indirect=True)
def test_ascendc_library_compiles_the_kernels_and_cpp_links_the_library(built):
    assert compiled(built, "bisheng") == KERNELS
    assert compiled(built, "c++") == HOST_FILES
    assert [line for line in built if line.endswith(LIBRARY)] == [f"c++ links {LIBRARY}"]
