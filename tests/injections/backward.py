"""Faults put into the backward of our kernel that break a rule of the chip: as in injections.py."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from support import every_feature

from conformance.laws.assertions import make_problem
from injections.injection import Injection
from reference.problem import Problem

CUBE, VECTOR, RESULTS = "backward/cube.h", "backward/vector.h", "backward/results.h"
DELTA, BIAS, PLAN = "backward/delta.h", "backward/dbias.h", "host/backward_plan.h"


def with_bias(format: str, **asked: object) -> Problem:
    """A problem with a bias for each key, whose gradient sums over queries."""
    problem = make_problem(format, **asked)
    return problem.replace(bias=every_feature.normal(1, 1, 1, problem.max_seqlen_k))


def two_sequences(format: str, **asked: object) -> Problem:
    """A packed problem, of lengths that end in the middle of a tile."""
    dense = make_problem(format, **{**asked, "batch": 1, "seqlen_q": 200, "seqlen_k": 300})
    tensors = {name: getattr(dense, name)[0] for name in ("q", "k", "v", "dout")}
    offsets = {"cu_seqlens_q": np.array([0, 70, 200]), "cu_seqlens_k": np.array([0, 170, 300])}
    return dense.replace(**tensors, **offsets)


_FAULTS = {
    # --- Order on the cube core ---
    "moving-tiles-read-before-they-are-loaded": Injection(
        file=CUBE,
        old="""    SetFlag<HardEvent::MTE2_MTE1>(visited_filled + slot);
    WaitFlag<HardEvent::MTE2_MTE1>(visited_filled + slot);
""",
        new="",
        says=("LoadData", "RAW", "no MTE2_MTE1 wait", "L1"),
    ),
    "ds-read-before-it-is-loaded": Injection(
        file=CUBE,
        old="""    SetFlag<HardEvent::MTE2_MTE1>(slot);
    WaitFlag<HardEvent::MTE2_MTE1>(slot);
""",
        new="",
        says=("LoadData", "RAW", "no MTE2_MTE1 wait", "L1"),
    ),
    "ds-loaded-while-it-is-read": Injection(
        file=CUBE,
        old="    WaitFlag<HardEvent::MTE1_MTE2>(panel_free + slot);\n    legs_",
        new="    legs_",
        says=("SetFlag", "MTE1_MTE2 id 3 is set twice without a wait"),
    ),
    "sums-added-without-an-order": Injection(
        file=CUBE,
        old="      PipeBarrier<PIPE_FIX>();  // one addition to a value after the other\n",
        new="",
        says=("Fixpipe", "no PipeBarrier<PIPE_FIX>", "GM tensor workspace"),
    ),
    "atomic-add-left-on": Injection(
        file=CUBE,
        old="    if (!step.is_first) SetAtomicNone();\n",
        new="",
        says=("kernel end", "atomic add left on"),
    ),
    "first-sum-added-to-what-was-there": Injection(
        file=CUBE,
        old="    if (!step.is_first) {\n      PipeBarrier",
        new="    {\n      PipeBarrier",
        says=("Fixpipe", "reads GM tensor workspace", "which nobody wrote"),
    ),
    # --- Order between the cores ---
    "products-not-waited-for": Injection(
        file=VECTOR,
        old="    CrossCoreWaitFlag(products_ready);\n",
        new="",
        says=("GM tensor workspace", "DataCopy"),
    ),
    "tiles-not-waited-for": Injection(
        file=CUBE,
        old="    CrossCoreWaitFlag(tiles_ready);\n",
        new="",
        says=("DataCopy(Nd2Nz)", "reads GM tensor workspace", "which nobody wrote"),
    ),
    "sums-not-waited-for": Injection(
        file=VECTOR,
        old="    CrossCoreWaitFlag(sums_ready);\n",
        new="",
        says=("DataCopy", "GM tensor workspace"),
    ),
    "one-slot-for-the-sums-of-two-tasks": Injection(
        file=CUBE,
        old="workspace_.first_sum[step.task_slot()]",
        new="workspace_.first_sum[0]",
        asked={"heads_q": 2, "heads_k": 2},
        says=("GM tensor workspace", "which nobody wrote"),
    ),
    "idle-aiv-sets-no-flag": Injection(
        file=VECTOR,
        old="    CrossCoreSetFlag<aic_with_aivs, PIPE_MTE3>(tiles_ready);",
        new="    if (half_rows(step.rows, first_row_) > 0) "
        "CrossCoreSetFlag<aic_with_aivs, PIPE_MTE3>(tiles_ready);",
        asked={"seqlen_q": 64},
        says=("deadlock", "AIC waits for flag 5", "the other AIV has not"),
    ),
    # --- Order on the vector cores ---
    "delta-used-before-it-is-there": Injection(
        file=VECTOR,
        old="u32(2 * half_q));  // and delta\n    PipeBarrier<PIPE_V>();\n",
        new="u32(2 * half_q));  // and delta\n",
        says=("Maxs", "WAW", "no PipeBarrier<PIPE_V>"),
    ),
    "products-of-delta-without-barrier": Injection(
        file=DELTA,
        old="    Mul(product, product, factor_.Get<float>(), count);\n    PipeBarrier<PIPE_V>();\n",
        new="    Mul(product, product, factor_.Get<float>(), count);\n",
        says=("Add", "RAW", "no PipeBarrier<PIPE_V>"),
    ),
    "padding-rows-of-delta-left-open": Injection(
        file=DELTA,
        old="    Duplicate(folded, 0.0f, n * u32(block_k));\n",
        new="",
        says=("Add", "reads UB bytes", "which nobody wrote"),
    ),
    "padding-rows-of-dk-stored": Injection(
        file=RESULTS,
        old="    copy.blockCount = u16(rows);\n",
        new="    copy.blockCount = u16(round_up(rows, fractal));\n",
        says=("DataCopyPad", "reads UB bytes", "which nobody wrote"),
    ),
    "both-halves-write-the-same-rows": Injection(
        file=VECTOR,
        old="static_cast<uint64_t>(at + first_row_ * strides.seqlen)",
        new="static_cast<uint64_t>(at)",
        says=("DataCopyPad", "WAW", "writes GM tensor dk"),
    ),
    "sums-of-padding-rows": Injection(
        file=CUBE,
        old="const int64_t depth = pass == Pass::keys ? tile.rows : tile.keys;",
        new="const int64_t depth = pass == Pass::keys ? block_q : tile.keys;",
        says=("LoadData", "reads L1 bytes", "which nobody wrote"),
    ),
    "bias-sums-what-was-never-visited": Injection(
        file=BIAS,
        old="            if (visits(seen, j)) add(",
        new="            add(",
        made_by=with_bias,
        says=("DataCopyPad", "a value that nothing defined reaches GM tensor dbias"),
    ),
    "offset-of-a-packed-sequence-lost": Injection(
        file=PLAN,
        old="    s.first_key_task = tasks;",
        new="    s.first_key_task = tasks == 0 ? 0 : tasks - 1;",
        made_by=two_sequences,
        says=("GetValue", "GM tensor tables", "outside of the tensor"),
    ),
}

INJECTIONS_OF_THE_BACKWARD = {name: replace(one, backward=True) for name, one in _FAULTS.items()}
