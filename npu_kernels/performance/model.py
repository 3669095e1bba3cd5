"""How long a launch would take on a chip, from the emulator's counters: a model, not a measurement.

docs/performance_model.md derives it, names its sources and says how far to trust it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from npu_kernels.ascend_c.binding import CoreCounters
from npu_kernels.performance.chips import CHIPS, L2_READ, L2_WRITE, MACS, RATES, Chip

PATHS_OF = {
    ("AIC", "MTE2"): ("GM to L1",),
    ("AIC", "MTE1"): ("L1 to L0A", "L1 to L0B"),
    ("AIC", "FIX"): ("L0C to GM",),
    ("AIV", "MTE2"): ("GM to UB",),
    ("AIV", "MTE3"): ("UB to GM",),
}
"""Which bytes a pipe of a core moves."""

READS = ("GM to L1", "GM to UB")
WRITES = ("L0C to GM", "UB to GM")
LABEL = "model, not measurement"


@dataclass(frozen=True, kw_only=True)
class Latencies:
    """What the counters do not tell, in seconds; the last two in cycles.

    Attributes
    ----------
    launch : float
        Of a kernel.
    hand_over : float
        Of a wait of one core for another, beyond what the pipes hide.
    dma : float
        Of each instruction that moves data from or to GM.
    issue : int
        Cycles of a vector instruction beside its repeats.
    product : int
        The same of Mmad.
    """

    launch: float
    hand_over: float
    dma: float
    issue: int = 10
    product: int = 25


NONE = Latencies(launch=0.0, hand_over=0.0, dma=0.0, issue=0, product=0)
"""Throughput alone: what no kernel with these counters can beat."""

FITTED = Latencies(launch=13e-6, hand_over=0.16e-6, dma=0.1e-6)
"""To six measured lengths of a kernel built like ours, each within 12 %: performance_model.md."""


@dataclass(frozen=True, kw_only=True)
class Modelled:
    """One chip's times for a call, in seconds.

    Attributes
    ----------
    seconds : float
        With fitted latencies.
    unfitted_seconds : float
        Without any: the largest of the three bounds.
    bound_by : str
        Which of them: the core and pipe, "L2" or "HBM".
    pipe_seconds, l2_seconds, hbm_seconds : float
    launch_seconds : float
        What of `seconds` are launches.
    balance : float
        Mean over groups of the busiest pipe's time, over the slowest group's; groups without work
        count.
    utilisation : float
        Products of the cubes in `seconds`, over their peak.
    """

    seconds: float
    unfitted_seconds: float
    bound_by: str
    pipe_seconds: float
    l2_seconds: float
    hbm_seconds: float
    launch_seconds: float
    balance: float
    utilisation: float


def modelled(
    counters: Sequence[CoreCounters], hbm_bytes: int, chip: Chip, latencies: Latencies
) -> Modelled:
    """The time of a call whose kernels run one after the other.

    Parameters
    ----------
    counters : of all kernels, in the emulator's order
        Emulated with as many groups as the chip has.
    hbm_bytes : int
        What comes from HBM and goes there: each tensor once. Workspaces stay in L2.
    """
    kernels = list(_kernels(counters))
    pipe = [_slowest(kernel, chip, NONE) for kernel in kernels]
    fitted = [_slowest(kernel, chip, latencies)[0] for kernel in kernels]
    l2 = _l2_cycles(counters) / chip.groups / chip.hertz
    hbm = hbm_bytes / chip.hbm
    pipe_seconds = sum(seconds for seconds, _ in pipe)
    _, longest_pipe = max(pipe, default=(0.0, "none"))
    bounds = {longest_pipe: pipe_seconds, "L2": l2, "HBM": hbm}
    launches = latencies.launch * len(kernels)
    seconds = max(sum(fitted), l2, hbm) + launches
    flops = 2 * sum(sum(core.macs.values()) for core in counters)
    return Modelled(
        seconds=seconds,
        unfitted_seconds=max(bounds.values()),
        bound_by=max(bounds, key=lambda name: bounds[name]),
        pipe_seconds=pipe_seconds,
        l2_seconds=l2,
        hbm_seconds=hbm,
        launch_seconds=launches,
        balance=_balance(kernels, chip, sum(fitted), latencies),
        utilisation=flops / seconds / chip.peak if seconds else 0.0,
    )


def on_every_chip(
    counters: Mapping[int, Sequence[CoreCounters]], hbm_bytes: int
) -> dict[str, dict[str, Any]]:
    """`modelled` as plain values, by chip; `counters` by number of groups."""
    return {
        name: {
            **vars(modelled(counters[chip.groups], hbm_bytes, chip, FITTED)),
            "label": LABEL,
        }
        for name, chip in CHIPS.items()
    }


def _kernels(counters: Sequence[CoreCounters]) -> Iterator[list[CoreCounters]]:
    """Counters come by kernel, group and core: a group that is not beyond the last begins one."""
    kernel: list[CoreCounters] = []
    for core in counters:
        if kernel and (core.group, core.core) <= (kernel[-1].group, kernel[-1].core):
            yield kernel
            kernel = []
        kernel.append(core)
    if kernel:
        yield kernel


def _slowest(kernel: Sequence[CoreCounters], chip: Chip, added: Latencies) -> tuple[float, str]:
    """Seconds of the busiest pipe, with its core's waits for other cores; which pipe that is."""
    return max(
        (
            cycles / chip.hertz + _dma(core, pipe, added) + added.hand_over * core.waits["S"],
            f"{core.core[:3]} {pipe}",
        )
        for core in kernel
        for pipe, cycles in pipe_cycles(core, added).items()
    )


def pipe_cycles(core: CoreCounters, latencies: Latencies = NONE) -> dict[str, float]:
    """Cycles for which each pipe of a core is busy."""
    kind = core.core[:3]
    cycles = {
        pipe: sum(core.bytes[path] / RATES[path] for path in paths)
        for (of, pipe), paths in PATHS_OF.items()
        if of == kind
    }
    if kind == "AIC":
        cycles["M"] = core.macs["M"] / MACS + latencies.product * core.instructions["M"]
    else:
        cycles["V"] = core.repeats["V"] + latencies.issue * core.instructions["V"]
    return cycles


def _dma(core: CoreCounters, pipe: str, latencies: Latencies) -> float:
    return latencies.dma * core.instructions[pipe] if pipe in ("MTE2", "MTE3") else 0.0


def _l2_cycles(counters: Sequence[CoreCounters]) -> float:
    read = sum(core.bytes[path] for core in counters for path in READS)
    written = sum(core.bytes[path] for core in counters for path in WRITES)
    return max(read / L2_READ, written / L2_WRITE)


def _balance(
    kernels: Sequence[Sequence[CoreCounters]], chip: Chip, slowest: float, latencies: Latencies
) -> float:
    of_groups = 0.0
    for kernel in kernels:
        for group in {core.group for core in kernel}:
            cores = [core for core in kernel if core.group == group]
            of_groups += _slowest(cores, chip, latencies)[0]
    return of_groups / chip.groups / slowest if slowest else 1.0
