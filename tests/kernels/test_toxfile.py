"""`tox -e npu` takes the torch that is installed where an NPU is, and the pinned pair elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VERSIONS = {"torch": "2.7.1", "torch_npu": "2.7.1.post2"}
SEES = """
import torch
torch.npu = type("npu", (), dict(
    is_available=lambda: True, device_count=lambda: 8, get_device_name=lambda index: "Ascend910B3"))
"""
PINNED = ["torch==2.13.0", "torch_npu==2.13.0"]


def install(folder: Path, torch_npu: str) -> Path:
    """A torch, and a torch_npu with this source, as packages in a folder."""
    for name, text in {"torch": "", "torch_npu": torch_npu}.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(text)
        notes = folder / f"{name}-{VERSIONS[name]}.dist-info"
        notes.mkdir()
        (notes / "METADATA").write_text(f"Name: {name}\nVersion: {VERSIONS[name]}\n")
    return folder


def configured(
    *environments: str, python: Path = Path(sys.executable), packages: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """What tox makes of environments where these packages are installed."""
    keys = ["-k", "deps", "system_site_packages"]
    return subprocess.run(
        [python, "-m", "tox", "config", "-e", ",".join(environments), *keys],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(packages or "")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("torch_npu", [None, "", "raise ImportError('libhccl.so')"])
def test_without_a_device_the_pinned_pair_is_installed(tmp_path, torch_npu):
    packages = None if torch_npu is None else install(tmp_path, torch_npu)
    done = configured("npu", "bench", packages=packages)
    assert done.returncode == 0, done.stderr
    for text in done.stdout.split("[testenv:")[1:]:
        assert [line.strip() for line in text.splitlines()[2:4]] == PINNED
        assert "system_site_packages = False" in text


@pytest.mark.parametrize("environment", ["npu", "bench"])
def test_with_a_device_what_is_installed_stays_and_is_named(tmp_path, environment):
    done = configured(environment, packages=install(tmp_path, SEES))
    assert done.returncode == 0, done.stderr
    assert "torch==" not in done.stdout and "torch_npu==" not in done.stdout
    assert "system_site_packages = True" in done.stdout
    words = "torch 2.7.1 and torch_npu 2.7.1.post2 are here, with Ascend910B3"
    assert done.stderr.startswith(f"{environment}: {words}\n")


def test_other_environments_do_not_change(tmp_path):
    done = configured("cpu", packages=install(tmp_path, SEES))
    assert "deps = torch==2.13.0\nsystem_site_packages = False\n" in done.stdout


def test_a_device_that_only_a_virtual_environment_sees_is_refused_with_the_way_to_go(tmp_path):
    venv.create(tmp_path, symlinks=True)
    python = tmp_path / "bin" / "python"
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(tmp_path)}))
    install(packages, SEES)
    (packages / "tox.pth").write_text(
        "\n".join(path for path in sys.path if "site-packages" in path)
    )
    done = configured("npu", python=python)
    assert done.returncode != 0
    assert f"but in the virtual environment {tmp_path}, which tox's environments do" in done.stdout
