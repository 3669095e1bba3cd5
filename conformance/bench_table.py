"""The table at the end of a benchmark run: step time, tokens/s, memory, speed-up over eager."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from conformance.record import Record
from conformance.workloads import FORMAT

BASELINE = "eager"
CHIP = "910B2"
MIB = 2**20
WIDTH = 124  # columns that the table needs
COLUMNS = ("step ms", "of", "tokens/s", "MiB", "speed-up", "GFLOP/s", "of matmul", "budget")


def table(records: Sequence[Record], *, width: int) -> str:
    """Step time, tokens/s, memory and speed-up over eager of each kernel, by workload and pass."""
    grid = Table(box=box.SIMPLE_HEAD, title=_title(records), title_justify="left")
    grid.add_column("workload, kernel", no_wrap=True)
    for name in COLUMNS:
        grid.add_column(name, justify="right", no_wrap=True)
    for case in dict.fromkeys(record["case"] for record in records):
        rows = [record for record in records if record["case"] == case]
        grid.add_row(case)
        for record in rows:
            grid.add_row(f"  {escape(record['kernel'])}", *_cells(record, rows))
    return "\n".join([_text(grid, width), *_notes(records), *_modelled(records, width)])


def _title(records: Sequence[Record]) -> str:
    known = [record["benchmark"] for record in records if "benchmark" in record]
    machines = dict.fromkeys(str(one["processor"]) for one in known)
    return (
        f"verified, then timed, {FORMAT}: {'; '.join(machines)}" if known else "nothing was timed"
    )


def _cells(record: Record, beside: Sequence[Record]) -> list[str]:
    facts = record.get("benchmark")
    if facts is None:
        return [record["outcome"], *[""] * (len(COLUMNS) - 1)]
    fraction, memory = facts["matmul_fraction"], facts["peak_memory_bytes"]
    return [
        f"{1e3 * facts['seconds_median']:.1f}",
        "all" if facts["scaled_down"] == 1 else f"1/{facts['scaled_down']:.3g}",
        f"{facts['tokens_per_second']:,.0f}",
        "-" if memory is None else f"{memory / MIB:.1f}",
        _speed_up(facts, beside),
        f"{facts['gflops']:.3g}",
        "-" if fraction is None else f"{fraction:.0%}",
        f"{facts['budget']:.2g}",
    ]


def _speed_up(facts: Record, beside: Sequence[Record]) -> str:
    """Over eager where it was timed on the same device and problem."""
    for record in beside:
        other = record.get("benchmark")
        if other is None or not record["kernel"].startswith(BASELINE):
            continue
        if (other["device"], other["flops"]) == (facts["device"], facts["flops"]):
            return f"{other['seconds_median'] / facts['seconds_median']:.2f}"
    return "-"


def _notes(records: Sequence[Record]) -> list[str]:
    lines = [
        "step ms: median, of that part of the workload; tokens/s: of all; MiB: above the inputs",
        "of matmul: GFLOP/s over those of q k^T of the same size; budget: worst error / allowed",
    ]
    if any(record.get("benchmark", {}).get("device") == "emulator" for record in records):
        lines.append("emulator: what emulating took; it says nothing about a device")
    return lines


def _modelled(records: Sequence[Record], width: int) -> list[str]:
    """A second table: what the model says of each chip."""
    known = [record for record in records if record.get("benchmark", {}).get("modelled")]
    if not known:
        return []
    chips = list(known[0]["benchmark"]["modelled"])
    shown = CHIP if CHIP in chips else chips[0]
    title = f"model, not measurement: ms of the whole workload, {known[0]['kernel']}"
    grid = Table(box=box.SIMPLE_HEAD, title=escape(title), title_justify="left")
    grid.add_column("workload", no_wrap=True)
    for chip in chips:
        grid.add_column(chip, justify="right")
    grid.add_column(f"{shown} bound by", justify="right")
    grid.add_column(f"{shown} tokens/s", justify="right")
    for record in known:
        facts = record["benchmark"]
        times = facts["modelled"]
        cells = [f"{1e3 * whole(facts, chip):.3g}" for chip in chips]
        tokens = facts["tokens_per_second"] * facts["seconds_median"] * facts["scaled_down"]
        grid.add_row(
            record["case"], *cells, times[shown]["bound_by"], f"{tokens / whole(facts, shown):,.0f}"
        )
    return [_text(grid, width)]


def whole(facts: Record, chip: str) -> float:
    """Modelled seconds of the real workload: its heads and sequences keep every core busy."""
    times = facts["modelled"][chip]
    if facts["scaled_down"] == 1:
        return float(times["seconds"])
    launches = times.get("launch_seconds", 0.0)
    balanced = times.get("balance", 1.0) * (times["seconds"] - launches)
    longest = max(balanced, times["l2_seconds"], times["hbm_seconds"])  # shared by all cores
    return float(launches + longest * facts["scaled_down"])


def _text(grid: Table, width: int) -> str:
    text = io.StringIO()
    Console(file=text, width=max(width, 60), color_system=None).print(grid)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines() if line.strip())
