"""report.html: the document of a run as one page that needs nothing but itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import fields
from itertools import count
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from conformance.benchmark.table import whole
from conformance.benchmark.workloads import WORKLOADS
from conformance.report import figures
from conformance.report.distributions import ratio
from conformance.report.document import ROWS, is_about, of_kernel, totals, worst
from conformance.report.table import not_computed
from conformance.run.record import Record
from conformance.standards.single import STANDARDS
from conformance.verdict.statistics import SIGMAS
from reference.problem.result import Result

Document = dict[str, Any]
LIMITS = {"ratio": 1.0, "z": SIGMAS}
UNITS = {"ratio": "error / allowed", "z": "error / sigma"}


def page(document: Document, *, pictures: Sequence[str] = ()) -> str:
    """The page, as HTML.

    Parameters
    ----------
    document : as schema.json says
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
    tests: list[Record] = document["tests"]
    return environment.get_template("page.html.j2").render(
        document=document,
        verdict=verdict(tests) if document["complete"] else "interrupted",
        kernels=[_kernel(one, tests) for one in document["kernels"]],
        features=_features(document),
        failures=[_failure(one) for one in tests if one["outcome"] == "failed"],
        suspicions=[_suspicious(one) for one in tests if _suspicious(one)["tensors"]],
        not_computed=not_computed(tests),
        declined=_declined(tests),
        spreads=_spreads(document),
        units=UNITS,
        sweep=_sweep(tests),
        maps=[(one, figures.heat_maps(one)) for one in document["maps"]],
        benchmarks=_benchmarks(tests),
        roofline=_roofline(tests),
        modelled=_modelled(tests),
        standards=_standards(document),
        figures=_figures(tests),
        titles=tuple(STANDARDS),
        pictures=pictures,
        ratio=ratio,
    )


def number(value: float | str | None) -> str:
    """Three digits; what is not there is a dash."""
    return "-" if value is None else f"{float(value):.3g}"


def verdict(tests: Iterable[Record]) -> str:
    """What became of a run, "passed" or "failed": one in which nothing passed has failed."""
    count = totals(tests)
    return "passed" if count["passed"] and not count["failed"] else "failed"


def _kernel(kernel: Record, tests: Sequence[Record]) -> Record:
    mine = of_kernel(tests, kernel["name"])
    count = totals(mine)
    judged = count["passed"] or count["failed"]
    return kernel | {"verdict": verdict(mine) if judged else "declined", "worst": worst(mine)}


def _features(document: Document) -> list[Record]:
    """Rows of the table kernel x feature."""
    rows = []
    for feature in ROWS:
        about = [one for one in document["tests"] if is_about(one, feature)]
        if about:
            mine = [of_kernel(about, kernel["name"]) for kernel in document["kernels"]]
            cells = [totals(each) | {"worst": worst(each), "any": bool(each)} for each in mine]
            rows.append({"feature": feature, "cells": cells})
    return rows


def _failure(test: Record) -> Record:
    """A failed test with what it is likely to be, if the text says so."""
    likely = [line for line in test["failed"].splitlines() if line.startswith("likely: ")]
    return test | {"likely": likely[0] if likely else ""}


def _suspicious(test: Record) -> Record:
    tensors = [one for one in test["tensors"] if one["suspicious"] and not one["failed"]]
    return test | {"tensors": [] if test["outcome"] == "declined" else tensors}


def _declined(tests: Iterable[Record]) -> list[tuple[tuple[str, str], int]]:
    """(kernel, reason) and how often, most frequent first."""
    reasons = Counter(
        (one["kernel"], one["declined"]) for one in tests if one["outcome"] == "declined"
    )
    return reasons.most_common()


def _spreads(document: Document) -> dict[str, dict[str, list[str]]]:
    """Pictures by kernel and by kind, one for each tensor."""
    found: dict[str, dict[str, list[str]]] = {}
    told = document["distributions"]
    for kernel in document["kernels"]:
        mine = of_kernel(told, kernel["name"])
        for kind, limit in LIMITS.items():
            for tensor in sorted({one["tensor"] for one in mine}, key=_place):
                counts = {one["format"]: one[kind] for one in mine if one["tensor"] == tensor}
                drawn = figures.spread(counts, title=tensor, limit=limit, unit=UNITS[kind])
                found.setdefault(kernel["name"], {}).setdefault(kind, []).append(drawn)
    return found


def _place(tensor: str) -> int:
    """Where a tensor stands among those of a Result."""
    names = [field.name for field in fields(Result)]
    return names.index(tensor.partition(",")[0])


def _sweep(tests: Sequence[Record]) -> str:
    """The picture of ratios against lengths; nothing if no test has a length."""
    points: dict[str, list[tuple[int, float]]] = {}
    for test in tests:
        if test["outcome"] != "declined" and test["tensors"] and test.get("seqlen_k"):
            used = min(max(float(ratio(test)), 1e-6), 1e3)
            points.setdefault(test["kernel"], []).append((test["seqlen_k"], used))
    return figures.lengths(points) if points else ""


def _benchmarks(tests: Sequence[Record]) -> list[Record]:
    """What was timed, kernels side by side, in the order of the workloads."""
    places = {workload.id: at for at, workload in enumerate(WORKLOADS)}
    timed = [one for one in tests if one.get("benchmark")]
    return sorted(
        timed,
        key=lambda one: (
            places.get(one["benchmark"]["workload"], len(places)),
            one["benchmark"]["causal"],
            one["benchmark"]["pass"],
        ),
    )


def _modelled(tests: Sequence[Record]) -> list[tuple[Record, str, float, str]]:
    """Each benchmark, chip by chip: modelled seconds of the whole workload, and its bound."""
    return [
        (test, chip, *whole(test["benchmark"], chip))
        for test in _benchmarks(tests)
        for chip in test["benchmark"]["modelled"] or {}
    ]


def _standards(document: Document) -> list[Record]:
    """Rows of the table of the vendor's standards, for those that were asked."""
    rows = []
    for name, standard in STANDARDS.items():
        cells = [
            _judged(name, of_kernel(document["tests"], kernel["name"]))
            for kernel in document["kernels"]
        ]
        if any(cell["asked"] for cell in cells):
            rows.append({"name": standard.title, "meaning": standard.meaning, "cells": cells})
    return rows


def _figures(tests: Sequence[Record]) -> dict[tuple[str, str, str], dict[str, dict[str, float]]]:
    """The worst figures of each standard, by kernel, tensor and format."""
    found: dict[tuple[str, str, str], dict[str, dict[str, float]]] = {}
    for test in tests:
        for tensor in test["tensors"]:
            for standard, said in tensor.get("standards", {}).items():
                key = (test["kernel"], tensor["name"], test["format"])
                worst_of = found.setdefault(key, {}).setdefault(standard, {})
                for name, value in said["figures"].items():
                    worst_of[name] = max(worst_of.get(name, 0.0), float(value))
    return found


def _judged(standard: str, tests: Sequence[Record]) -> dict[str, int]:
    """How many tensors a standard was asked about and accepts, and where it differs from us."""
    said = [
        (tensor["standards"][standard]["accepts"], not tensor["failed"])
        for test in tests
        for tensor in test["tensors"]
        if standard in tensor.get("standards", {})
    ]
    return {
        "asked": len(said),
        "accepted": sum(accepts for accepts, _ in said),
        "accepts_wrong": said.count((True, False)),
        "rejects_right": said.count((False, True)),
    }


def _roofline(tests: Sequence[Record]) -> str:
    timed = [one["benchmark"] | {"kernel": one["kernel"]} for one in _benchmarks(tests)]
    return figures.roofline(timed) if timed else ""
