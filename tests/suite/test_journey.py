"""The README's way for a stranger: `pip install .`, a file copied elsewhere, one command."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from suite.test_plugin import pytest_in

ROOT = Path(__file__).parents[2]
COMMAND = (
    "--pyargs",
    "conformance.test_accuracy",
    "--kernel-tier",
    "smoke",
    "-k",
    "test_case and normal",
)
PARTS = ("pyproject.toml", "README.md", "LICENSE")
PACKAGES = ("reference", "conformance", "npu_kernels", "golden_data")
NO_TORCH = "raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')\n"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """What `pip install .` puts into site-packages, built from a copy: a build writes there."""
    source, target = (tmp_path_factory.mktemp(name) for name in ("source", "target"))
    for part in PARTS:
        shutil.copy(ROOT / part, source)
    for package in PACKAGES:
        leave_out = shutil.ignore_patterns("__pycache__", "_build")
        shutil.copytree(ROOT / package, source / package, ignore=leave_out)
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--target", str(target))
    install = [sys.executable, "-m", "pip", "install", *options, "."]
    subprocess.run(install, cwd=source, check=True, capture_output=True)
    return target


@pytest.fixture
def folder(tmp_path):
    """A folder of the user's, with both files to copy."""
    for name in ("my_kernel.py", "my_torch_kernel.py"):
        shutil.copy(ROOT / "examples" / name, tmp_path)
    return tmp_path


def without_torch(folder: Path) -> None:
    """Make `import torch` fail in this folder's runs, as where torch is not installed."""
    (folder / "torch.py").write_text(NO_TORCH)


def shown() -> list[str]:
    """The lines of the README's failure below its heading; "..." stands for those left out."""
    _, _, rest = (ROOT / "README.md").read_text().partition("test_case[attention-normal-fp16] ")
    return rest.partition("```")[0].splitlines()[1:]


def test_the_kernel_to_copy_passes_where_there_is_no_torch(installed, folder):
    without_torch(folder)
    run = pytest_in(folder, *COMMAND, "--kernel", "my_kernel.py:attention", path=installed)
    assert run.returncode == 0, run.stdout
    assert re.search(r"\b3 passed", run.stdout)


def test_the_torch_kernel_to_copy_passes(installed, folder):
    run = pytest_in(folder, *COMMAND, "--kernel", "my_torch_kernel.py:attention", path=installed)
    assert run.returncode == 0, run.stdout
    assert re.search(r"\b3 passed", run.stdout)


def test_the_fault_that_the_readme_puts_in_gives_the_failure_that_it_shows(installed, folder):
    kernel = folder / "my_kernel.py"
    whole = kernel.read_text()
    kernel.write_text(whole.replace("acc * rescale[..., None] +", "acc +"))
    assert kernel.read_text() != whole
    run = pytest_in(folder, *COMMAND, "--kernel", "my_kernel.py:attention", path=installed)
    assert run.returncode == 1
    missing = [line for line in shown() if line != "..." and line not in run.stdout]
    assert not missing


def test_a_kernel_that_needs_torch_says_so_where_there_is_none(installed, folder):
    without_torch(folder)
    run = pytest_in(folder, *COMMAND, "--kernel", "my_torch_kernel.py:attention", path=installed)
    assert run.returncode == 2
    assert "No module named 'torch'" in run.stderr
