"""Documents of runs that never were, with everything that a report can hold."""

from __future__ import annotations

from typing import Any

from conformance.report.distributions import distributions, without_details, worst_maps
from conformance.report.document import SCHEMA_VERSION
from conformance.report.spread import LEAST, MOST

COUNTS = [0, *([5] * (MOST - LEAST - 9)), *([0] * 9)]
STANDARDS = {"ecosystem A": {"figures": {"MERE": 1e-4, "MARE": "inf"}, "accepts": False}}
MODELLED = {
    "seconds": 0.0078,
    "bound_by": "cube",
    "pipe_seconds": 0.0078,
    "hbm_seconds": 0.001,
    "l2_seconds": 0.002,
    "utilisation": 0.4,
}
BENCHMARK = {
    "workload": "llama-13b-512",
    "pass": "forward",
    "causal": True,
    "seconds_median": 0.012,
    "seconds_min": 0.011,
    "seconds_iqr": 0.0004,
    "flops": 1_300_000_000,
    "bytes": 4_200_000,
    "gflops": 108.0,
    "matmul_gflops": 180.0,
    "matmul_fraction": 0.6,
    "copy_gbytes": 25.0,
    "peak_memory_bytes": 8_000_000,
    "peak_memory_note": "",
    "tokens_per_second": 42_000.0,
    "ratio": 0.41,
    "judged": "2 of 5 key heads",
    "device": "cpu",
    "processor": "one",
    "libraries": "blas, 2 threads",
    "prepared": True,
    "scaled_down": 8,
    "modelled": None,
}


def tensor(name: str = "out", ratio: float | str = 0.5, **changes: Any) -> dict[str, Any]:
    """The record of one tensor."""
    return {
        "name": name,
        "ratio": ratio,
        "z_max": 3.0,
        "z_rms": 0.9,
        "slope_z": 0.1,
        "elements": 1000,
        "failing": 0,
        "worst": [0, 0, 0, 0],
        "got": 1.0,
        "want": 1.0,
        "allowed": 0.1,
        "failed": "",
        "suspicious": "",
        "not_computed": "",
        "spread": {"ratio": COUNTS, "z": COUNTS},
        "standards": STANDARDS,
    } | changes


def record(case: str = "plain", outcome: str = "passed", **changes: Any) -> dict[str, Any]:
    """The record of one test."""
    tensors = [] if outcome == "declined" else [tensor("out"), tensor("dq", 0.25)]
    return {
        "kernel": "mine[here]",
        "test": "test_case",
        "case": case,
        "format": "fp16",
        "outcome": outcome,
        "seconds": 0.01,
        "declined": "fp32" if outcome == "declined" else "",
        "failed": "out: 3 of 9 elements are beyond the bound" if outcome == "failed" else "",
        "command": "pytest this --kernel that" if outcome == "failed" else "",
        "why": "the everyday problem",
        "seqlen_q": 127,
        "seqlen_k": 256,
        "features": ["fp16", "backward"],
        "contract": {},
        "absent": [],
        "tensors": tensors,
        "map": None
        if outcome == "declined"
        else {
            "tensor": "out",
            "row_tile": 4,
            "head_tile": 1,
            "column_tile": 4,
            "heads": [[0.1] * 32, [0.5] * 32],
            "columns": [[0.1] * 32] * 16,
        },
    } | changes


def document(*records: dict[str, Any]) -> dict[str, Any]:
    """A run of these tests, as report.json holds it."""
    outcomes = [one["outcome"] for one in records]
    totals = {name: outcomes.count(name) for name in ("passed", "declined", "failed")}
    return {
        "schema_version": SCHEMA_VERSION,
        "written": "2026-01-02T03:04:05+00:00",
        "complete": True,
        "seed": 7,
        "tier": "smoke",
        "strict": False,
        "forward": False,
        "environment": {
            "python": "3.11",
            "numpy": "2",
            "torch": None,
            "suite": "1",
            "system": "Linux",
            "machine": "x86_64",
            "cpus": 2,
        },
        "kernels": [{"name": "mine[here]", "spec": "a:b", "digest": "abc", "totals": totals}],
        "distributions": distributions(records),
        "maps": worst_maps(records),
        "pictures": [],
        "tests": without_details(records),
    }


EVERYTHING = document(
    record(),
    record("declined", "declined"),
    record("broken", "failed", tensors=[tensor("out", "inf", failed="3 of 9 elements")]),
    record(
        "repeats",
        tensors=[
            tensor("dv", z_max=None, z_rms=None, slope_z=None, not_computed="rows of q repeat")
        ],
    ),
    record("odd", tensors=[tensor("lse", suspicious="largest error is 9 sigma (limit 8)")]),
    record("timed", test="test_workload", benchmark=BENCHMARK | {"modelled": {"910B2": MODELLED}}),
)
