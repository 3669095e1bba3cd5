"""The report of a run: report.json (report_schema.json says what it holds), and its table."""

from __future__ import annotations

import io
import os
import platform
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib import metadata
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from conformance.record import Record, words
from conformance.run import Run
from reference.features import FEATURES

SCHEMA_VERSION = 1
OUTCOMES = ("passed", "declined", "failed")
CELL = 22  # columns that one kernel takes at least


def document(run: Run, records: Sequence[Record]) -> dict[str, Any]:
    """Everything that is known of a run, as JSON holds it."""
    return {
        "schema_version": SCHEMA_VERSION,
        "seed": run.seed,
        "tier": run.tier,
        "strict": run.strict,
        "forward": run.forward,
        "environment": environment(),
        "kernels": [
            {
                "name": subject.name,
                "spec": subject.spec,
                "digest": subject.digest,
                "totals": totals(_of(records, subject.name)),
            }
            for subject in run.subjects
        ],
        "tests": sorted(records, key=lambda one: (one["kernel"], one["test"], one["case"])),
    }


def environment() -> dict[str, Any]:
    """Versions and machine; torch only where a kernel loaded it."""
    torch = sys.modules.get("torch")
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": None if torch is None else str(torch.__version__),
        "suite": _version(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
    }


def _version() -> str | None:
    try:
        return metadata.version("npu-flash-conformance")
    except metadata.PackageNotFoundError:
        return None


def totals(records: Iterable[Record]) -> dict[str, int]:
    """How many tests passed, were declined, and failed."""
    count = Counter(record["outcome"] for record in records)
    return {outcome: count[outcome] for outcome in OUTCOMES}


def worst(records: Iterable[Record]) -> float | None:
    """The largest error / allowed; None if nothing was measured."""
    budgets = [float(tensor["budget"]) for record in records for tensor in record["tensors"]]
    return max(budgets, default=None)


def suspicions(records: Iterable[Record]) -> list[str]:
    """One line for each tensor that is improbable under its contract, but within the bound."""
    return [
        f"{record['kernel']} {record['case']} {record.get('format', '')} {tensor['name']}: "
        f"{tensor['suspicious']}"
        for record in records
        if record["outcome"] != "declined"
        for tensor in record["tensors"]
        if tensor["suspicious"] and not tensor["failed"]
    ]


def table(run: Run, records: Sequence[Record], *, width: int) -> str:
    """Kernel x feature: passed / declined / failed, worst error / allowed; plain text.

    A declined test counts for the features that it was declined for.
    """
    names = [subject.name for subject in run.subjects]
    room = max(1, (width - 16) // CELL)  # kernels side by side
    parts = [
        _grid(names[first : first + room], records, width) for first in range(0, len(names), room)
    ]
    legend = "passed / declined / failed  worst error / allowed"
    return "\n".join([legend, *parts, *_other_reasons(records)])


def _grid(names: Sequence[str], records: Sequence[Record], width: int) -> str:
    grid = Table(box=box.SIMPLE)
    grid.add_column("feature", no_wrap=True)
    for name in names:
        grid.add_column(name, justify="right", overflow="fold")
    for feature in (*FEATURES, "laws", "benchmarks", "all"):
        about = [[one for one in _of(records, name) if _is_about(one, feature)] for name in names]
        if any(about):
            grid.add_row(feature, *map(_cell, about), end_section=feature == "benchmarks")
    text = io.StringIO()
    Console(file=text, width=max(width, 40), color_system=None).print(grid)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines() if line.strip())


def _is_about(record: Record, feature: str) -> bool:
    if feature == "all":
        return True
    if feature == "benchmarks":
        return bool(record["test"] == "test_workload")
    if feature == "laws":
        return not record["features"] and record["test"] != "test_workload"
    if record["outcome"] == "declined":
        return feature in words(record["declined"])
    return feature in record["features"]


def _cell(records: Sequence[Record]) -> str:
    if not records:
        return "-"
    counts = " / ".join(str(count) for count in totals(records).values())
    ratio = worst(records)
    return f"{counts}  {'    -' if ratio is None else f'{ratio:5.3g}'}"


def _other_reasons(records: Sequence[Record]) -> list[str]:
    """What was declined in words that are no features, counted."""
    count = Counter(
        (record["kernel"], record["declined"])
        for record in records
        if record["outcome"] == "declined" and not words(record["declined"])
    )
    return [f"{name} declined {number}: {reason}" for (name, reason), number in count.items()]


def _of(records: Iterable[Record], kernel: str) -> list[Record]:
    return [record for record in records if record["kernel"] == kernel]
