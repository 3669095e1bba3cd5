"""The tests in npu/, in a process of their own: torch keeps a new type of device for good."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

NPU = Path(__file__).with_name("npu")


@pytest.mark.parametrize("file", sorted(NPU.glob("[!_]*.py")), ids=lambda file: file.stem)
def test_on_a_device_that_is_made_of_the_host(file):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
