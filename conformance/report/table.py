"""The end of a run: kernel x feature, what is suspicious, what cannot be; plain text."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from conformance.report.document import ROWS, is_about, of_kernel, totals, worst
from conformance.run.record import Record, words
from conformance.run.run import Run

CELL = 22  # columns that one kernel takes at least


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


def not_computed(records: Iterable[Record]) -> list[tuple[str, int]]:
    """Why statistics were not computed, and of how many tensors; most frequent first."""
    return Counter(
        reason
        for record in records
        if record["outcome"] != "declined"
        for tensor in record["tensors"]
        if (reason := tensor.get("not_computed"))
    ).most_common()


def table(run: Run, records: Sequence[Record], *, width: int) -> str:
    """Kernel x feature: passed / declined / failed, worst error / allowed; plain text."""
    names = [kernel.name for kernel in run.kernels]
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
        grid.add_column(escape(name), justify="right", overflow="fold")
    for feature in ROWS:
        about = [
            [one for one in of_kernel(records, name) if is_about(one, feature)] for name in names
        ]
        if any(about):
            grid.add_row(feature, *map(_cell, about), end_section=feature == ROWS[-2])
    text = io.StringIO()
    Console(file=text, width=max(width, 40), color_system=None).print(grid)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines() if line.strip())


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
