"""Our device code as CANN's compiler meets it, as far as a compiler without CANN can tell."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from npu_kernels.emulator import build

CANN = Path(__file__).parent / "cann"
VENDOR_MACROS = (
    *("__aicore__", "__global__", "__gm__", "__ubuf__", "__cbuf__", "GM_ADDR"),
    *("__mix__", "__vector__", "__cube__", "ASCEND_IS_AIC", "ASCEND_IS_AIV"),
    *("KERNEL_TASK_TYPE", "KERNEL_TASK_TYPE_DEFAULT"),
)
"""Names that kernel_operator.h or the compiler defines, and only if they are not yet."""
DECIDED_BY_THEM = "BOTH_SIDES"  # sizes.h, which a host file includes without kernel_operator.h
HEADER = "\n".join(
    [
        "#pragma once",
        *(
            f"#ifdef {name}\n#error {name} is defined before kernel_operator.h\n#endif"
            for name in (*VENDOR_MACROS, DECIDED_BY_THEM)
        ),
        *(f"#define {name}" for name in VENDOR_MACROS),
    ]
)
ENTRIES = [
    *sorted((build.FLASH_ATTENTION / "kernels").glob("*.cpp")),
    build.PACKAGE / "cann/flash_attention.asc",
]
SHARED = {
    *("common/addresses.h", "common/sizes.h", "common/problem.h"),
    *("forward/arguments.h", "backward/arguments.h", "backward/sizes.h", "dropout/problem.h"),
}
"""Headers that host files include, too."""
DEVICE = [
    header
    for room in ("common", "forward", "backward", "dropout")
    for header in sorted((build.FLASH_ATTENTION / room).glob("*.h"))
    if str(header.relative_to(build.FLASH_ATTENTION)) not in SHARED
]


@pytest.fixture(scope="module")
def headers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("headers")
    (folder / "kernel_operator.h").write_text(HEADER)
    return folder


@pytest.mark.parametrize("file", ENTRIES, ids=lambda file: file.name)
def test_no_name_of_the_vendor_is_defined_before_its_header(headers, file):
    """Its header leaves them alone then: functions lose the attribute that a core needs."""
    places = [f"-I{place}" for place in (headers, build.FLASH_ATTENTION, build.PACKAGE / "cann")]
    command = [*build.compiler(), "-std=c++17", "-E", *places, "-x", "c++", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert re.findall("error: .*", done.stderr) == []


@pytest.mark.parametrize("file", DEVICE, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_kernel_operator_comes_first_in_each_header_of_the_device(file):
    assert re.search("#include .*", file.read_text()).group() == '#include "kernel_operator.h"'


@pytest.mark.parametrize("name", sorted(SHARED))
def test_a_header_that_the_host_shares_needs_nothing_of_the_vendor(name):
    text = (build.FLASH_ATTENTION / name).read_text()
    assert not [
        macro for macro in ('include "kernel_operator.h"', "AscendC", "GM_ADDR") if macro in text
    ]


# --- The arguments, which a kernel reads as words ---


def run_by(command: list[str], folder) -> str:
    """What arguments_arrive.cpp says, compiled by this command."""
    units = [CANN / "opaque/word.cpp", CANN / "arguments_arrive.cpp"]
    places = [f"-I{place}" for place in (CANN / "opaque", build.FLASH_ATTENTION)]
    for unit in units:
        call = [*command, "-std=c++17", "-fstrict-aliasing", *places, "-c", str(unit)]
        subprocess.run([*call, "-o", str(folder / f"{unit.stem}.o")], check=True)
    objects = [str(folder / f"{unit.stem}.o") for unit in units]
    subprocess.run([*command, *objects, "-o", str(folder / "program")], check=True)
    done = subprocess.run([folder / "program"], capture_output=True, text=True, check=False)
    return done.stdout


@pytest.mark.parametrize("level", ["-O0", "-O2", "-O3"])
@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_fields_of_any_type_arrive_whatever_a_compiler_makes_of_their_types(
    tmp_path, compiler, level
):
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler} on this machine")
    assert run_by([compiler, level], tmp_path) == "scale * softcap * keep_prob = 2.8125\n"
