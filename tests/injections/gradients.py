"""Faults put into the backward of our kernel that only its numbers show: as in injections.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from support import every_feature

from conformance.laws.assertions import make_problem
from injections.injection import Injection
from reference.dropout import Dropout
from reference.mask import Mask
from reference.problem import Problem

CUBE, VECTOR, DELTA = "backward/cube.h", "backward/vector.h", "backward/delta.h"
SIZES, STEPS = "backward/sizes.h", "backward/steps.h"
BIAS, SINK = "backward/dbias.h", "backward/dsink.h"


def with_dlse(format: str, **asked: Any) -> Problem:
    """A problem at whose lse gradients of one sign arrive."""
    problem = make_problem(format, **asked)
    return problem.replace(dlse=abs(every_feature.normal(*problem.shape_lse)))


def with_bias(format: str, **asked: Any) -> Problem:
    """A problem with a bias for each key."""
    problem = make_problem(format, **asked)
    return problem.replace(bias=every_feature.normal(1, 1, 1, problem.max_seqlen_k))


def with_bias_of_queries(format: str, **asked: Any) -> Problem:
    """A problem with a bias for each query, whose gradient sums over keys."""
    problem = make_problem(format, **asked)
    return problem.replace(bias=every_feature.normal(1, 1, problem.max_seqlen_q, 1))


SINK_OF_TWO = {"heads_q": 2, "heads_k": 2, "sink": np.array([1, -1], np.float32)}

_FAULTS = {
    "ds-not-transposed": Injection(
        file=CUBE,
        old="legs_.load_a_transposed(l0, panel(slot), rows, depth);",
        new="legs_.load_a(l0, panel(slot), rows, depth);",
        asked={"seqlen_q": 256, "seqlen_k": 256, "mask": Mask()},
        says=("dk", "dv"),
    ),
    "delta-without-dlse": Injection(
        file=DELTA,
        old="      if (tiling_->has_dlse) subtract_dlse(deltas, tile, rows);\n",
        new="",
        made_by=with_dlse,
        says=("dq", "dk"),
    ),
    "dlse-added": Injection(
        file=DELTA,
        old="    Sub(deltas, deltas, dlse, static_cast<int32_t>(rows));",
        new="    Add(deltas, deltas, dlse, static_cast<int32_t>(rows));",
        made_by=with_dlse,
        says=("dq", "dk"),
    ),
    "delta-not-subtracted": Injection(
        file=VECTOR,
        old="    scratch_.subtract_rows(dp, delta()[u32(at.row)], at.n, 1);\n",
        new="",
        says=("dq", "dk"),
    ),
    "lse-of-another-head": Injection(
        file=VECTOR,
        old="static_cast<uint64_t>(query_at(tiling_->problem.lse, tile, first_row_));",
        new="static_cast<uint64_t>(query_at(tiling_->problem.lse, tile, first_row_)) "
        "- u32(tile.head > 0 ? tiling_->problem.lse.head : 0);",
        asked={"heads_q": 2, "heads_k": 2},
        says=("dq", "dk", "dv"),
    ),
    "tail-of-keys-not-hidden": Injection(
        file=VECTOR,
        old="    if (tile.keys < block_k) hide_tail(s, u32(tile.keys), at.n);\n",
        new="",
        made_by=with_bias_of_queries,
        asked={"seqlen_k": 100, "mask": Mask()},
        says=("dbias",),
    ),
    "mask-forgotten": Injection(
        file=VECTOR,
        old="    bits_.hide(s, at.i, at.row, at.n);\n",
        new="",
        says=("dq", "dk", "dv"),
    ),
    "scale-dropped": Injection(
        file=VECTOR,
        old="return key_block(tiling_->dk, tile, head, t.head_dim, t.scale);",
        new="return key_block(tiling_->dk, tile, head, t.head_dim, 1.0f);",
        says=("dk",),
    ),
    "slope-of-softcap-dropped": Injection(
        file=VECTOR,
        old="      Mul(dp, dp, slope_.Get<float>(), count);\n",
        new="",
        asked={"softcap": 2.0},
        says=("dq", "dk"),
    ),
    "dropout-forgotten-in-dp": Injection(
        file=VECTOR,
        old="      bits_.drop(dp, at.i, at.row, at.n);\n",
        new="",
        asked={"dropout": Dropout(p=0.3, seed=5)},
        says=("dq", "dk"),
    ),
    "dropout-forgotten-in-dv": Injection(
        file=VECTOR,
        old="      bits_.drop(s, at.i, at.row, at.n);\n",
        new="",
        asked={"dropout": Dropout(p=0.3, seed=5)},
        says=("dv",),
    ),
    "dv-not-scaled-by-dropout": Injection(
        file=VECTOR,
        old="t.head_dim_v, 1.0f / t.keep_prob);",
        new="t.head_dim_v, 1.0f);",
        asked={"dropout": Dropout(p=0.3, seed=5)},
        says=("dv",),
    ),
    "group-loses-a-head": Injection(
        file=STEPS,
        old="      end_of_heads_ = head_ + heads;",
        new="      end_of_heads_ = head_ + 1;",
        asked={"heads_q": 4, "heads_k": 2},
        says=("dk", "dv"),
    ),
    "first-queries-forgotten": Injection(
        file=SIZES,
        old="  const int64_t first = key - shift_of(t, s) - t.window_right;",
        new="  const int64_t first = key + block_k - shift_of(t, s) - t.window_right;",
        says=("dk", "dv"),
    ),
    "bias-loses-the-last-rows": Injection(
        file=BIAS,
        old="        for (int64_t i = rows.begin; i < rows.end; i += half_q) {",
        new="        for (int64_t i = rows.begin; i + half_q <= rows.end; i += half_q) {",
        made_by=with_bias,
        says=("dbias",),
    ),
    "dx-of-the-other-half": Injection(
        file=BIAS,
        old="dx_at(tile) + first_row * block_k",
        new="dx_at(tile)",
        made_by=with_bias,
        says=("dbias",),
    ),
    "sink-with-another-sign": Injection(
        file=SINK,
        old="    Sub(acc, acc, lse, n);",
        new="    Add(acc, acc, lse, n);",
        asked=SINK_OF_TWO,
        says=("dsink",),
    ),
    "sink-of-one-sequence": Injection(
        file=SINK,
        old="t.lse.batch == 0 ? 1 : t.batch;",
        new="1;",
        asked={**SINK_OF_TWO, "batch": 2},
        made_by=with_dlse,
        says=("dsink",),
    ),
}

INJECTIONS_OF_GRADIENTS = {
    name: replace(one, backward=True, by="judge") for name, one in _FAULTS.items()
}
