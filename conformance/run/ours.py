"""Which tests are the suite's: those of the files in its folder, whatever others are called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard, cast

import pytest

if TYPE_CHECKING:
    from conformance.kernel import LoadedKernel

HERE = Path(__file__).parents[1]
KERNEL = "conformance kernel"  # in a test's user_properties: the name of its kernel


def is_ours(node: pytest.Item) -> TypeGuard[pytest.Function]:
    """Whether a test stands in a file of the suite's own folder."""
    return isinstance(node, pytest.Function) and node.path.parent == HERE


def kernel_of(item: pytest.Item) -> LoadedKernel | None:
    """The kernel that a test of the suite is about; None for any other test."""
    if not is_ours(item) or not hasattr(item, "callspec"):
        return None
    return cast("LoadedKernel | None", item.callspec.params.get("kernel"))


def mark(item: pytest.Item) -> None:
    """Write the kernel's name into every report that the test will have."""
    if (kernel := kernel_of(item)) is not None:
        item.user_properties.append((KERNEL, kernel.name))


def is_report_of_ours(report: pytest.TestReport, *, rootdir: Path) -> bool:
    """Whether a report is of a test of the suite.

    A test that ran carries the mark in its own report. The report that stands for a dead worker
    has neither properties nor keywords, only the path of the test's file: relative to `rootdir`, or
    empty where that file lies outside of it.
    """
    if report.keywords:
        return any(name == KERNEL for name, _ in report.user_properties)
    path = report.nodeid.partition("::")[0]
    return not path or (rootdir / path).resolve().parent == HERE
