"""The table at the end of a run, kernel x feature, as plain text."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from conformance.report.document import ROWS, is_about, of_kernel, totals, worst
from conformance.run.record import Entry
from conformance.run.recording import words
from conformance.run.run import Run

CELL = 22  # columns that one kernel takes at least


def table(run: Run, tests: Sequence[Entry], *, width: int) -> str:
    """Kernel x feature: passed / declined / failed, worst error / allowed; plain text."""
    names = [kernel.name for kernel in run.kernels]
    room = max(1, (width - 16) // CELL)  # kernels side by side
    parts = [
        _grid(names[first : first + room], tests, width) for first in range(0, len(names), room)
    ]
    legend = "passed / declined / failed  worst error / allowed"
    return "\n".join([legend, *parts, *_other_reasons(tests)])


def _grid(names: Sequence[str], tests: Sequence[Entry], width: int) -> str:
    grid = Table(box=box.SIMPLE)
    grid.add_column("feature", no_wrap=True)
    for name in names:
        grid.add_column(escape(name), justify="right", overflow="fold")
    for feature in ROWS:
        about = [
            [one for one in of_kernel(tests, name) if is_about(one, feature)] for name in names
        ]
        if any(about):
            grid.add_row(feature, *map(_cell, about), end_section=feature == ROWS[-2])
    text = io.StringIO()
    Console(file=text, width=max(width, 40), color_system=None).print(grid)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines() if line.strip())


def _cell(tests: Sequence[Entry]) -> str:
    if not tests:
        return "-"
    counts = " / ".join(str(count) for count in totals(tests).values())
    ratio = worst(tests)
    return f"{counts}  {'    -' if ratio is None else f'{ratio:5.3g}'}"


def _other_reasons(tests: Sequence[Entry]) -> list[str]:
    """What was declined in words that are no features, counted."""
    count = Counter(
        (test.kernel, test.declined)
        for test in tests
        if test.outcome == "declined" and not words(test.declined)
    )
    return [f"{name} declined {number}: {reason}" for (name, reason), number in count.items()]
