"""What is kept of one test: plain values, so that they can cross processes and go into a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from conformance.run.plain import from_json

KEY = "conformance"  # in the user_properties of a test's report: its Record, as to_json makes it

Count = Annotated[int, ("minimum", 0)]
Number = Annotated[float, ("$ref", "#/$defs/number")]
Statistic = Annotated[float | None, ("$ref", "#/$defs/statistic")]
FormatName = Literal["fp16", "bf16", "fp32", "fp64"]
Counts = Annotated[
    tuple[Count, ...],
    ("minItems", 33),
    ("maxItems", 33),
    "Elements by size: entry e counts sizes in [2^(e - 25), 2^(e - 24)). The first counts 0 and "
    "all below, the last infinities and all above.",
]
Tiles = tuple[tuple[float, ...], ...]


@dataclass(frozen=True, kw_only=True)
class StandardRecord:
    """What one of the vendor's standards measures of a tensor, and whether it accepts it."""

    figures: Mapping[str, Number]
    accepts: bool


@dataclass(frozen=True, kw_only=True)
class TensorRecord:
    """The verdict on one tensor of an answer."""

    name: str
    ratio: Annotated[Number, "Largest error / allowed error; at most 1 passes."]
    z_max: Annotated[Statistic, "Largest error / sigma; above 8 is suspicious."]
    z_rms: Annotated[
        Statistic,
        "Root mean square of error / sigma; above 2 is suspicious, or above more where few errors "
        "are independent.",
    ]
    slope_z: Annotated[
        Statistic, "Error proportional to the value, in sigmas; above 8 is suspicious."
    ]
    elements: Count
    failing: Annotated[Count, "Elements beyond the bound."]
    worst: Annotated[tuple[int, ...] | None, "Index of the element of ratio."]
    got: Number
    want: Number
    allowed: Number
    failed: Annotated[str, "Why the tensor fails; empty if it does not."]
    suspicious: Annotated[str, "Which statistics are beyond their limit; empty if none."]
    not_computed: Annotated[str, "Which statistics were not computed, and why; empty if all were."]
    standards: Annotated[
        Mapping[str, StandardRecord],
        "The vendor's standards that have limits for this format, by name: docs/standards.md. "
        "Empty without a report.",
    ]


@dataclass(frozen=True, kw_only=True)
class Modelled:
    """A launch's time on a chip that is not here: a model, not a measurement."""

    seconds: Annotated[float, "With fitted latencies."]
    bound_by: Annotated[str, "Core and pipe, L2 or HBM."]
    pipe_seconds: float
    hbm_seconds: float
    l2_seconds: float
    utilisation: Annotated[float, "Share of the cubes' peak."]
    unfitted_seconds: Annotated[
        float | None, "The largest of the three bounds, without any latency."
    ] = None
    launch_seconds: Annotated[float, "The part of seconds that launches take."] = 0.0
    balance: Annotated[
        float, "Mean over groups of cores of their time, over the slowest group's time."
    ] = 1.0
    label: Literal["model, not measurement"] = "model, not measurement"


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """The times of a workload, which was verified before and after they were taken."""

    workload: Annotated[str, "Id in conformance/benchmark/workloads.py."]
    pass_: Literal["forward", "forward+backward"]
    causal: bool
    seconds_median: Annotated[
        float, ("exclusiveMinimum", 0), "Median time of a launch, with the wait for its end."
    ]
    seconds_min: Annotated[float, ("exclusiveMinimum", 0)]
    seconds_iqr: Annotated[float, ("minimum", 0), "Third minus first quartile."]
    flops: Annotated[
        int, "Of the timed problem; visible pairs only; backward is five products, forward two."
    ]
    bytes: Annotated[int, "Each tensor read and written once."]
    gflops: Annotated[float, "flops / seconds_median / 1e9."]
    matmul_gflops: Annotated[
        float | None,
        "GFLOP/s of q k^T of the same size on the same device in the same run; null on the "
        "emulator.",
    ]
    matmul_fraction: Annotated[float | None, "gflops / matmul_gflops."]
    copy_gbytes: Annotated[
        float | None,
        "GB/s of a copy of 128 MiB, read and written, on the same device in the same run; null on "
        "the emulator.",
    ]
    peak_memory_bytes: Annotated[
        int | None,
        "Above the inputs: memory of the device, or resident memory of a child process; null: "
        "unknown.",
    ]
    peak_memory_note: Annotated[str, "Why peak_memory_bytes is null; else empty."]
    tokens_per_second: Annotated[
        float, "The real workload's tokens / (seconds_median * scaled_down)."
    ]
    ratio: Annotated[Number, "Worst error / allowed of the timed launch."]
    judged: Annotated[str, "How many key heads of the result were judged."]
    device: Annotated[str, "cpu, emulator, or an accelerator, in the kernel's words."]
    processor: str
    libraries: Annotated[str, "BLAS and thread pools, with their threads."]
    prepared: Annotated[
        bool, "Whether conversions are outside of the timing, by the kernel's prepare."
    ]
    scaled_down: Annotated[
        float,
        ("minimum", 1),
        "Multiplications of the real workload over those of the timed one.",
    ]
    modelled: Annotated[
        Mapping[str, Modelled] | None,
        "By chip, for the timed problem. Null: the kernel has no model.",
    ]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One test, as report.json lists it."""

    kernel: str
    group: Annotated[
        str, "Its file in conformance/, without test_; empty if a process died and left no path."
    ]
    test: Annotated[str, "The test's function."]
    case: Annotated[
        str,
        "Id of the case; of a benchmark: workload, mask and pass; of a law: its parameters.",
    ]
    outcome: Literal["passed", "declined", "failed"] = "passed"
    seconds: Annotated[float, ("minimum", 0), "Kernel, oracle, bound and judge together."] = 0.0
    format: Annotated[
        FormatName | Literal[""], "Empty for laws, which have it in `case`, and benchmarks."
    ] = ""
    why: Annotated[str, "What the case would show; empty for laws and benchmarks."] = ""
    catches: Annotated[
        tuple[str, ...], "Ids of the known faults that the case is there for: docs/faults.md."
    ] = ()
    declined: Annotated[str, "Why the kernel declined; empty if it did not."] = ""
    failed: Annotated[str, "The failure's text; empty if it passed."] = ""
    likely: Annotated[str, "The likely cause of a failure; empty where there is no evidence."] = ""
    command: Annotated[str, "Runs a failed test alone; else empty."] = ""
    seqlen_q: Annotated[
        Count | None, "Queries of the longest sequence; null for laws and benchmarks."
    ] = None
    seqlen_k: Annotated[
        Count | None, "Keys of the longest sequence; null for laws and benchmarks."
    ] = None
    features: Annotated[
        tuple[str, ...], "Words of reference/problem/features.py; empty for laws and benchmarks."
    ] = ()
    contract: Annotated[
        Mapping[str, object],
        "Fields of the kernel's contract for this problem that are not the default.",
    ] = field(default_factory=dict)
    absent: Annotated[tuple[str, ...], "Tensors that the kernel may leave out, and did."] = ()
    tensors: tuple[TensorRecord, ...] = ()
    benchmark: Annotated[Benchmark | None, "Null for what was not timed."] = None

    @property
    def ratio(self) -> float | None:
        """The largest error / allowed of its tensors; None if nothing was measured."""
        return max((tensor.ratio for tensor in self.tensors), default=None)


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How the errors of a tensor are spread: conformance/report/spread.py counts them."""

    ratio: Annotated[Counts, "By error / allowed error."]
    z: Annotated[Counts, "By error / sigma."]


@dataclass(frozen=True, kw_only=True)
class ErrorMap:
    """Where in a tensor the errors are: the largest error / allowed of each tile."""

    tensor: str
    row_tile: Annotated[int, ("minimum", 1), "Rows to an entry."]
    head_tile: Annotated[int, ("minimum", 1), "Heads to an entry of heads."]
    column_tile: Annotated[int, ("minimum", 1), "Channels to an entry of columns; keys for dbias."]
    heads: Annotated[
        Tiles,
        "By tile of heads (of all sequences, one after another) and tile of rows; at most 256.",
    ]
    columns: Annotated[Tiles, "By tile of columns and tile of rows; at most 256."]


@dataclass(frozen=True, kw_only=True)
class Record:
    """Everything that a test hands to the process that prints and writes the report.

    Attributes
    ----------
    entry : Entry
    spreads : dict from a tensor's name to its Spread; empty without a report
    map : ErrorMap of the tensor with the largest ratio, or None
    remarks : tuple of str
        Lines for the end of the run.
    pictures : tuple of str
        SVG files, by their path in the report's folder.
    """

    entry: Entry
    spreads: Mapping[str, Spread]
    map: ErrorMap | None = None
    remarks: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()


def carried(properties: Iterable[tuple[str, object]]) -> Record | None:
    """The Record among the user_properties of a test's report; None if it has none."""
    for key, value in properties:
        if key == KEY:
            return from_json(Record, value)
    return None
