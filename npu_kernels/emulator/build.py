"""Compiles the C++ sources on first use, once per content, into a library for ctypes.

Objects and libraries are named by the sha256 of what they are made of: a source and what it
includes, flags and the compiler's version. Nothing is ever out of date, and the folder can be
removed at any time.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
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

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
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
        if path := shutil.which(name):
            return (path,)
    raise Unavailable("no C++17 compiler found: install g++ or clang++, or set CXX to one")


def library(
    *,
    kernel: Path = FLASH_ATTENTION,
    emulator: Path = EMULATOR,
    options: Sequence[str] = (),
    kernel_options: Sequence[str] = (),
) -> Path:
    """The shared library of the emulator and the kernel in these folders, compiled if need be.

    Parameters
    ----------
    kernel, emulator : folders of .cpp and .h files
        The kernel's sources may include "abi.h", and the emulator's headers as if they were CANN's.
    options : further options of the compiler, after FLAGS
    kernel_options : the same, for the kernel's sources alone

    Raises
    ------
    Unavailable
        If there is no compiler, or no folder to write to.
    BuildError
        If it refuses a source.
    """
    command = compiler()
    version = _version(command)
    folder = build_folder()
    flags = (*FLAGS, *options)
    places = (kernel, emulator, PACKAGE)
    objects = [
        *(_object(source, places, flags) for source in sorted(emulator.rglob("*.cpp"))),
        *(
            _object(source, places, (*flags, *kernel_options))
            for source in sorted(kernel.rglob("*.cpp"))
        ),
    ]
    target = folder / f"{_key('library', version, *(one.content for one in objects))}.so"
    if target.exists():
        return target

    def compile_one(one: _Object) -> Path:
        includes = [f"-I{place}" for place in places]
        call = [*command, *one.flags, *includes, "-c", str(one.source)]
        return _make(folder / f"{_key(version, one.content)}.o", call)

    with _announced(folder), ThreadPoolExecutor(os.cpu_count()) as pool:
        compiled = list(pool.map(compile_one, objects))
        return _make(target, [*command, *flags, "-shared", *map(str, compiled)])


@contextmanager
def _announced(folder: Path) -> Iterator[None]:
    """Says on standard error that something is compiled, before, and how long it took, after."""
    print(f"npu_kernels: compiling the emulator, once, into {folder}", file=sys.stderr, flush=True)
    begin = time.monotonic()
    yield
    seconds = time.monotonic() - begin
    print(f"npu_kernels: compiled in {seconds:.0f} s", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class _Object:
    """A source, its flags, and the digest of everything that decides what it becomes."""

    source: Path
    flags: tuple[str, ...]
    content: str


def _object(source: Path, places: Sequence[Path], flags: tuple[str, ...]) -> _Object:
    named = (Path(flag.removeprefix("-I")) for flag in flags if flag.startswith("-I"))
    return _Object(source, flags, _key(_digest(_read_by(source, [*named, *places])), *flags))


def _read_by(source: Path, places: Sequence[Path]) -> list[Path]:
    """The source, and what it includes in quotes; the rest comes with the compiler."""
    files = [source]
    for file in files:  # which grows meanwhile
        for name in INCLUDE.findall(file.read_text()):
            candidates = (folder / name for folder in (file.parent, *places))
            header = next((one.resolve() for one in candidates if one.is_file()), None)
            if header is not None and header not in files:
                files.append(header)
    return files


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


def digest(*places: Path, suffixes: Sequence[str] = (".h", ".cpp")) -> str:
    """Hexadecimal sha256 of these files, and of the sources in these folders and below."""
    files = (file for place in places for file in (place, *sorted(place.rglob("*"))))
    return _digest(file for file in files if file.suffix in suffixes)


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
    for file in files:
        content = file.read_bytes()
        hashed.update(f"{file.name}\0{len(content)}\0".encode() + content)
    return hashed.hexdigest()


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:KEY_LENGTH]


def _make(target: Path, command: Sequence[str]) -> Path:
    """Run a command that writes `target`, unless it is there; processes wait for each other."""
    if target.exists():
        return target
    with target.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            partial = target.with_suffix(f".{os.getpid()}{target.suffix}")
            try:
                _run([*command, "-o", str(partial)])
                partial.rename(target)  # whoever sees it sees all of it
            finally:
                partial.unlink(missing_ok=True)
    return target


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"{shlex.join(command)}\n{done.stderr.strip()}")
    return done.stdout
