"""Where the suite's statistics take their masks from, how many decisions, and what they leave."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from conformance.dropout.generators.known import GENERATORS, SHAPE
from conformance.dropout.recovery.probes import stream
from conformance.dropout.recovery.recover import masks_of_kernel
from conformance.dropout.statistics import plots
from conformance.dropout.statistics.battery import battery
from conformance.dropout.statistics.findings import Findings
from conformance.dropout.statistics.masks import Masks
from conformance.kernel import LoadedKernel

P = 0.1
"""The usual rate."""

BITS = {"smoke": 10**6, "default": 10**7, "full": 10**9}
"""Decisions, by tier."""

SECONDS = {"smoke": 10.0, "default": 60.0, "full": 1800.0}
"""How long masks are read off a kernel, by tier; what it gave until then is judged."""


def of_the_stream(tier: str, seed: int) -> Findings:
    """The findings on the problem's own stream, for kernels whose masks are proved to be its."""
    elements = SHAPE[0] * SHAPE[1] * SHAPE[2] * SHAPE[3]
    calls = -(-BITS[tier] // elements)
    return battery(GENERATORS["philox"].calls(calls, p=P, seed=stream(seed).seed))


def of_the_kernel(kernel: LoadedKernel, tier: str, seed: int) -> Iterator[Masks]:
    """Masks read off a kernel's answers, until there are enough or the time is up.

    Raises
    ------
    Unsupported, Broken
        As masks_of_kernel.
    """
    begin, bits = time.monotonic(), 0
    seed = stream(seed).seed
    for masks in masks_of_kernel(kernel, p=P, calls=BITS[tier], seed=seed):
        yield masks
        bits += masks.keep.size
        if bits >= BITS[tier] or time.monotonic() - begin > SECONDS[tier]:
            return


def remark(bits: int, tier: str, *, proved: bool) -> str:
    """One line: how many decisions the statistics had, and whose."""
    whose = "of the declared stream, which its masks are" if proved else "read off its answers"
    short = f"; {BITS[tier]:,} were asked for, and {SECONDS[tier]:g} s were up"
    return f"{bits:,} decisions {whose}{short if bits < BITS[tier] else ''}"


def leave(findings: Findings, folder: Path, name: str) -> list[Path]:
    """Leave the table and its plots in a folder; the paths of the plots.

    Parameters
    ----------
    name : str
        Of the kernel.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{plots.stem(name)}.txt").write_text(findings.text() + "\n")
    return plots.write(findings, folder, name=name)
