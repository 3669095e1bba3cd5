"""The suite's command line: its options, their former names, and whether a run asks for the suite.

It is loaded in every pytest run of an environment where the suite is installed, so it imports
nothing heavy, and every option but ``--kernel`` begins with ``--kernel-``.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parents[1]

OPTIONS: dict[str, dict[str, Any]] = {
    "--kernel": {
        "action": "append",
        "default": [],
        "metavar": "KERNEL",
        "help": "kernel to judge: module:attribute or path/to/file.py:attribute (repeatable)",
    },
    "--kernel-tier": {
        "choices": ("smoke", "default", "full"),
        "default": "default",
        "help": "which cases: smoke (seconds), default (minutes) or full",
    },
    "--kernel-seed": {
        "type": int,
        "default": 0,
        "metavar": "N",
        "help": "seed of all inputs (0)",
    },
    "--kernel-problem": {
        "action": "append",
        "default": [],
        "metavar": "FILE",
        "help": "judge on this problem, a safetensors file, instead of the cases (repeatable)",
    },
    "--kernel-forward-only": {
        "action": "store_true",
        "help": "leave gradients out of every case, for a kernel that has none",
    },
    "--kernel-fail-suspicious": {
        "action": "store_true",
        "help": "fail what is inside the bound, but improbable under the kernel's contract",
    },
    "--kernel-report": {
        "metavar": "DIR",
        "help": "write report.html and report.json into DIR",
    },
    "--kernel-dual-benchmark": {
        "action": "store_true",
        "help": "with --kernel-report: the vendor's dual benchmark; runs the oracle once more",
    },
    "--kernel-repro": {
        "metavar": "DIR",
        "help": "write each failure as a script and its tensors, which run without pytest",
    },
    "--kernel-isolate": {
        "action": "store_true",
        "help": "call the kernel in child processes: a hang or a crash fails one case",
    },
    "--kernel-timeout": {
        "type": float,
        "default": 120.0,
        "metavar": "SECONDS",
        "help": "with --kernel-isolate: time that one call may take (120)",
    },
    "--kernel-memory": {
        "type": float,
        "default": 8.0,
        "metavar": "GIB",
        "help": "with --kernel-isolate: memory that one call may hold (8)",
    },
}

FORMER = {
    "--tier": "--kernel-tier",
    "--seed": "--kernel-seed",
    "--problem": "--kernel-problem",
    "--forward": "--kernel-forward-only",
    "--report": "--kernel-report",
    "--dual-benchmark": "--kernel-dual-benchmark",
    "--repro": "--kernel-repro",
    "--isolate": "--kernel-isolate",
    "--case-timeout": "--kernel-timeout",
    "--case-memory": "--kernel-memory",
    "--benchmark-shrink": "--kernel-benchmark-shrink",
}
"""Names that belong to the user's own project now."""


def add_options(group: pytest.OptionGroup) -> None:
    """Every option of the suite but those of benchmarks."""
    for name, details in OPTIONS.items():
        group.addoption(name, **details)


def register_markers(config: pytest.Config) -> None:
    """Make the suite's markers known to ``--strict-markers``."""
    markers = {"smoke": "the shortest useful run of the conformance suite"}
    for theme in sorted((HERE / "cases" / "themes").glob("[a-z]*.py")):
        markers[theme.stem] = f"cases of conformance/cases/themes/{theme.name}"
    markers["article"] = "workloads of the table that `tox -e bench` prints"
    markers["golden"] = "asks the committed vectors, not the cases"
    markers["backward_alone"] = "for kernels with a `backward` of their own"
    for name, meaning in markers.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")


def former_name(arguments: Sequence[str], unknown: Sequence[str]) -> str:
    """What to write instead of an option's former name, in one line; empty if there is none.

    Parameters
    ----------
    arguments : the command line
    unknown : those of its words that neither pytest nor the project knows
    """
    for argument in arguments:
        name = argument.partition("=")[0]
        if name in FORMER and argument in unknown:
            return f"ERROR: {name} is called {FORMER[name]} now"
    return ""


def asks_for_the_suite(
    option: Any, arguments: Sequence[str], *, folder: Path, ignored: Sequence[str]
) -> bool:
    """Whether a run asks for tests of the suite.

    It does if a kernel or a problem is named, if an argument is the suite or a part of it, or if
    the suite's folder lies below an argument and is collected from there.

    Parameters
    ----------
    option : pytest's options, those of the suite among them
    arguments : files, folders and, with --pyargs, modules to collect
    folder : where pytest was called
    ignored : patterns of folders that are not collected, pytest's norecursedirs
    """
    if option.kernel or option.kernel_problem:
        return True
    for argument in arguments:
        name = str(argument).partition("[")[0].partition("::")[0]
        if option.pyargs and name.partition(".")[0] == HERE.name:
            return True
        path = Path(folder, name).resolve()
        if path == HERE or HERE in path.parents or _is_collected(path, ignored):
            return True
    return False


def _is_collected(above: Path, ignored: Sequence[str]) -> bool:
    """Whether pytest reaches the suite from a folder above it."""
    if above not in HERE.parents:
        return False
    between = [HERE, *HERE.parents[: HERE.parents.index(above)]]
    return not any(
        (folder / "pyvenv.cfg").exists() or any(fnmatch(folder.name, one) for one in ignored)
        for folder in between
    )
