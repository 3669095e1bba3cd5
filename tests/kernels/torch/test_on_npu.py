"""on_npu.py in a process of its own: torch takes a new type of device before its first gradient."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_a_models_call_on_an_npu_keeps_its_laws():
    laws = Path(__file__).with_name("on_npu.py")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(laws)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
