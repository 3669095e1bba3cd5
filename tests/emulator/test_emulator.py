"""The emulator, instruction by instruction: each micro-test in C++ is one test here."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from emulator import build

NAMES = build.micro_tests()

pytestmark = pytest.mark.skipif(build.compiler() is None, reason="no C++17 compiler")


def run(program: Path, *names: str) -> str:
    done = subprocess.run([program, *names], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def program(pytestconfig: pytest.Config) -> Path:
    cache = pytestconfig.cache
    assert cache is not None
    return build.build(Path(cache.mkdir("emulator")), build.OPTIMISED)


@pytest.mark.parametrize("name", NAMES)
def test_instruction(program: Path, name: str) -> None:
    run(program, name)


def test_every_micro_test_is_listed(program: Path) -> None:
    assert run(program).endswith(f"{len(NAMES)} tests, 0 failed\n")


def test_sanitizers_find_nothing(pytestconfig: pytest.Config) -> None:
    cache = pytestconfig.cache
    assert cache is not None
    run(build.build(Path(cache.mkdir("emulator")), build.SANITIZED))
