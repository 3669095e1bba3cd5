"""Our device code through a compiler that tells a core's functions from the host's."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import clang_tidy
import pytest

from kernels.declarations import declarations
from npu_kernels.emulator import build

TIDY = Path(clang_tidy.__file__).parent / "data/bin/clang-tidy"
DECLARED = Path(__file__).parent / "cann/declared"
ASC = build.PACKAGE / "cann/flash_attention.asc"
ENTRIES = [*sorted((build.FLASH_ATTENTION / "kernels").glob("*.cpp")), ASC]
CUDA_MODE = (
    *("-x", "cuda", "--cuda-device-only", "--cuda-gpu-arch=sm_70", "-nocudainc", "-nocudalib"),
    "-Xclang",
    "-fno-cuda-host-device-constexpr",  # constexpr alone makes no function of a core
    *("-std=c++17", "-fsyntax-only", "-Wall", "-Wextra", "-Werror"),
    "-Wno-undefined-internal",  # nothing that is declared is defined
)


def complaints(entry: Path, kernel: Path = build.FLASH_ATTENTION) -> str:
    """What the compiler says of the device code of `entry`, included from the folder `kernel`."""
    places = (f"-I{place}" for place in (DECLARED, kernel, ASC.parent))
    command = [TIDY, "--quiet", "--checks=-*", "--allow-no-checks", entry]
    done = subprocess.run(
        [*map(str, command), "--", *CUDA_MODE, *places], capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr if done.returncode else ""


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_a_core_calls_functions_of_a_core(entry):
    assert not complaints(entry)


FAULTS = {
    "a function without its attribute": (
        "common/row_slab.h",
        "__aicore__ inline void keep_where(",
        "inline void keep_where(",
        "call to __host__ function from __device__ function",
    ),
    "a function that is constexpr and no more": (
        "common/sizes.h",
        "constexpr BOTH_SIDES inline int64_t min_of(",
        "constexpr inline int64_t min_of(",
        "call to __host__ function from __device__ function",
    ),
    "a function of the C library": (
        "common/row_slab.h",
        "const LocalTensor<float> wide = wide_.Get<float>();",
        "extern double fabs(double); fabs(1.0);"
        " const LocalTensor<float> wide = wide_.Get<float>();",
        "reference to __host__ function 'fabs' in __device__ function",
    ),
    "a function of a core in a constant's initial value": (
        "common/sizes.h",
        "constexpr int64_t staircase_rows = 3 * block_k + 1;",
        "constexpr int64_t staircase_rows = round_up(3 * block_k, 1) + 1;",
        "call to __device__ function from __host__ function",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_function_of_the_host_is_refused(fault, tmp_path):
    file, old, new, says = FAULTS[fault]
    kernel = tmp_path / "flash_attention"
    shutil.copytree(build.FLASH_ATTENTION, kernel)
    source = (kernel / file).read_text()
    assert source.count(old) == 1
    (kernel / file).write_text(source.replace(old, new))
    assert says in complaints(kernel / "kernels/forward_fp16.cpp", kernel)


def test_the_declarations_are_the_emulators():
    def read(folder: Path) -> set[str]:
        command = [*build.compiler(), "-std=c++17", "-E", "-P", str(folder / "kernel_operator.h")]
        text = subprocess.run(
            [*command, f"-I{folder}"], capture_output=True, text=True, check=True
        ).stdout
        return declarations(text)

    assert read(DECLARED) == read(build.EMULATOR)


def test_no_object_holds_a_tpipe():
    """A global pointer leads to a TPipe: its object's fields would stay out of registers."""
    member = re.compile(r"^  TPipe \w+_;", re.MULTILINE)
    headers = sorted(build.FLASH_ATTENTION.rglob("*.h"))
    assert not [file.name for file in headers if member.search(file.read_text())]
