"""Which torch, torch_npu and CANN are said not to go together, and what is said to fit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from npu_kernels import doctor
from npu_kernels.on_device import versions
from npu_kernels.on_device.torch_probe import Probe

ROOT = Path(__file__).parents[2]


def toolkit(folder: Path, version: str) -> str:
    """The folder of a CANN of this version."""
    notes = folder / "aarch64-linux" / "ascend_toolkit_install.info"
    notes.parent.mkdir(parents=True)
    notes.write_text(f"package_name=Ascend-cann-toolkit\nversion={version}\n")
    return str(folder)


OLD = "but npu_kernels:functional needs torch.library.custom_op, of torch 2.4.0 or later: "
NAMED = {
    "a torch too old for CANN 8.0.0": (
        ("2.1.0", "2.1.0.post10", "8.0.0"),
        f"torch           2.1.0, {OLD}pip install torch==2.4.0 torch_npu==2.4.0.post2",
    ),
    "a torch too old where there is no CANN": (
        ("2.3.1+cpu", "", ""),
        f"torch           2.3.1+cpu, {OLD}pip install torch==2.13.0 torch_npu==2.13.0",
    ),
    "a torch too old for a CANN that is not in the table": (
        ("2.3.1", "", "9.7.0"),
        f"torch           2.3.1, {OLD}install the torch and torch_npu that CANN 9.7.0 asks for",
    ),
    "no torch": (("", "", "8.5.0"), "missing: pip install torch==2.9.0 torch_npu==2.9.0"),
    "no torch_npu": (("2.8.0", "", "8.5.0"), "missing: pip install torch_npu==2.8.0.post2"),
    "no torch_npu for this torch": (
        ("2.13.0", "", "8.5.0"),
        "torch_npu       missing: pip install torch==2.9.0 torch_npu==2.9.0",
    ),
    "a torch_npu of another torch": (
        ("2.7.1", "2.8.0", "8.3.RC1"),
        "torch_npu       2.8.0, but it is for torch 2.8.0, and torch 2.7.1 is here: "
        "pip install torch_npu==2.7.1",
    ),
    "a torch_npu of another CANN": (
        ("2.9.0", "2.9.0.post6", "9.0.0"),
        "torch_npu       2.9.0.post6, but it is for CANN 9.1.0, and CANN 9.0.0 is here: "
        "pip install torch_npu==2.9.0.post2",
    ),
    "a torch_npu of a CANN that no other fits": (
        ("2.12.0", "2.12.0", "8.5.0"),
        "but it is for CANN 9.1.0, and CANN 8.5.0 is here: "
        "pip install torch==2.9.0 torch_npu==2.9.0",
    ),
    "a torch_npu on a CANN that is not in the table": (
        ("2.9.0", "2.9.0", "9.7.0"),
        "but it is for CANN 8.5.0, and CANN 9.7.0 is here: "
        "install the torch and torch_npu that CANN 9.7.0 asks for",
    ),
}


@pytest.mark.parametrize("what", NAMED)
def test_the_doctor_names_what_does_not_go_together_and_what_fits(what, tmp_path, monkeypatch):
    (torch, torch_npu, cann), line = NAMED[what]
    monkeypatch.setenv("ASCEND_HOME_PATH", toolkit(tmp_path, cann) if cann else "")
    monkeypatch.setattr(doctor, "probe", lambda: Probe(torch=torch, torch_npu=torch_npu))
    lines = [str(finding) for _, finding in zip(range(3), doctor.examine(), strict=False)]
    assert any(one.endswith(line) for one in lines), lines


FITS = [
    *((versions.release(one), one, cann) for cann, all in versions.FITTING.items() for one in all),
    ("2.4.0+cpu", "2.4.0.post2", ""),
    ("2.13.0", "2.13.0", "9.1.0"),
    ("2.12.0", "2.12.0.post3", "9.1.1"),
    ("2.12.0", "2.12.0", "9.1.1"),
    ("2.4.0", "2.4.0+git1234567", "8.0.RC3.alpha002"),
]


@pytest.mark.parametrize("installed", FITS)
def test_what_goes_together_is_not_questioned(installed):
    torch, torch_npu, cann = installed
    assert versions.torch_npu_fault(torch_npu, torch, cann) == ""


def test_an_import_that_fails_is_explained_by_versions_that_do_not_fit(tmp_path, monkeypatch):
    monkeypatch.setenv("ASCEND_HOME_PATH", toolkit(tmp_path, "8.5.0"))
    probed = Probe(torch="2.9.1", torch_npu="2.9.0", error="undefined symbol: _ZN3c10")
    monkeypatch.setattr(doctor, "probe", lambda: probed)
    findings = {finding.part: finding for finding in doctor.examine()}
    assert findings["torch_npu"].step.endswith(
        "undefined symbol: _ZN3c10: it is for torch 2.9.0, and torch 2.9.1 is here: "
        "pip install torch==2.9.0 torch_npu==2.9.0"
    )


def test_a_torch_without_custom_op_is_refused_where_a_model_imports_the_functions():
    code = "import torch; del torch.library.custom_op; from npu_kernels import flash_attn_func"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stderr.endswith("no torch.library.custom_op: install torch 2.4.0 or later\n")


@pytest.mark.parametrize(("kernel", "oldest"), [("functional", "2.4.0"), ("sdpa", "2.5.0")])
def test_a_torch_too_old_for_a_kernel_is_one_line(kernel, oldest):
    code = f"import torch; torch.__version__ = '2.3.1'; import npu_kernels; npu_kernels.{kernel}"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert f"{kernel} needs torch {oldest} or later, and torch 2.3.1 is here" in done.stderr
