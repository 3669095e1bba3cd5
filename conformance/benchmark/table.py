"""The table at the end of a benchmark run: step time, tokens/s, memory, speed-up over eager."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from conformance.benchmark.workloads import FORMAT
from conformance.run.record import Benchmark, Entry

BASELINE = "eager"
CHIP = "910B2"
MIB = 2**20
WIDTH = 140  # columns that the table needs
COLUMNS = ("step ms", "of", "tokens/s", "MiB", "speed-up", "GFLOP/s", "of matmul", "ratio")


def table(tests: Sequence[Entry], *, width: int) -> str:
    """Step time, tokens/s, memory and speed-up over eager of each kernel, by workload and pass."""
    grid = Table(box=box.SIMPLE_HEAD, title=_title(tests), title_justify="left")
    grid.add_column("workload, kernel", no_wrap=True)
    for name in COLUMNS:
        grid.add_column(name, justify="right", no_wrap=True)
    for case in dict.fromkeys(test.case for test in tests):
        rows = [test for test in tests if test.case == case]
        grid.add_row(case)
        for test in rows:
            grid.add_row(f"  {escape(test.kernel)}", *_cells(test, rows))
    return "\n".join([_text(grid, width), *_notes(tests), *_modelled(tests, width)])


def _title(tests: Sequence[Entry]) -> str:
    known = [test.benchmark for test in tests if test.benchmark is not None]
    machines = dict.fromkeys(one.processor for one in known)
    return (
        f"verified, then timed, {FORMAT}: {'; '.join(machines)}" if known else "nothing was timed"
    )


def _cells(test: Entry, beside: Sequence[Entry]) -> list[str]:
    facts = test.benchmark
    if facts is None:
        return [test.outcome, *[""] * (len(COLUMNS) - 1)]
    fraction, memory = facts.matmul_fraction, facts.peak_memory_bytes
    return [
        three_digits(1e3 * facts.seconds_median),
        "all" if facts.scaled_down == 1 else f"1/{facts.scaled_down:.3g}",
        three_digits(facts.tokens_per_second),
        "-" if memory is None else three_digits(memory / MIB),
        _speed_up(facts, beside),
        f"{facts.gflops:.3g}",
        "-" if fraction is None else f"{fraction:.0%}",
        f"{facts.ratio:.2g}",
    ]


def three_digits(value: float) -> str:
    """A number with three significant digits: "0.0838", "53.1", "15,300,000"."""
    return f"{value:.3g}" if abs(value) < 999.5 else f"{float(f'{value:.3g}'):,.0f}"


def _speed_up(facts: Benchmark, beside: Sequence[Entry]) -> str:
    """Over eager where it was timed on the same device and problem."""
    for test in beside:
        other = test.benchmark
        if other is None or test.kernel.partition("[")[0] != BASELINE:
            continue
        if (other.device, other.flops) == (facts.device, facts.flops):
            return f"{other.seconds_median / facts.seconds_median:.2f}"
    return "-"


def _notes(tests: Sequence[Entry]) -> list[str]:
    timed = [(test.kernel, test.benchmark) for test in tests if test.benchmark is not None]
    lines = [
        'step ms: median time of the part that was timed (column "of")',
        "tokens/s: extrapolated to the whole workload; MiB: memory above the inputs",
        "of matmul: GFLOP/s as a share of what one matmul q k^T of this size reaches here",
        "ratio: worst error / allowed",
    ]
    lines += dict.fromkeys(
        f"{kernel}: no memory: {facts.peak_memory_note}"
        for kernel, facts in timed
        if facts.peak_memory_note
    )
    if any(facts.device == "emulator" for _, facts in timed):
        lines.append(
            "on the emulator a time is what emulating takes: it says nothing about a device"
        )
    return lines


def _modelled(tests: Sequence[Entry], width: int) -> list[str]:
    """Further tables: what each kernel's model says of its chips."""
    known = [
        (test, test.benchmark)
        for test in tests
        if test.benchmark is not None and test.benchmark.modelled
    ]
    kernels = dict.fromkeys(test.kernel for test, _ in known)
    return [_of_model([one for one in known if one[0].kernel == name], width) for name in kernels]


def _of_model(known: Sequence[tuple[Entry, Benchmark]], width: int) -> str:
    chips = list(dict.fromkeys(chip for _, facts in known for chip in facts.modelled or {}))
    shown = CHIP if CHIP in chips else chips[0]
    title = f"model, not measurement: ms of the whole workload, {known[0][0].kernel}"
    grid = Table(box=box.SIMPLE_HEAD, title=escape(title), title_justify="left")
    grid.add_column("workload", no_wrap=True)
    for name in (*chips, f"{shown} bound by", f"{shown} tokens/s"):
        grid.add_column(name, justify="right")
    for test, facts in known:
        times = {chip: whole(facts, chip) for chip in chips if chip in (facts.modelled or {})}
        cells = [f"{1e3 * times[chip][0]:.3g}" if chip in times else "-" for chip in chips]
        seconds, bound = times.get(shown, (math.inf, "-"))
        tokens = facts.tokens_per_second * facts.seconds_median * facts.scaled_down
        grid.add_row(test.case, *cells, bound, three_digits(tokens / seconds))
    return _text(grid, width)


def whole(facts: Benchmark, chip: str) -> tuple[float, str]:
    """Modelled seconds of the real workload on a chip of `facts.modelled`, and what bounds it.

    Its heads and sequences keep every core busy; L2 and HBM are shared by all cores.
    """
    times = (facts.modelled or {})[chip]
    if facts.scaled_down == 1:
        return times.seconds, times.bound_by
    launches = times.launch_seconds
    balanced = times.balance * (times.seconds - launches)
    shared = {"L2": times.l2_seconds, "HBM": times.hbm_seconds}
    cores = "latencies" if times.bound_by in shared else times.bound_by
    bounds = {cores: balanced, **shared}
    bound = max(bounds, key=lambda name: bounds[name])
    return launches + bounds[bound] * facts.scaled_down, bound


def _text(grid: Table, width: int) -> str:
    text = io.StringIO()
    Console(file=text, width=max(width, 60), color_system=None).print(grid)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines() if line.strip())
