"""Documents of runs that never were, with everything that a report can hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from conformance.report.document import (
    SCHEMA_VERSION,
    Environment,
    KernelEntry,
    Report,
    distributions,
    totals,
    worst_cases,
)
from conformance.report.spread import LEAST, MOST
from conformance.run.plain import from_json
from conformance.run.record import (
    Benchmark,
    Entry,
    ErrorMap,
    Modelled,
    Record,
    Spread,
    StandardRecord,
    TensorRecord,
)

COUNTS = (0, *([5] * (MOST - LEAST - 9)), *([0] * 9))
STANDARDS = {
    "ecosystem A": StandardRecord(figures={"MERE": 1e-4, "MARE": float("inf")}, accepts=False)
}
MODELLED = Modelled(
    seconds=0.0078,
    bound_by="cube",
    pipe_seconds=0.0078,
    hbm_seconds=0.001,
    l2_seconds=0.002,
    utilisation=0.4,
)
BENCHMARK = from_json(
    Benchmark,
    {
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
    },
)
MAP = ErrorMap(
    tensor="out",
    row_tile=4,
    head_tile=1,
    column_tile=4,
    heads=((0.1,) * 32, (0.5,) * 32),
    columns=((0.1,) * 32,) * 16,
)


def tensor(name: str = "out", ratio: float = 0.5, **changes: Any) -> TensorRecord:
    """The record of one tensor."""
    plain = TensorRecord(
        name=name,
        ratio=ratio,
        z_max=3.0,
        z_rms=0.9,
        slope_z=0.1,
        elements=1000,
        failing=0,
        worst=(0, 0, 0, 0),
        got=1.0,
        want=1.0,
        allowed=0.1,
        failed="",
        suspicious="",
        not_computed="",
        standards=STANDARDS,
    )
    return replace(plain, **changes)


def record(case: str = "plain", outcome: str = "passed", **changes: Any) -> Record:
    """The Record of one test, with `changes` of its Entry."""
    plain = Entry(
        kernel="mine[here]",
        group="accuracy",
        test="test_case",
        case=case,
        format="fp16",
        outcome=outcome,  # type: ignore[arg-type]
        seconds=0.01,
        declined="fp32" if outcome == "declined" else "",
        failed="out: 3 of 9 elements are beyond the bound" if outcome == "failed" else "",
        command="pytest this --kernel that" if outcome == "failed" else "",
        why="the everyday problem",
        seqlen_q=127,
        seqlen_k=256,
        features=("fp16", "backward"),
        tensors=() if outcome == "declined" else (tensor("out"), tensor("dq", 0.25)),
    )
    entry = replace(plain, **changes)
    spread = Spread(ratio=COUNTS, z=COUNTS)
    return Record(
        entry=entry,
        spreads={one.name: spread for one in entry.tensors},
        map=MAP if entry.tensors else None,
    )


def report(*records: Record, **changes: Any) -> Report:
    """A run of these tests."""
    tests = tuple(record.entry for record in records)
    kernel = KernelEntry(name="mine[here]", spec="a:b", digest="abc", totals=totals(tests))
    plain = Report(
        schema_version=SCHEMA_VERSION,
        written="2026-01-02T03:04:05+00:00",
        complete=True,
        seed=7,
        tier="default",
        strict=False,
        forward=False,
        environment=Environment(
            python="3.11",
            numpy="2",
            torch=None,
            suite="1",
            system="Linux",
            machine="x86_64",
            cpus=2,
        ),
        kernels=(kernel,),
        distributions=distributions(records),
        maps=worst_cases(records),
        pictures=(),
        tests=tests,
    )
    return replace(plain, **changes)


EVERYTHING = report(
    record(),
    record("declined", "declined"),
    record(
        "broken",
        "failed",
        tensors=(tensor("out", float("inf"), failed="3 of 9 elements"),),
        likely="acc is not rescaled",
        catches=("accumulator-not-rescaled",),
    ),
    record(
        "repeats",
        tensors=(
            tensor("dv", z_max=None, z_rms=None, slope_z=None, not_computed="rows of q repeat"),
        ),
    ),
    record("odd", tensors=(tensor("lse", suspicious="largest error is 9 sigma (limit 8)"),)),
    record(
        "timed",
        group="benchmark",
        test="test_workload",
        benchmark=replace(BENCHMARK, modelled={"910B2": MODELLED}),
    ),
)
