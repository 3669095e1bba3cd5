"""Compiles the C++ sources on first use, once per content, into a library for ctypes.

Objects and libraries are named by the sha256 of what they are made of: sources, headers, flags and
the compiler's version. Nothing is ever out of date, and the folder can be removed at any time.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

PACKAGE = Path(__file__).parent
EMULATOR = PACKAGE / "emulator"
FLASH_ATTENTION = PACKAGE / "flash_attention"

FLAGS = (
    *("-std=c++17", "-O3", "-fPIC", "-pthread"),
    "-ffp-contract=off",  # a fused multiply-add changes bits from machine to machine
    *("-fno-math-errno", "-fno-trapping-math"),  # neither is asked; both forbid vectors
    "-fno-strict-aliasing",  # a memory of bytes is read as whatever a tensor says
)
STRICT = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror")
SANITIZED = ("-O0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
"""Further options: for our own tests, since a newer compiler may warn of more."""

KEY_LENGTH = 20  # hexadecimal digits: 80 bits


class Unavailable(Exception):
    """Something that a kernel needs is not on this machine; the text says how to get it."""


class BuildError(Exception):
    """The compiler refused a source; the text is the compiler's."""


def compiler() -> tuple[str, ...]:
    """The command of the C++ compiler: $CXX, else g++ or clang++.

    Raises
    ------
    Unavailable
        If there is none.
    """
    if chosen := shlex.split(os.environ.get("CXX", "")):
        if shutil.which(chosen[0]) is None:
            raise Unavailable(f"CXX={chosen[0]}: there is no such command: set CXX to a compiler")
        return tuple(chosen)
    for name in ("g++", "clang++"):
        if found := shutil.which(name):
            return (found,)
    raise Unavailable("no C++17 compiler found: install g++ or clang++, or set CXX to one")


def library(
    *, kernel: Path = FLASH_ATTENTION, emulator: Path = EMULATOR, options: Sequence[str] = ()
) -> Path:
    """The shared library of the emulator and the kernel in these folders, compiled if need be.

    Parameters
    ----------
    kernel, emulator : folders of .cpp and .h files
        The kernel's sources may include "abi.h", and the emulator's headers as if they were CANN's.
    options : further options of the compiler, after FLAGS

    Raises
    ------
    Unavailable
        If there is no compiler, or no folder to write to.
    BuildError
        If it refuses a source.
    """
    command = compiler()
    version = _version(command)
    flags = (*FLAGS, *options)
    salt = "\0".join((version, *flags))
    folder = build_folder()
    abi = _digest([PACKAGE / "abi.h"])
    headers = _digest(emulator.glob("*.h"))
    seen_by_kernel = headers + abi + _digest(kernel.glob("*.h"))
    parts = [
        *((source, headers) for source in sorted(emulator.glob("*.cpp"))),
        *((source, seen_by_kernel) for source in sorted(kernel.glob("*.cpp"))),
    ]
    includes = [f"-I{place}" for place in (kernel, emulator, PACKAGE)]

    def compile_one(part: tuple[Path, str]) -> Path:
        source, seen = part
        target = folder / f"{_key(salt, seen, _digest([source]))}.o"
        return _make(
            target, lambda to: [*command, *flags, *includes, "-c", str(source), "-o", str(to)]
        )

    linked = _key("library", salt, *(seen + _digest([source]) for source, seen in parts))
    target = folder / f"{linked}.so"
    if target.exists():
        return target
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compile_one, parts))
    return _make(
        target, lambda to: [*command, *flags, "-shared", *map(str, objects), "-o", str(to)]
    )


def build_folder() -> Path:
    """Where compiled files go: $NPU_BUILD_DIR, else this package's _build, else the user's cache.

    Raises
    ------
    Unavailable
        If it cannot be written to.
    """
    if chosen := os.environ.get("NPU_BUILD_DIR"):
        if (folder := _writable(Path(chosen).absolute())) is None:
            raise Unavailable(f"NPU_BUILD_DIR={chosen} cannot be written to: name another folder")
        return folder
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    for place in (PACKAGE / "_build", cache / "npu-flash-conformance"):
        if (folder := _writable(place)) is not None:
            return folder
    raise Unavailable("no folder for compiled kernels can be written to: set NPU_BUILD_DIR to one")


def digest(*folders: Path) -> str:
    """Hexadecimal sha256 of the C++ sources in these folders."""
    return _digest(file for folder in folders for file in folder.glob("*.[ch]*"))


def _writable(folder: Path) -> Path | None:
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    return None


def _version(command: Sequence[str]) -> str:
    """What the compiler says of itself, its target included."""
    return _run([*command, "--version"]) + _run([*command, "-dumpmachine"])


def _digest(files: Iterable[Path]) -> str:
    hashed = hashlib.sha256()
    for file in sorted(files):
        content = file.read_bytes()
        hashed.update(f"{file.name}\0{len(content)}\0".encode() + content)
    return hashed.hexdigest()


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:KEY_LENGTH]


def _make(target: Path, command: Callable[[Path], list[str]]) -> Path:
    """Run a command that writes `target`, unless it is there; processes wait for each other."""
    if target.exists():
        return target
    with target.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            partial = target.with_suffix(f".{os.getpid()}{target.suffix}")
            try:
                _run(command(partial))
                partial.rename(target)  # whoever sees it sees all of it
            finally:
                partial.unlink(missing_ok=True)
    return target


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"{shlex.join(command)}\n{done.stderr.strip()}")
    return done.stdout
