"""build.sh takes the chips of dav-c220 and refuses the others; one line says what is missing.

CANN's compiler is not here: what is built with it is not tested, and nothing ran on a device.
"""

from __future__ import annotations

import re
import subprocess

import pytest

from kernels.cann_on_host import CMAKE, DEVICE, PARTS, script
from npu_kernels.emulator import build

CHOSEN = {
    "910b1": "Ascend910B1",
    "910B2": "Ascend910B2",
    "Ascend910B2C": "Ascend910B2C",
    "910b3": "Ascend910B3",
    "ascend910b4-1": "Ascend910B4-1",
    "910_93": "Ascend910_9391",
    "Ascend910_9392": "Ascend910_9392",
    "910": "Ascend910B2",
    "910pro": "Ascend910_9391",
}


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    return str(tmp_path_factory.mktemp("cann"))


@pytest.mark.parametrize("arch", CHOSEN)
def test_a_chip_of_dav_c220_is_taken(tmp_path, empty, arch):
    done = script("-arch", arch, "-o", str(tmp_path), ASCEND_HOME_PATH=empty)
    assert f"build.sh: {CHOSEN[arch]}, CANN in {empty}\n" in done.stdout
    assert done.returncode == 3


@pytest.mark.parametrize("arch", ["910", "910pro", "910_93"])
def test_a_name_of_no_chip_is_taken_as_one_by_a_choice_that_is_said(tmp_path, empty, arch):
    done = script("-arch", arch, "-o", str(tmp_path), ASCEND_HOME_PATH=empty)
    assert f"build.sh: -arch {arch} is taken as {CHOSEN[arch]} (Atlas A" in done.stdout


COUPLED = r"is of dav-c100, a different core: .*; these kernels are for dav-c220 \(Atlas A2, A3\)"
REFUSED = {
    "Ascend910B": f"Ascend910B without a digit {COUPLED}: give 910b1, ",
    "910b": f"910b without a digit {COUPLED}: give 910b1, ",
    "910A": f"910A {COUPLED}$",
    "Ascend910A": f"Ascend910A {COUPLED}$",
    "910ProA": f"910ProA {COUPLED}$",
    "Ascend910ProB": f"Ascend910ProB {COUPLED}$",
    "Ascend910PremiumA": f"Ascend910PremiumA {COUPLED}$",
    "Ascend910": "Ascend910 is no SOC name: give -arch 910b1",
    "910PRO": "910PRO is no SOC name: give -arch 910b1",
    "Ascend310P3": "Ascend310P3 is no chip of dav-c220",
    "Ascend950PR_9599": "Ascend950PR_9599 is no chip of dav-c220",
    "910b5": "910b5 is no chip of dav-c220",
    "910_9363": "910_9363 is no chip of dav-c220",
}


@pytest.mark.parametrize("arch", REFUSED)
def test_another_chip_is_refused_with_the_reason(empty, arch):
    done = script("-arch", arch, ASCEND_HOME_PATH=empty)
    assert done.returncode == 2
    assert re.match(f"build.sh: {REFUSED[arch]}", done.stderr)
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "no chip: give -arch 910b1"),
        (("-arch",), "-arch needs a value"),
        (("-arch", ""), "-arch needs a value"),
        (("910b1",), "unknown argument 910b1"),
        (("-arch", "910b1", "-by", "make"), "-by make: give asc"),
    ],
)
def test_wrong_arguments_are_refused(arguments, text):
    done = script(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"build.sh: {text}")


def test_without_cann_one_line_names_its_folder(tmp_path):
    done = script("-arch", "910b1", ASCEND_HOME_PATH=str(tmp_path / "none"))
    assert done.returncode == 3
    assert re.fullmatch(r"build.sh: no CANN: there is no folder \S+: install .*\n", done.stderr)


def test_without_cmake_one_line_says_how_to_get_it(empty):
    done = script("-arch", "910b1", ASCEND_HOME_PATH=empty, CMAKE="no-such-cmake")
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert "there is no command no-such-cmake: pip install cmake" in done.stderr


@pytest.mark.parametrize("there", range(len(PARTS)))
def test_an_incomplete_cann_is_told_by_the_first_file_that_is_missing(tmp_path, there):
    cann = tmp_path / "cann"
    cann.mkdir()
    for part in list(PARTS.values())[:there]:
        (cann / part).parent.mkdir(parents=True)
        (cann / part).touch()
    missing = cann / list(PARTS.values())[there]
    done = script("-arch", "910b1", "-o", str(tmp_path), ASCEND_HOME_PATH=str(cann))
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert done.stderr.startswith(f"build.sh: no CANN: {missing}")


def test_the_language_asc_that_was_asked_for_and_is_not_there_is_named(tmp_path):
    for part in PARTS.values():
        (tmp_path / part).parent.mkdir(parents=True)
        (tmp_path / part).touch()
    done = script(
        "-arch", "910b1", "-by", "asc", "-o", str(tmp_path), ASCEND_HOME_PATH=str(tmp_path)
    )
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert done.stderr.startswith(f"build.sh: no CANN: the CMake package ASC in {tmp_path}: ")


def test_cmake_alone_names_the_missing_file_in_one_line(tmp_path, empty):
    chip = ("-DSOC_VERSION=Ascend910B1", f"-DASCEND_CANN_PACKAGE_PATH={empty}")
    command = [CMAKE, "-S", DEVICE, "-B", tmp_path, *chip]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"   missing: {empty}/include/acl/acl.h: install the CANN toolkit" in done.stderr


# --- What CANN's own tools ask of our sources ---

KERNELS = sorted((build.FLASH_ATTENTION / "kernels").glob("*.cpp"))
CALL = r"\n  flash::(\S.*)\(arguments\);\n}\n"
OF_8 = re.compile(
    r'extern "C" __global__ __aicore__ void flash_(\w+)\(GM_ADDR arguments\) {\n'
    r"  KERNEL_TASK_TYPE_DEFAULT\(KERNEL_TYPE_(\w+)\);" + CALL
)
OF_9 = re.compile(
    r"__global__ __(\w+)__(?:\(1, 2\))? void flash_(\w+)\(GM_ADDR arguments\) {" + CALL
)
LAUNCHED = re.compile(r" aclrtlaunch_flash_(\w+)\(.*\) {\n  flash_(\w+)<<<")
CORES_OF = {"MIX_AIC_1_2": "mixed", "AIV_ONLY": "vector_only"} | {
    "mix": "mixed",
    "vector": "vector_only",
}


@pytest.mark.parametrize("file", KERNELS, ids=lambda file: file.stem)
def test_a_file_has_one_kernel_of_one_address(file):
    """The stub generator of ascendc_library knows no struct and only one kernel type to a file."""
    [(name, _, _)] = OF_8.findall(file.read_text())
    assert name == file.stem
    assert file.read_text().count("KERNEL_TASK_TYPE_DEFAULT(") == 1


def test_the_list_of_kernels_and_both_ways_to_build_agree():
    listed = re.findall(
        r"kernel\((\w+), (\w+)\)", (build.FLASH_ATTENTION / "host/kernels.h").read_text()
    )
    of_8 = {
        (name, CORES_OF[cores], body)
        for file in KERNELS
        for name, cores, body in OF_8.findall(file.read_text())
    }
    asc = (DEVICE / "flash_attention.asc").read_text()
    of_9 = {(name, CORES_OF[cores], body) for cores, name, body in OF_9.findall(asc)}
    assert of_8 == of_9
    assert {(name, cores) for name, cores, _ in of_8} == set(listed) != set()
    assert LAUNCHED.findall(asc) == [(name, name) for _, name, _ in OF_9.findall(asc)]
