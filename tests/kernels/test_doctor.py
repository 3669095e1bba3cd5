"""The doctor finds what is there, and gives the next step for what is not. No device is here."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from npu_kernels import doctor
from npu_kernels.doctor import Finding, Places
from npu_kernels.emulator import build
from npu_kernels.on_device import torch_probe
from npu_kernels.on_device.torch_probe import Probe

ROOT = Path(__file__).parents[2]
NO_LIBRARY = "libhccl.so: cannot open shared object file: No such file or directory"


def asked(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """``python -m npu_kernels`` with these arguments."""
    return subprocess.run(
        [sys.executable, "-m", "npu_kernels", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


# --- The whole, on this machine ---


@pytest.mark.parametrize(("target", "code"), [("emulator", 0), ("device", 1)])
def test_the_exit_code_tells_whether_the_target_can_run(target, code):
    build.library()  # compiled now, since compiling is announced
    done = asked("doctor", "--target", target, ASCEND_HOME_PATH="")
    assert (done.returncode, done.stderr) == (code, "")
    assert "\nemulator: can run\n" in done.stdout
    assert "\ndevice: cannot run without torch_npu, CANN, " in done.stdout


def test_every_part_has_a_line_with_what_was_found_or_the_next_step():
    lines = asked("doctor", ASCEND_HOME_PATH="").stdout.splitlines()
    parts = {part for needed in doctor.TARGETS.values() for part in needed}
    assert {line[:15].strip() for line in lines[:-3]} == parts | {"torch", "compiler"}
    for line in lines[:-3]:
        assert line[16:].removeprefix("missing: ")


def test_without_a_compiler_the_emulator_cannot_run():
    done = asked("doctor", CXX="no-such-compiler")
    assert done.returncode == 1
    assert (
        "\nemulator        missing: CXX=no-such-compiler: there is no such command" in done.stdout
    )
    assert "\nemulator: cannot run without compiler, emulator\n" in done.stdout


def test_no_command_is_an_error():
    assert asked().returncode == asked("nurse").returncode == 2


# --- torch and torch_npu, in a child process ---

IMPORTS = {
    "a library of CANN is missing": (f"raise ImportError({NO_LIBRARY!r})", NO_LIBRARY),
    "CANN's folder is not there": ("raise Exception('ASCEND_OPP_PATH')", "ASCEND_OPP_PATH"),
    "the process is killed": ("import os; os.kill(os.getpid(), 11)", "the process by SIGSEGV"),
    "the process ends": ("raise SystemExit('two accelerators')", "two accelerators"),
    "the process hangs": ("import time; time.sleep(60)", "took more than 3 s"),
}
SEES = """
import torch
print("a warning on stdout")
torch.npu = type("npu", (), dict(
    is_available=lambda: True, device_count=lambda: 2, get_device_name=lambda index: "Ascend910B3"))
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Install packages of these names and contents, and ask."""

    def install(**packages: str) -> Probe:
        for name, text in packages.items():
            notes = tmp_path / f"{name}-2.13.0.dist-info"
            notes.mkdir()
            (notes / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 9\n")
            (tmp_path / name).mkdir()
            (tmp_path / name / "__init__.py").write_text(text)
        monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
        monkeypatch.syspath_prepend(tmp_path)
        return torch_probe.probe.__wrapped__()

    return install


STRICT_TORCH = "import os\nassert os.environ['TORCH_DEVICE_BACKEND_AUTOLOAD'] == '0'\n"


@pytest.mark.parametrize("case", IMPORTS)
def test_whatever_importing_torch_npu_does_is_an_answer(installed, monkeypatch, case):
    text, error = IMPORTS[case]
    if "hangs" in case:
        monkeypatch.setattr(torch_probe, "TIMEOUT", 3)
    found = installed(torch=STRICT_TORCH, torch_npu=text)
    assert (found.torch, found.torch_npu, found.devices, found.soc) == ("9", "9", 0, "")
    assert error in found.error


def test_devices_and_their_chip_are_seen(installed):
    found = installed(torch=STRICT_TORCH, torch_npu=SEES)
    assert (found.error, found.devices, found.soc) == ("", 2, "Ascend910B3")


def test_torch_without_torch_npu_is_not_imported(installed):
    found = installed(torch="raise Exception('imported')")
    assert (found.torch, found.torch_npu, found.error) == ("9", "", "")


# --- Part by part ---


def steps(*findings: Finding) -> str:
    return "\n".join(finding.step for finding in findings)


def test_a_torch_npu_that_does_not_work_tells_why_and_what_to_do():
    broken = Probe(torch="2.13.0", torch_npu="2.13.0", ascendcl="none", error=NO_LIBRARY)
    assert NO_LIBRARY in steps(doctor._torch_npu(broken))
    assert steps(doctor._torch_npu(broken)).endswith(doctor.TOOLKIT)
    assert "reinstall" in steps(doctor._torch_npu(replace(broken, ascendcl="")))
    assert "pip install torch_npu==2.13.0" in steps(doctor._torch_npu(Probe(torch="2.13.0")))


def test_cann_is_its_folder_its_version_and_a_library_that_loads(tmp_path, monkeypatch):
    monkeypatch.delenv("ASCEND_HOME_PATH", raising=False)
    assert "ASCEND_HOME_PATH is not set" in steps(doctor._cann(Probe()))
    monkeypatch.setenv("ASCEND_HOME_PATH", str(tmp_path / "cann"))
    assert f"{tmp_path}/cann is no folder" in steps(doctor._cann(Probe()))
    notes = tmp_path / "cann" / "x86_64-linux" / "ascend_toolkit_install.info"
    notes.parent.mkdir(parents=True)
    assert doctor._cann(Probe()).present == f"in {tmp_path}/cann"
    notes.write_text("package_name=Ascend-cann-toolkit\nversion=8.5.0\n")
    assert doctor._cann(Probe()).present == f"8.5.0 in {tmp_path}/cann"
    assert "set_env.sh" in steps(doctor._cann(Probe(ascendcl="libascendcl.so: cannot open")))


def test_driver_and_devices_are_files(tmp_path, monkeypatch):
    monkeypatch.delenv("ASCEND_RT_VISIBLE_DEVICES", raising=False)
    places = Places(dev=tmp_path, driver=tmp_path)
    assert "davinci_manager" in steps(doctor._driver(places))
    assert f"there is no {tmp_path}/davinci0" in steps(doctor._devices(places, Probe()))
    for name in ("davinci_manager", "davinci0", "davinci1"):
        (tmp_path / name).touch()
    assert doctor._driver(places).present == "of unknown version"
    (tmp_path / "version.info").write_text("Version=24.1.rc2\nascendhal_version=7.35.23\n")
    assert doctor._driver(places).present == "24.1.rc2"
    assert doctor._devices(places, Probe(devices=2)).present == "2 of 2"
    assert "torch_npu sees none: " in steps(doctor._devices(places, Probe()))
    monkeypatch.setenv("ASCEND_RT_VISIBLE_DEVICES", "")
    assert "with ASCEND_RT_VISIBLE_DEVICES=''" in steps(doctor._devices(places, Probe()))


def test_a_library_for_another_chip_is_missing(monkeypatch):
    library = SimpleNamespace(npu_built_for=lambda: b"Ascend910B1")
    monkeypatch.setattr(doctor.device_library, "load", lambda: library)
    here = Probe(devices=1, soc="Ascend910B4")
    assert "built for Ascend910B1, and this chip is Ascend910B4" in steps(
        doctor._device_library(here)
    )
    assert "Ascend910B1" in doctor._device_library(replace(here, soc="Ascend910B1")).present


def test_a_device_with_all_its_parts_can_run(tmp_path, monkeypatch, capsys):
    for name in ("davinci_manager", "davinci0"):
        (tmp_path / name).touch()
    library = SimpleNamespace(npu_built_for=lambda: b"Ascend910B1")
    found = Probe(torch="2.13.0", torch_npu="2.13.0", devices=1, soc="Ascend910B1")
    monkeypatch.setattr(doctor.device_library, "load", lambda: library)
    monkeypatch.setattr(doctor, "probe", lambda: found)
    monkeypatch.setenv("ASCEND_HOME_PATH", str(tmp_path))
    assert doctor.run("device", Places(dev=tmp_path, driver=tmp_path)) == 0
    assert capsys.readouterr().out.endswith("\nemulator: can run\ndevice: can run\n")
