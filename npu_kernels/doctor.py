"""What our kernels need, what of it is here, and the next step for whatever is not.

``python -m npu_kernels doctor --target emulator|device``
"""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from npu_kernels.ascend_c import binding, loading
from npu_kernels.emulator import build
from npu_kernels.on_device import library as device_library
from npu_kernels.on_device import versions
from npu_kernels.on_device.torch_probe import Probe, probe
from reference.formats import FP16
from reference.problem import Problem, Unsupported

TARGETS = {
    "emulator": ("python", "compiler", "emulator"),
    "device": (
        *("python", "torch", "torch_npu", "CANN", "driver", "devices", "SOC", "device library"),
    ),
}
TOOLKIT = "install the CANN toolkit, 8.0 or later, and source its set_env.sh"


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where the driver leaves its traces."""

    dev: Path = Path("/dev")
    driver: Path = Path("/usr/local/Ascend/driver")


@dataclass(frozen=True)
class Finding:
    """One part: what is present of it, or the next step.

    Attributes
    ----------
    part : str
    present : what is there and which version, or "" if it is missing
    step : what is wrong and what to do about it, "" if nothing
    """

    part: str
    present: str
    step: str = ""

    def __str__(self) -> str:
        if self.present and self.step:
            return f"{self.part:<15} {self.present}, but {self.step}"
        return f"{self.part:<15} {self.present or f'missing: {self.step}'}"


def examine(places: Places | None = None) -> Iterator[Finding]:
    """Look at one part after the other; the emulator is compiled, if need be, and run."""
    places = places or Places()
    yield Finding("python", platform.python_version())
    probed = probe()
    yield _torch(probed)
    yield _torch_npu(probed)
    yield _cann(probed)
    yield _driver(places)
    yield _devices(places, probed)
    yield _soc(probed)
    yield _compiler()
    yield _emulator()
    yield _device_library(probed)


def missing(findings: list[Finding], target: str) -> list[str]:
    """The parts that `target` needs, "emulator" or "device", and that are not here."""
    return [one.part for one in findings if one.part in TARGETS[target] and not one.present]


def run(target: str, places: Places | None = None) -> int:
    """Print all findings and what follows; 0 if `target` can run, else 1."""
    findings = []
    for finding in examine(places):
        print(finding, flush=True)
        findings.append(finding)
    print()
    for one in TARGETS:
        lacks = missing(findings, one)
        print(f"{one}: {'cannot run without ' + ', '.join(lacks) if lacks else 'can run'}")
    return 1 if missing(findings, target) else 0


def _torch(probed: Probe) -> Finding:
    cann = _cann_version()
    if not probed.torch:
        return Finding("torch", "", versions.remedy(cann))
    return Finding("torch", probed.torch, versions.torch_fault(probed.torch, cann))


def _torch_npu(probed: Probe) -> Finding:
    cann = _cann_version()
    if not probed.torch_npu:
        return Finding("torch_npu", "", versions.remedy(cann, probed.torch))
    fault = versions.torch_npu_fault(probed.torch_npu, probed.torch, cann)
    if not probed.error:
        return Finding("torch_npu", probed.torch_npu, fault)
    step = fault or (TOOLKIT if probed.ascendcl else "mend or reinstall what this names")
    return Finding("torch_npu", "", f"{probed.torch_npu} is here, but: {probed.error}: {step}")


def _cann(probed: Probe) -> Finding:
    root = os.environ.get("ASCEND_HOME_PATH", "")
    if not root:
        return Finding("CANN", "", f"ASCEND_HOME_PATH is not set: {TOOLKIT}")
    if not Path(root).is_dir():
        return Finding("CANN", "", f"ASCEND_HOME_PATH={root} is no folder: {TOOLKIT}")
    if probed.ascendcl:
        step = f"source {root}/set_env.sh, or ../set_env.sh beside it"
        return Finding("CANN", "", f"{root} is here, but: {probed.ascendcl}: {step}")
    return Finding("CANN", f"{_cann_version()} in {root}".strip())


def _cann_version() -> str:
    """Version of the toolkit that is set, or ""."""
    root = Path(os.environ.get("ASCEND_HOME_PATH") or os.devnull)
    for notes in sorted(root.glob("*-linux/ascend_toolkit_install.info")):
        for line in notes.read_text().splitlines():
            if line.startswith("version="):
                return line.removeprefix("version=")
    return ""


def _driver(places: Places) -> Finding:
    manager = places.dev / "davinci_manager"
    if not manager.exists():
        step = "install the Ascend driver, or pass the device on to this container"
        return Finding("driver", "", f"there is no {manager}: {step}")
    notes = places.driver / "version.info"
    lines = notes.read_text().splitlines() if notes.exists() else []
    named = [line.removeprefix("Version=") for line in lines if line.startswith("Version=")]
    return Finding("driver", *(named[:1] or ["of unknown version"]))


def _devices(places: Places, probed: Probe) -> Finding:
    here = sorted(one.name for one in places.dev.glob("davinci[0-9]*"))
    if not here:
        step = "pass one on to this container, or look at npu-smi info"
        return Finding("devices", "", f"there is no {places.dev}/davinci0: {step}")
    if not probed.devices:
        hidden = os.environ.get("ASCEND_RT_VISIBLE_DEVICES")
        why = "" if hidden is None else f" with ASCEND_RT_VISIBLE_DEVICES={hidden!r}"
        step = "mend what is missing above, then look at npu-smi info"
        return Finding("devices", "", f"{', '.join(here)}, but torch_npu sees none{why}: {step}")
    return Finding("devices", f"{probed.devices} of {len(here)}")


def _soc(probed: Probe) -> Finding:
    return Finding("SOC", probed.soc, "torch_npu names it, once it sees a device")


def _compiler() -> Finding:
    try:
        command = build.compiler()
    except build.Unavailable as error:
        return Finding("compiler", "", str(error))
    version = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False)
    if version.returncode:
        return Finding("compiler", "", f"{command[0]} --version fails: set CXX to another")
    return Finding("compiler", version.stdout.splitlines()[0])


def _emulator() -> Finding:
    """Compile it, load it, and let it answer the smallest question."""
    from npu_kernels.ascend_c.choose import kernel

    one = np.ones((1, 1, 1, 1), np.float32)
    try:
        kernel("emulated")(Problem(q=one, k=one, v=one, format=FP16))
    except build.BuildError as error:
        return Finding("emulator", "", f"the compiler refuses it:\n{error}")
    except (build.Unavailable, loading.Mismatch, binding.CheckFailed, Unsupported) as error:
        return Finding("emulator", "", str(error))
    return Finding("emulator", f"runs, compiled in {device_library.shown(build.build_folder())}")


def _device_library(probed: Probe) -> Finding:
    try:
        library = device_library.load()
    except (build.Unavailable, loading.Mismatch) as error:
        return Finding("device library", "", str(error))
    built_for = device_library.built_for(library)
    if probed.soc and (why := device_library.wrong_chip(built_for, probed.soc)):
        return Finding("device library", "", why)
    return Finding(
        "device library", f"for {built_for}, in {device_library.shown(device_library.path())}"
    )
