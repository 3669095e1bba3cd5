"""--benchmark-only: whether the workloads are asked for, and whether they can be timed.

It is loaded with the plugin, so it imports nothing heavy.
"""

from __future__ import annotations

from importlib.util import find_spec

import pytest

SHRINK = 4
"""So that all workloads are verified and timed on our emulator in minutes, on two cores."""


def add_options(group: pytest.OptionGroup, plugins: pytest.PytestPluginManager) -> None:
    """Options beside pytest-benchmark's own, which are those that people know."""
    group.addoption(
        "--kernel-benchmark-shrink",
        type=int,
        default=SHRINK,
        metavar="N",
        help="with --benchmark-only on a CPU or an emulator: workloads N times smaller than the "
        f"largest for that device, which 1 asks ({SHRINK})",
    )
    if not _can_time(plugins):
        group.addoption("--benchmark-only", action="store_true", help="needs pytest-benchmark")


def is_asked(config: pytest.Config) -> bool:
    """Whether the workloads are asked for, and not the cases."""
    return bool(config.getoption("benchmark_only", False))


def _can_time(plugins: pytest.PytestPluginManager) -> bool:
    return find_spec("pytest_benchmark") is not None and not plugins.is_blocked("benchmark")


def fault(config: pytest.Config) -> str:
    """Why --benchmark-only cannot be in one line; empty if it can."""
    option = config.option
    if not _can_time(config.pluginmanager):
        return (
            "ERROR: --benchmark-only: pip install pytest-benchmark, and leave out -p no:benchmark"
        )
    if getattr(option, "numprocesses", None) or getattr(option, "dist", "no") != "no":
        return "ERROR: --benchmark-only: workers of pytest-xdist slow each other: leave out -n"
    if option.kernel_isolate or option.kernel_problem:
        left_out = "--kernel-isolate" if option.kernel_isolate else "--kernel-problem"
        return f"ERROR: --benchmark-only times workloads in this process: leave out {left_out}"
    if option.kernel_benchmark_shrink < 1:
        return f"ERROR: --kernel-benchmark-shrink {option.kernel_benchmark_shrink}: give at least 1"
    return ""
