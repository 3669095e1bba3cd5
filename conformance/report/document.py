"""What a run says, as JSON holds it: schema.json says what is in it."""

from __future__ import annotations

import os
import platform
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import numpy as np

from conformance.report.distributions import distributions, without_details, worst_maps
from conformance.run.record import Record, words
from conformance.run.run import Run
from reference.problem.features import FEATURES

NAME = "report.json"
SCHEMA_VERSION = 1
OUTCOMES = ("passed", "declined", "failed")
ROWS = (*FEATURES, "laws", "benchmarks", "all")
"""Of the table kernel x feature."""

NO_LAWS = ("test_case", "test_backward_alone", "test_vector", "test_workload")


def document(
    run: Run, records: Sequence[Record], *, pictures: Sequence[str] = (), complete: bool = True
) -> dict[str, Any]:
    """Everything that is known of a run, as JSON holds it.

    Parameters
    ----------
    pictures : SVG files in the report's folder
    complete : bool
        Nobody and nothing ended the run early.
    """
    records = sorted(records, key=lambda one: (one["kernel"], one["test"], one["case"]))
    return {
        "schema_version": SCHEMA_VERSION,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "complete": complete,
        "seed": run.seed,
        "tier": run.tier,
        "strict": run.strict,
        "forward": run.forward,
        "environment": environment(),
        "kernels": [
            {
                "name": kernel.name,
                "spec": kernel.spec,
                "digest": kernel.digest,
                "totals": totals(of_kernel(records, kernel.name)),
            }
            for kernel in run.kernels
        ],
        "distributions": distributions(records),
        "maps": worst_maps(records),
        "pictures": sorted(pictures),
        "tests": without_details(records),
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
    ratios = [float(tensor["ratio"]) for record in records for tensor in record["tensors"]]
    return max(ratios, default=None)


def of_kernel(records: Iterable[Record], kernel: str) -> list[Record]:
    """The tests of one kernel."""
    return [record for record in records if record["kernel"] == kernel]


def is_about(record: Record, feature: str) -> bool:
    """Whether a test counts for a row of ROWS.

    A declined test counts for the features that it was declined for.
    """
    if feature == "all":
        return True
    if feature == "benchmarks":
        return bool(record["test"] == "test_workload")
    if feature == "laws":
        return not record["features"] and record["test"] not in NO_LAWS
    if record["outcome"] == "declined":
        return feature in words(record["declined"])
    return feature in record["features"]
