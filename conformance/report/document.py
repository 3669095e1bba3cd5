"""Report: everything that is known of a run, as report.json holds it."""

from __future__ import annotations

import os
import platform
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from typing import Annotated, Literal

import numpy as np

from conformance.report.spread import added
from conformance.run.record import (
    Count,
    Entry,
    ErrorMap,
    FormatName,
    Number,
    Record,
    Spread,
    TensorRecord,
)
from conformance.run.recording import words
from conformance.run.run import Run
from reference.problem.features import FEATURES

NAME = "report.json"
SCHEMA_VERSION = 2
OUTCOMES = ("passed", "declined", "failed")
WORST = 10  # maps of a report

GROUPS = {
    "accuracy": "cases",
    "golden": "golden vectors",
    "laws": "laws",
    "memory": "laws of memory",
    "dropout": "dropout masks",
    "benchmark": "benchmarks",
}
"""Rows of the table kernel x feature that count the tests of one file, by the file's name."""

ROWS = (*FEATURES, *GROUPS.values(), "all")
"""Rows of the table kernel x feature."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Versions and machine."""

    python: str
    numpy: str
    torch: Annotated[str | None, "null: no kernel loaded it."]
    suite: Annotated[str | None, "Version of this suite; null: not installed."]
    system: str
    machine: str
    cpus: int | None


@dataclass(frozen=True, kw_only=True)
class KernelEntry:
    """One kernel of the run."""

    name: Annotated[str, "As in test ids."]
    spec: Annotated[str, "As given to --kernel."]
    digest: Annotated[str | None, "Which code ran, in the kernel's own words."]
    totals: Annotated[Mapping[str, Count], "Tests that passed, declined and failed."]


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """How the errors of all tests together are spread, of one kernel, tensor and format."""

    kernel: str
    tensor: str
    format: FormatName
    spread: Spread


@dataclass(frozen=True, kw_only=True)
class WorstCase:
    """Where in a tensor the errors of one of the worst tests are."""

    kernel: str
    test: str
    case: str
    format: FormatName
    ratio: Annotated[Number, "Largest error / allowed, which the mapped tensor has."]
    map: ErrorMap


@dataclass(frozen=True, kw_only=True)
class Report:
    """One conformance run."""

    schema_version: int
    written: Annotated[str, ("format", "date-time"), "When the run ended."]
    complete: Annotated[bool, "Whether the run was not interrupted."]
    seed: Annotated[int, "Seed of all inputs (--kernel-seed)."]
    tier: Literal["smoke", "default", "full"]
    strict: Annotated[bool, "Whether a suspicious tensor failed its test."]
    forward: Annotated[bool, "Whether gradients were left out of every case."]
    environment: Environment
    kernels: tuple[KernelEntry, ...]
    distributions: tuple[Distribution, ...]
    maps: Annotated[tuple[WorstCase, ...], ("maxItems", WORST), "Worst first."]
    pictures: Annotated[tuple[str, ...], "SVG files of dropout's statistics, beside this file."]
    tests: tuple[Entry, ...]


def document(run: Run, records: Sequence[Record], *, complete: bool = True) -> Report:
    """The Report of a run.

    Parameters
    ----------
    complete : bool
        Nobody and nothing ended the run early.
    """
    records = sorted(
        records,
        key=lambda one: (one.entry.kernel, one.entry.test, one.entry.case, one.entry.format),
    )
    tests = [record.entry for record in records]
    return Report(
        schema_version=SCHEMA_VERSION,
        written=datetime.now(UTC).isoformat(timespec="seconds"),
        complete=complete,
        seed=run.seed,
        tier=run.tier,  # type: ignore[arg-type]
        strict=run.strict,
        forward=run.forward,
        environment=environment(),
        kernels=tuple(
            KernelEntry(
                name=kernel.name,
                spec=kernel.spec,
                digest=kernel.digest,
                totals=totals(of_kernel(tests, kernel.name)),
            )
            for kernel in run.kernels
        ),
        distributions=distributions(records),
        maps=worst_cases(records),
        pictures=tuple(sorted(path for record in records for path in record.pictures)),
        tests=tuple(tests),
    )


def environment() -> Environment:
    """Versions and machine; torch only where a kernel loaded it."""
    torch = sys.modules.get("torch")
    return Environment(
        python=platform.python_version(),
        numpy=np.__version__,
        torch=None if torch is None else str(torch.__version__),
        suite=_version(),
        system=platform.platform(),
        machine=platform.machine(),
        cpus=os.cpu_count(),
    )


def _version() -> str | None:
    try:
        return metadata.version("npu-flash-conformance")
    except metadata.PackageNotFoundError:
        return None


def distributions(records: Iterable[Record]) -> tuple[Distribution, ...]:
    """Counts of elements by error / allowed and error / sigma, for each kernel, tensor and format.

    conformance.report.spread says what is counted.
    """
    summed: dict[tuple[str, str, str], Distribution] = {}
    for record in records:
        for tensor, spread in record.spreads.items():
            kernel, format = record.entry.kernel, record.entry.format
            key = (kernel, tensor, format)
            if not format:
                continue
            before = summed.get(key)
            summed[key] = (
                Distribution(kernel=kernel, tensor=tensor, format=format, spread=spread)
                if before is None
                else replace(before, spread=added(before.spread, spread))
            )
    return tuple(summed.values())


def worst_cases(records: Iterable[Record]) -> tuple[WorstCase, ...]:
    """The maps of the tests whose error is largest beside what is allowed, worst first."""
    worst_first = sorted(records, key=lambda one: one.entry.ratio or 0.0, reverse=True)
    cases = (
        WorstCase(
            kernel=entry.kernel,
            test=entry.test,
            case=entry.case,
            format=entry.format,
            ratio=entry.ratio or 0.0,
            map=record.map,
        )
        for record in worst_first
        if record.map is not None and (entry := record.entry).format
    )
    return tuple(case for case, _ in zip(cases, range(WORST), strict=False))


def totals(tests: Iterable[Entry]) -> dict[str, int]:
    """How many tests passed, were declined, and failed."""
    count: Counter[str] = Counter(test.outcome for test in tests)
    return {outcome: count[outcome] for outcome in OUTCOMES}


def worst(tests: Iterable[Entry]) -> float | None:
    """The largest error / allowed; None if nothing was measured."""
    return max((test.ratio for test in tests if test.ratio is not None), default=None)


def of_kernel(tests: Iterable[Entry], kernel: str) -> list[Entry]:
    """The tests of one kernel."""
    return [test for test in tests if test.kernel == kernel]


def suspicions(tests: Iterable[Entry]) -> list[tuple[Entry, TensorRecord]]:
    """The tensors that are improbable under their contract, but within the bound."""
    return [
        (test, tensor)
        for test in tests
        if test.outcome != "declined"
        for tensor in test.tensors
        if tensor.suspicious and not tensor.failed
    ]


def not_computed(tests: Iterable[Entry]) -> list[tuple[str, int]]:
    """(why statistics were not computed, for how many tensors), most frequent first."""
    return Counter(
        tensor.not_computed
        for test in tests
        if test.outcome != "declined"
        for tensor in test.tensors
        if tensor.not_computed
    ).most_common()


def is_about(test: Entry, row: str) -> bool:
    """Whether a test counts for a row of ROWS.

    A declined test counts for the features that it was declined for.
    """
    if row == "all":
        return True
    if row not in FEATURES:
        return GROUPS.get(test.group) == row
    if test.outcome == "declined":
        return row in words(test.declined)
    return row in test.features
