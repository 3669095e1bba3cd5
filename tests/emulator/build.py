"""Compiles the emulator's micro-tests, once per content of their sources.

The emulator itself is linked from the library that the tests of our kernel load, too.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from npu_kernels.emulator import build as library

ROOT = Path(__file__).parents[2]
EMULATOR = ROOT / "npu_kernels" / "emulator"
MICRO_TESTS = ROOT / "tests" / "emulator"

# No contraction: fused multiply-adds would change bits from machine to machine.
FLAGS = [
    "-std=c++17",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fno-strict-aliasing",  # a memory of bytes is read as whatever a tensor says
    "-pthread",
    *("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"),
]
OPTIMISED = ("-O1",)
SANITIZED = library.SANITIZED
LIBRARY_OPTIONS = {OPTIMISED: (), SANITIZED: (*library.STRICT, *library.SANITIZED)}
"""The library's, by the micro-tests': those with which other tests compile it."""


DECLARATION = re.compile(r'^const Test \w+\(\s*"(\w+)"', re.MULTILINE)


def micro_tests() -> list[str]:
    """The names of all micro-tests."""
    sources = sorted(MICRO_TESTS.glob("test_*.cpp"))
    return [name for source in sources for name in DECLARATION.findall(source.read_text())]


def compiler() -> str | None:
    """Return the C++ compiler, or None."""
    return os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++")


def build(cache: Path, options: tuple[str, ...]) -> Path:
    """Return the program that runs the micro-tests.

    Raises
    ------
    RuntimeError
        With the compiler's words, if it refuses a source.
    """
    cxx = compiler()
    if cxx is None:
        raise RuntimeError("no C++17 compiler found: set CXX, or install g++")
    flags = [*FLAGS, *options, f"-I{EMULATOR}"]
    emulator = library.library(options=LIBRARY_OPTIONS[options])
    sources = sorted(MICRO_TESTS.glob("*.cpp"))
    read = sorted([*sources, *EMULATOR.rglob("*.h"), *MICRO_TESTS.glob("*.h")])
    key = hashlib.sha256(" ".join([cxx, *options, str(emulator)]).encode())
    for path in read:
        key.update(path.name.encode() + b"\0" + path.read_bytes())
    folder = cache / key.hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "micro_tests"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # workers of xdist wait for one build
        if not program.exists():
            objects = [folder / f"{path.stem}.o" for path in sources]
            commands = [
                [cxx, *flags, "-c", str(source), "-o", str(object_)]
                for source, object_ in zip(sources, objects, strict=True)
            ]
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                list(pool.map(_run, commands))
            partial = folder / "partial"
            _run([cxx, *options, *map(str, objects), str(emulator), "-pthread", "-o", str(partial)])
            partial.rename(program)
    return program


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")
