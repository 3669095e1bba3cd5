"""Faults put into our kernel, one at a time, and what must be said of each.

Those that break a rule of the chip are for the emulator, whose report must hold every text of
`says`; those that compute something else are for the judge, which must reject the tensors there.
"""

from __future__ import annotations

from injections.injection import Injection
from reference.mask import Mask

CUBE, LEGS, VECTOR = "forward/cube.h", "common/cube_pipeline.h", "forward/vector.h"
SCORES, RESULTS, PROBLEM = "common/scores.h", "forward/results.h", "common/problem.h"

INJECTIONS = {
    # --- The cube core's pipes ---
    "l1-read-before-it-is-loaded": Injection(
        file=CUBE,
        old="""tiling_->head_dim, tiling_->k.seqlen);
      SetFlag<HardEvent::MTE2_MTE1>(slot);
      WaitFlag<HardEvent::MTE2_MTE1>(slot);
""",
        new="tiling_->head_dim, tiling_->k.seqlen);\n",
        says=("LoadData", "RAW", "no MTE2_MTE1 wait", "L1"),
    ),
    "l1-loaded-while-it-is-read": Injection(
        file=CUBE,
        old="    WaitFlag<HardEvent::MTE1_MTE2>(panel_free + slot);\n    return slot;",
        new="    return slot;",
        says=("SetFlag", "MTE1_MTE2 id 1 is set twice without a wait"),
    ),
    "l0-read-before-it-is-loaded": Injection(
        file=LEGS,
        old="""    SetFlag<HardEvent::MTE1_M>(l0);
    WaitFlag<HardEvent::MTE1_M>(l0);
""",
        new="",
        says=("Mmad", "RAW", "no MTE1_M wait"),
    ),
    "l0-loaded-while-it-is-read": Injection(
        file=LEGS,
        old="    WaitFlag<HardEvent::M_MTE1>(l0_free + slot);\n    return slot;",
        new="    return slot;",
        says=("SetFlag", "M_MTE1 id 3 is set twice without a wait"),
    ),
    "l0c-read-before-fix": Injection(
        file=LEGS,
        old="""    SetFlag<HardEvent::M_FIX>(c_slot);
    WaitFlag<HardEvent::M_FIX>(c_slot);
""",
        new="",
        says=("Fixpipe", "RAW", "no M_FIX wait", "L0C"),
    ),
    "l0c-overwritten-while-it-is-stored": Injection(
        file=LEGS,
        old="    WaitFlag<HardEvent::FIX_M>(slot);\n    return slot;",
        new="    return slot;",
        says=("SetFlag", "FIX_M id 0 is set twice without a wait"),
    ),
    "mmad-onto-a-small-tile-without-barrier": Injection(
        file=LEGS,
        old="(m / fractal) * (n / fractal) < 10",
        new="(m / fractal) * (n / fractal) < 0",
        asked={"seqlen_q": 5, "head_dim": 136},
        says=("Mmad", "no PipeBarrier<PIPE_M>"),
    ),
    "event-of-the-pipe": Injection(
        file=LEGS,
        old="l0_free = 3;",
        new="l0_free = 0;",
        says=("SetFlag", "M_MTE1 id 0", "owned by TPipe"),
    ),
    "event-of-the-framework": Injection(
        file=LEGS,
        old="l0_free = 3;",
        new="l0_free = 5;",
        says=("SetFlag", "M_MTE1 id 6", "ids 6 and 7 belong to the framework"),
    ),
    "events-left-set": Injection(
        file=CUBE,
        old="    wait_for_all_slots();\n",
        new="",
        says=("kernel end", "is still set"),
    ),
    # --- What the cube core is told ---
    "m-is-one": Injection(
        file=LEGS,
        old="params.m = u16(m);",
        new="params.m = 1;",
        asked={"seqlen_q": 1},
        says=("Mmad", "m is 1", "round m up to 16"),
    ),
    "pitch-of-fractals-of-v": Injection(
        file=LEGS,
        old="load = fractals_of(fractals, block_k / fractal);",
        new="load = fractals_of(fractals, ceil_div(depth, fractal));",
        asked={"seqlen_k": 65, "seqlen_q": 65},
        says=("LoadData", "reads L1 bytes", "which nobody wrote"),
    ),
    "stride-off-by-one": Injection(
        file=LEGS,
        old="copy.srcDValue = u16(pitch);",
        new="copy.srcDValue = u16(pitch + 1);",
        asked={"seqlen_q": 128, "seqlen_k": 128},
        says=("DataCopy(Nd2Nz)", "reads GM tensor q", "outside of the tensor"),
    ),
    "rows-one-too-late": Injection(
        file=CUBE,
        old="k_[key_of(tiling_->k, step, i)]",
        new="k_[key_of(tiling_->k, step, i) + 40]",
        says=("DataCopy(Nd2Nz)", "reads GM tensor k", "outside of the tensor"),
    ),
    "padding-rows-not-zeroed": Injection(
        file=LEGS,
        old="    InitConstValue(l1[u32(rows * fractal)], zeros);\n",
        new="",
        says=("LoadData", "reads L1 bytes", "which nobody wrote"),
    ),
    "l1-one-block-too-small": Injection(
        file=CUBE,
        old="u32(slots * panel_bytes(tiling.head_dim))",
        new="u32(slots * panel_bytes(tiling.head_dim) - 32)",
        says=("writes L1 bytes", "outside of the tensor"),
    ),
    "l0c-over-allocated": Injection(
        file=LEGS,
        old="u32(slots * l0c_tile_bytes)",
        new="u32(3 * l0c_tile_bytes)",
        says=("InitBuffer", "CO1, 196608 B", "L0C has 131072 B left"),
    ),
    "fixpipe-pitch-below-the-row": Injection(
        file=LEGS,
        old="params.dstStride = u32(pitch);",
        new="params.dstStride = u32(pitch - 16);",
        says=("Fixpipe", "dstStride is below nSize"),
    ),
    "fixpipe-stride-of-a-larger-tile": Injection(
        file=LEGS,
        old="params.srcStride = u16(round_up(rows, fractal));",
        new="params.srcStride = u16(round_up(rows, fractal) + 16);",
        says=("Fixpipe", "srcStride is 144: must be mSize rounded up to 16, 128"),
    ),
    "cache-not-dropped-before-scalar-reads": Injection(
        file="common/read_arguments.h",
        old="CacheLine::ENTIRE_DATA_CACHE",
        new="CacheLine::SINGLE_CACHE_LINE",
        says=("GetValue", "before the launch", "DataCacheCleanAndInvalid"),
    ),
    # --- Between the cores ---
    "scores-not-waited-for": Injection(
        file=VECTOR,
        old="    CrossCoreWaitFlag(scores_ready);\n",
        new="",
        says=("RAW", "no CrossCoreSetFlag and CrossCoreWaitFlag", "GM tensor workspace"),
    ),
    "weights-not-waited-for": Injection(
        file=CUBE,
        old="    CrossCoreWaitFlag(weights_ready);\n",
        new="",
        says=("DataCopy(Nd2Nz)", "reads GM tensor workspace", "which nobody wrote"),
    ),
    "flag-from-another-pipe": Injection(
        file=CUBE,
        old="CrossCoreSetFlag<aic_with_aivs, PIPE_FIX>(scores_ready)",
        new="CrossCoreSetFlag<aic_with_aivs, PIPE_MTE2>(scores_ready)",
        says=("RAW", "no CrossCoreSetFlag and CrossCoreWaitFlag", "GM tensor workspace"),
    ),
    "aiv-without-rows-sets-no-flag": Injection(
        file=VECTOR,
        old="    CrossCoreSetFlag<aic_with_aivs, PIPE_MTE3>(weights_ready);",
        new="    if (padded_rows(step.blocks[0].tile) > 0) "
        "CrossCoreSetFlag<aic_with_aivs, PIPE_MTE3>(weights_ready);",
        asked={"seqlen_q": 64},
        says=("deadlock", "AIC waits for flag 5", "the other AIV has not"),
    ),
    "one-slot-for-two-steps": Injection(
        file="forward/steps.h",
        old="return static_cast<uint32_t>(index % slots); }",
        new="return 0; }",
        asked={"seqlen_k": 700},
        says=("DataCopy", "RAW", "reads GM tensor workspace"),
    ),
    # --- The vector cores ---
    "vector-barrier-dropped": Injection(
        file=SCORES,
        old="""      Muls(s, s, tiling_->scale, n * u32(block_k));
      PipeBarrier<PIPE_V>();
""",
        new="""      Muls(s, s, tiling_->scale, n * u32(block_k));
""",
        says=("no PipeBarrier<PIPE_V>", "AIV"),
    ),
    "queue-read-before-dequeued": Injection(
        file=VECTOR,
        old="    loaded_.EnQue(s);\n    return loaded_.template DeQue<float>();",
        new="    loaded_.EnQue(s);\n    return s;",
        says=("Muls", "RAW", "no MTE2_V wait", "UB"),
    ),
    "tensor-not-freed": Injection(
        file=VECTOR,
        old="    loaded_.FreeTensor(s);\n",
        new="",
        says=("AllocTensor", "all 2 buffers of this VECIN queue are held"),
    ),
    "tensor-freed-twice": Injection(
        file=VECTOR,
        old="    loaded_.FreeTensor(s);\n",
        new="    loaded_.FreeTensor(s);\n    loaded_.FreeTensor(s);\n",
        says=("FreeTensor", "freed twice"),
    ),
    "tensor-freed-before-its-last-use": Injection(
        file=VECTOR,
        old="""      Cast(p, s, RoundMode::CAST_RINT, tiles * n * u32(block_k));
      loaded_.FreeTensor(s);
""",
        new="""      loaded_.FreeTensor(s);
      Cast(p, s, RoundMode::CAST_RINT, tiles * n * u32(block_k));
""",
        says=("Cast", "reads UB bytes", "which is free since"),
    ),
    "ub-one-block-too-small": Injection(
        file=VECTOR,
        old="pipe.InitBuffer(acc_, u32(plan_.blocks * half_q * pitch_ * float_bytes));",
        new="pipe.InitBuffer(acc_, u32(plan_.blocks * half_q * pitch_ * float_bytes - 32));",
        says=("writes UB bytes", "outside of the tensor"),
    ),
    "ub-over-allocated": Injection(
        file=VECTOR,
        old="pipe.InitBuffer(acc_, u32(plan_.blocks * half_q * pitch_ * float_bytes));",
        new="pipe.InitBuffer(acc_, u32(105 * 1024));",
        says=("InitBuffer", "UB has", "left of 188160"),
    ),
    "cast-without-rounding-to-bf16": Injection(
        file=VECTOR,
        old="RoundMode::CAST_RINT",
        new="RoundMode::CAST_NONE",
        format="bf16",
        says=("Cast", "from float to bfloat16_t"),
    ),
    "copy-of-a-partial-block": Injection(
        file=RESULTS,
        old="    DataCopyPad(lse_[place], from, copy);\n",
        new="    DataCopy(lse_[place], from, u32(half_rows(tile.rows, first_row_)));\n",
        asked={"seqlen_q": 67},
        says=("DataCopy", "count is 3"),
    ),
    "padding-rows-stored": Injection(
        file=RESULTS,
        old="copy.blockCount = u16(rows);",
        new="copy.blockCount = u16(round_up(rows, fractal));",
        says=("DataCopyPad", "writes GM tensor out", "outside of the tensor"),
    ),
    "statistics-of-the-other-half": Injection(
        file=RESULTS,
        old="query_at(tiling_->lse, tile, first_row_)",
        new="query_at(tiling_->lse, tile, 0)",
        says=("DataCopyPad", "WAW", "writes GM tensor lse"),
    ),
    # --- What only the numbers show ---
    "tail-not-masked": Injection(
        file=VECTOR,
        old="    if (keys < block_k) hide_tail(s, u32(keys), n);\n",
        new="",
        asked={"seqlen_k": 100, "mask": Mask()},
        by="judge",
        says=("out", "lse"),
    ),
    "diagonal-one-too-far": Injection(
        file=PROBLEM,
        old="return i + shift_of(t, s) + t.window_right + 1;",
        new="return i + shift_of(t, s) + t.window_right + 2;",
        by="judge",
        says=("out", "lse"),
    ),
    "accumulator-not-rescaled": Injection(
        file=VECTOR,
        old="        scratch_.multiply_rows(acc, correction(step, block)[u32(row)], n, pitch_);\n",
        new="",
        asked={"seqlen_k": 700},
        by="judge",
        says=("out",),
    ),
    "wrong-transpose-of-v": Injection(
        file=LEGS,
        old="block_k / fractal);\n      load.ifTranspose = true;",
        new="block_k / fractal);\n      load.ifTranspose = false;",
        by="judge",
        says=("out",),
    ),
}
