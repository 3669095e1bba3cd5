"""The C++ sources become a library once per content, or one line says what is missing."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from npu_kernels.emulator import build

ROOT = Path(__file__).parents[2]
SOURCES = {
    "abi.h": "int chosen();\n",
    "emulator/number.h": "constexpr int number = 42;\n",
    "emulator/number.cpp": '#include "number.h"\nint given() { return number; }\n',
    "kernel/answer.h": '#include "sign.h"\n#include "../abi.h"\n',
    "kernel/sign.h": "#pragma once\nconstexpr int sign = -1;\n",
    "kernel/unused.h": "#include <no/such/file>\n",
    "kernel/answer.cpp": '#include "answer.h"\nint given();\n'
    'extern "C" int answer() { return sign * given(); }\n',
}


@pytest.fixture
def sources(tmp_path, monkeypatch):
    for name, text in SOURCES.items():
        file = tmp_path / "package" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.setattr(build, "PACKAGE", tmp_path / "package")
    monkeypatch.setenv("NPU_BUILD_DIR", str(tmp_path / "built"))
    return tmp_path / "package"


@pytest.fixture
def commands(monkeypatch):
    """What is run to compile."""
    run, seen = build._run, []
    monkeypatch.setattr(build, "_run", lambda command: seen.append(command) or run(command))
    return seen


def library(sources: Path, *options: str) -> Path:
    return build.library(kernel=sources / "kernel", emulator=sources / "emulator", options=options)


def answer(path: Path) -> int:
    return int(ctypes.CDLL(path).answer())


def compiled(commands: list[list[str]]) -> list[str]:
    return sorted(Path(words[words.index("-c") + 1]).name for words in commands if "-c" in words)


def test_compiling_is_announced_with_its_time_and_finding_it_compiled_is_not(sources, capsys):
    library(sources)
    begin, end = capsys.readouterr().err.splitlines()
    assert "compiling the emulator, once" in begin and re.search(r"compiled in \d+ s", end)
    library(sources)
    assert capsys.readouterr().err == ""


def test_a_library_is_compiled_once(sources, commands):
    first = library(sources)
    assert answer(first) == -42
    assert compiled(commands) == ["answer.cpp", "number.cpp"]
    commands.clear()
    assert library(sources) == first
    assert compiled(commands) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "again"),
    [
        ("kernel/sign.h", "-1", "+1", ["answer.cpp"]),
        ("abi.h", "int", "long", ["answer.cpp"]),
        ("emulator/number.cpp", "return ", "return 1 + ", ["number.cpp"]),
        ("emulator/number.h", "42", "43", ["number.cpp"]),
    ],
)
def test_a_change_compiles_again_what_may_see_it(sources, commands, file, old, new, again):
    first = library(sources)
    commands.clear()
    text = (sources / file).read_text()
    (sources / file).write_text(text.replace(old, new))
    assert library(sources) != first
    assert compiled(commands) == again
    (sources / file).write_text(text)
    assert library(sources) == first


def test_a_change_in_a_folder_that_an_option_names_compiles_again(sources, commands):
    elsewhere = sources / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "sign.h").write_text("constexpr int sign = 1;\n")
    (sources / "kernel/sign.h").unlink()
    assert answer(library(sources, f"-I{elsewhere}")) == 42
    (elsewhere / "sign.h").write_text("constexpr int sign = 2;\n")
    commands.clear()
    assert answer(library(sources, f"-I{elsewhere}")) == 84
    assert compiled(commands) == ["answer.cpp"]


def test_what_nothing_includes_changes_nothing(sources, commands):
    first = library(sources)
    (sources / "kernel/unused.h").write_text("another")
    assert library(sources) == first


def test_options_and_compiler_are_part_of_the_name(sources, monkeypatch):
    names = {library(sources), library(sources, "-DANSWER")}
    monkeypatch.setattr(build, "_version", lambda command: "another compiler")
    assert len(names | {library(sources)}) == 3


def test_the_compilers_words_are_the_error(sources):
    (sources / "kernel/answer.cpp").write_text("int answer() { return nothing; }\n")
    with pytest.raises(build.BuildError, match=r"answer.cpp:1:23: error: .*nothing"):
        library(sources)
    assert [file.name for file in (sources.parent / "built").glob("*.so")] == []


def test_callers_at_the_same_time_compile_once(sources, commands):
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(lambda _: library(sources), range(4)))) == 1
    assert compiled(commands) == ["answer.cpp", "number.cpp"]


def test_processes_at_the_same_time_all_get_a_whole_library(sources):
    script = (
        "import ctypes, pathlib, sys; from npu_kernels.emulator import build;"
        "build.PACKAGE = at = pathlib.Path(sys.argv[1]);"
        "path = build.library(kernel=at / 'kernel', emulator=at / 'emulator');"
        "print(ctypes.CDLL(path).answer())"
    )
    command = [sys.executable, "-c", script, str(sources)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    running = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [process.communicate()[0] for process in running] == ["-42\n"] * 3
    assert len(list((sources.parent / "built").glob("*.so"))) == 1


@pytest.mark.parametrize("file", ["kernel/sign.h", "kernel/answer.cpp", "kernel/asked.py"])
def test_the_digest_knows_every_source_that_runs(sources, file):
    (sources / "kernel" / "asked.py").write_text("CHOSEN = 1\n")
    before = build.digest(sources / "kernel", suffixes=(".h", ".cpp", ".py"))
    (sources / file).write_text("// other\n")
    assert build.digest(sources / "kernel", suffixes=(".h", ".cpp", ".py")) != before


def test_without_a_compiler_one_line_says_how_to_get_one(sources, monkeypatch):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(build.Unavailable, match=r"^no C\+\+17 compiler found: install g\+\+ .*CXX"):
        library(sources)


def test_the_chosen_compiler_may_have_options(monkeypatch):
    monkeypatch.setenv("CXX", "env c++ -m64")
    assert build.compiler() == ("env", "c++", "-m64")


def test_a_compiler_that_is_not_there_is_named(sources, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler -m64")
    with pytest.raises(build.Unavailable, match="CXX=no-such-compiler: there is no such command"):
        library(sources)


def test_a_chosen_folder_that_cannot_be_written_is_named(sources, monkeypatch):
    monkeypatch.setenv("NPU_BUILD_DIR", str(sources / "abi.h" / "below-a-file"))
    with pytest.raises(build.Unavailable, match=r"NPU_BUILD_DIR=.*name another folder"):
        library(sources)


def test_a_package_that_cannot_be_written_uses_the_users_cache(sources, monkeypatch):
    monkeypatch.delenv("NPU_BUILD_DIR")
    assert build.build_folder() == sources / "_build"
    monkeypatch.setattr(build, "PACKAGE", sources / "abi.h" / "below-a-file")
    monkeypatch.setenv("XDG_CACHE_HOME", str(sources / "cache"))
    assert build.build_folder().is_relative_to(sources / "cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(sources / "abi.h"))
    with pytest.raises(build.Unavailable, match="set NPU_BUILD_DIR"):
        build.build_folder()
