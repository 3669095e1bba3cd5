"""Decides what tox.ini cannot: where an NPU is, `npu` and `bench` use the torch that is installed.

Elsewhere they install the pinned pair of tox.ini.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

from tox.config.loader.memory import MemoryLoader
from tox.config.sets import EnvConfigSet
from tox.plugin import impl
from tox.report import HandledError
from tox.session.state import State
from tox.tox_env.python.pip.req_file import PythonDeps

ROOT = Path(__file__).parent
ENVIRONMENTS = ("npu", "bench")
TIMEOUT = 120  # seconds
BASE = Path(getattr(sys, "_base_executable", sys.executable))
"""The Python whose packages an environment with system_site_packages sees, also from within one."""


@impl
def tox_add_env_config(env_conf: EnvConfigSet, state: State) -> None:
    """Leave torch and torch_npu as they are where torch_npu sees a device."""
    if env_conf.name not in ENVIRONMENTS:
        return
    if seen := on_device(BASE):
        print(f"{env_conf.name}: {seen}", file=sys.stderr)
        nothing = PythonDeps("", ROOT)
        env_conf.loaders.insert(0, MemoryLoader(deps=nothing, system_site_packages=True))
    elif sys.prefix != sys.base_prefix and (seen := on_device(Path(sys.executable))):
        raise HandledError(
            f"{env_conf.name}: {seen}, but in the virtual environment {sys.prefix}, which tox's "
            "environments do not see: run there `pip install . pytest-xdist` and the commands of "
            f"[testenv:{env_conf.name}] in tox.ini"
        )


@cache
def on_device(python: Path) -> str:
    """Which torch and torch_npu a Python has, if they see a device, else ""."""
    command = [str(python), "-m", "npu_kernels.on_device.torch_probe"]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=TIMEOUT
        )
    except subprocess.TimeoutExpired:
        raise HandledError(f"{python}: torch_npu gave no answer within {TIMEOUT} s") from None
    seen = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {}
    if not seen.get("devices"):
        return ""
    return f"torch {seen['torch']} and torch_npu {seen['torch_npu']} are here, with {seen['soc']}"
