"""report.html: the Report of a run as one page that needs nothing but itself."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import count
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from conformance.benchmark.table import whole
from conformance.benchmark.workloads import WORKLOADS
from conformance.cases.faults import FAULTS
from conformance.report import figures
from conformance.report.document import (
    NAME,
    ROWS,
    KernelEntry,
    Report,
    is_about,
    not_computed,
    of_kernel,
    suspicions,
    totals,
    worst,
)
from conformance.run.plain import to_json
from conformance.run.record import Benchmark, Entry
from conformance.standards.single import STANDARDS
from conformance.verdict.statistics import SIGMAS
from reference.problem.result import Result

PAGE = "report.html"
LIMITS = {"ratio": 1.0, "z": SIGMAS}
UNITS = {"ratio": "error / allowed", "z": "error / sigma"}


def write(folder: Path, report: Report) -> None:
    """Write both files; report.json first, so that it is there whatever becomes of the page."""
    content = json.dumps(to_json(report), indent=1, allow_nan=False)
    (folder / NAME).write_text(content + "\n", encoding="utf-8")
    write_page(folder, report)


def write_page(folder: Path, report: Report) -> None:
    """Write report.html alone, with the pictures that the report names."""
    pictures = [(folder / name).read_text("utf-8") for name in report.pictures]
    (folder / PAGE).write_text(page(report, pictures=pictures), encoding="utf-8")


def page(report: Report, *, pictures: Sequence[str] = ()) -> str:
    """The page, as HTML.

    Parameters
    ----------
    pictures : SVG files' texts to show under dropout
    """
    environment = Environment(
        loader=PackageLoader("conformance.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    marks = count()
    environment.filters["number"] = number
    environment.filters["picture"] = lambda svg: figures.inlined(svg, mark=f"p{next(marks)}-")
    tests = report.tests
    return environment.get_template("page.html.j2").render(
        report=report,
        environment=asdict(report.environment),
        verdict=verdict(tests) if report.complete else "interrupted",
        kernels=[_card(one, tests) for one in report.kernels],
        features=_features(report),
        failures=[one for one in tests if one.outcome == "failed"],
        faults=FAULTS,
        suspicions=suspicions(tests),
        not_computed=not_computed(tests),
        declined=_declined(tests),
        spreads=_spreads(report),
        units=UNITS,
        sweep="" if report.tier == "smoke" else _sweep(tests),
        maps=[(one, figures.heat_maps(one.map)) for one in report.maps],
        benchmarks=_benchmarks(tests),
        roofline=_roofline(tests),
        modelled=_modelled(tests),
        standards=_standards(report),
        figures=_figures(tests),
        titles=tuple(STANDARDS),
        pictures=pictures,
    )


def number(value: float | None) -> str:
    """Three digits; what is not there is a dash."""
    return "-" if value is None else f"{value:.3g}"


def verdict(tests: Iterable[Entry]) -> str:
    """What became of a run, "passed" or "failed": one in which nothing passed has failed."""
    count = totals(tests)
    return "passed" if count["passed"] and not count["failed"] else "failed"


@dataclass(frozen=True)
class _Card:
    """A kernel at the top of the page."""

    kernel: KernelEntry
    verdict: str
    worst: float | None


def _card(kernel: KernelEntry, tests: Sequence[Entry]) -> _Card:
    mine = of_kernel(tests, kernel.name)
    count = totals(mine)
    judged = count["passed"] or count["failed"]
    return _Card(kernel, verdict(mine) if judged else "declined", worst(mine))


def _features(report: Report) -> list[dict[str, Any]]:
    """Rows of the table kernel x feature."""
    rows = []
    for feature in ROWS:
        about = [one for one in report.tests if is_about(one, feature)]
        if about:
            mine = [of_kernel(about, kernel.name) for kernel in report.kernels]
            cells = [totals(each) | {"worst": worst(each), "any": bool(each)} for each in mine]
            rows.append({"feature": feature, "cells": cells})
    return rows


def _declined(tests: Iterable[Entry]) -> list[tuple[tuple[str, str], int]]:
    """(kernel, reason) and how often, most frequent first."""
    reasons = Counter((one.kernel, one.declined) for one in tests if one.outcome == "declined")
    return reasons.most_common()


def _spreads(report: Report) -> dict[str, dict[str, list[str]]]:
    """Pictures by kernel and by kind, one for each tensor."""
    drawn: dict[str, dict[str, list[str]]] = {}
    for kernel in report.kernels:
        mine = [one for one in report.distributions if one.kernel == kernel.name]
        for kind, limit in LIMITS.items():
            for tensor in sorted({one.tensor for one in mine}, key=_place):
                counts: dict[str, tuple[int, ...]] = {
                    one.format: getattr(one.spread, kind) for one in mine if one.tensor == tensor
                }
                picture = figures.spread(counts, title=tensor, limit=limit, unit=UNITS[kind])
                drawn.setdefault(kernel.name, {}).setdefault(kind, []).append(picture)
    return drawn


def _place(tensor: str) -> int:
    """Where a tensor stands among those of a Result."""
    names = [field.name for field in fields(Result)]
    return names.index(tensor.partition(",")[0])


def _sweep(tests: Sequence[Entry]) -> str:
    """The picture of ratios against lengths; nothing if no test has a length."""
    points: dict[str, list[tuple[int, float]]] = {}
    for test in tests:
        if test.outcome != "declined" and test.ratio is not None and test.seqlen_k:
            used = min(max(test.ratio, 1e-6), 1e3)
            points.setdefault(test.kernel, []).append((test.seqlen_k, used))
    return figures.lengths(points) if points else ""


def _benchmarks(tests: Sequence[Entry]) -> list[tuple[Entry, Benchmark]]:
    """What was timed, kernels side by side, in the order of the workloads."""
    places = {workload.id: at for at, workload in enumerate(WORKLOADS)}
    timed = [(one, one.benchmark) for one in tests if one.benchmark is not None]
    return sorted(
        timed,
        key=lambda one: (
            places.get(one[1].workload, len(places)),
            one[1].causal,
            one[1].pass_,
        ),
    )


def _modelled(tests: Sequence[Entry]) -> list[tuple[Entry, Benchmark, str, float, str]]:
    """Each benchmark, chip by chip: modelled seconds of the whole workload, and its bound."""
    return [
        (test, benchmark, chip, *whole(benchmark, chip))
        for test, benchmark in _benchmarks(tests)
        for chip in benchmark.modelled or {}
    ]


def _roofline(tests: Sequence[Entry]) -> str:
    timed = [(test.kernel, benchmark) for test, benchmark in _benchmarks(tests)]
    return figures.roofline(timed) if timed else ""


def _standards(report: Report) -> list[dict[str, Any]]:
    """Rows of the table of the vendor's standards, for those that judged something."""
    rows = []
    for name, standard in STANDARDS.items():
        cells = [_judged(name, of_kernel(report.tests, kernel.name)) for kernel in report.kernels]
        if any(cell["judged"] for cell in cells):
            rows.append({"name": standard.title, "meaning": standard.meaning, "cells": cells})
    return rows


def _judged(standard: str, tests: Sequence[Entry]) -> dict[str, int]:
    """How many tensors a standard judged and accepts, and where it differs from the bound."""
    pairs = [
        (tensor.standards[standard].accepts, not tensor.failed)
        for test in tests
        for tensor in test.tensors
        if standard in tensor.standards
    ]
    return {
        "judged": len(pairs),
        "accepted": sum(accepts for accepts, _ in pairs),
        "accepts_wrong": pairs.count((True, False)),
        "rejects_right": pairs.count((False, True)),
    }


def _figures(tests: Sequence[Entry]) -> dict[tuple[str, str, str], dict[str, dict[str, float]]]:
    """The worst figures of each standard, by kernel, tensor and format."""
    largest: dict[tuple[str, str, str], dict[str, dict[str, float]]] = {}
    for test in tests:
        for tensor in test.tensors:
            for name, standard in tensor.standards.items():
                key = (test.kernel, tensor.name, test.format)
                worst_of = largest.setdefault(key, {}).setdefault(name, {})
                for figure, value in standard.figures.items():
                    worst_of[figure] = max(worst_of.get(figure, 0.0), value)
    return largest
