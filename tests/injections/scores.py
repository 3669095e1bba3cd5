"""Faults in masks, pairs, softcap, sink, dropout, lengths and dimensions; see injections.py."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from conformance.laws.assertions import grid, make_problem
from conformance.laws.transform import pack
from injections.injection import SHAPE, Injection
from reference.dropout import Dropout
from reference.formats import BF16
from reference.mask import Mask
from reference.problem import Problem

VECTOR, SCORES, BITS, RESULTS = (
    "forward/vector.h",
    "common/scores.h",
    "common/mask_bits.h",
    "forward/results.h",
)
PROBLEM = "common/problem.h"

PAIRS = (SHAPE["seqlen_q"], SHAPE["seqlen_k"])
BIAS = grid("bias", (1, 1, *PAIRS)).astype(np.float32)
TWO_HEADS = {"heads_q": 2, "heads_k": 2}
BY_HEAD = grid("bias", (1, 2, *PAIRS)).astype(np.float32)
KEEP = grid("keep", (1, 1, *PAIRS)) < 1
SLOPES = np.array([0.5, 0.125], np.float32)

WINDOW = {"mask": Mask(window=(20, 5))}
PREFIX = {"mask": Mask(window=(20, 5), prefix=40)}
EVERYWHERE = {"mask": Mask()}
SINK = {"sink": np.array([3.0], np.float32)}
DROPPED = {"mask": Mask(), "dropout": Dropout(p=0.25, seed=7)}
CAPPED = {"softcap": 2.0}


def sequences(format: str, *, seqlen_q: int, seqlen_k: int, **asked: object) -> Problem:
    """Three packed sequences, the one in the middle without keys."""
    keys = (seqlen_k, 0, 70)
    return pack(
        [make_problem(format, seqlen_q=seqlen_q, seqlen_k=n, seed=n, **asked) for n in keys]
    )


def narrow_values(format: str, **asked: object) -> Problem:
    """A head_dim_v that is another number of 16s than head_dim."""
    problem = make_problem(format, **asked)
    return problem.replace(v=problem.v[..., :24].copy(), dout=None)


def judged(file: str, old: str, new: str, asked: dict, says: tuple = ("out", "lse")) -> Injection:
    """A fault that only the numbers show."""
    return Injection(file=file, old=old, new=new, asked=asked, by="judge", says=says)


INJECTIONS_OF_SCORES = {
    # --- Which pairs are visible ---
    "staircase-one-row-late": judged(
        BITS, "max_of(block_k + columns, 0)", "max_of(block_k + columns + 1, 0)", {}
    ),
    "left-edge-from-the-right-one": judged(
        BITS, "tables_[staircase_from(edges.left)]", "tables_[staircase_from(edges.right)]", WINDOW
    ),
    "left-edge-not-inverted": judged(
        BITS,
        "Not(edges.hides_right ? left : visible, left, count);",
        "Or(edges.hides_right ? left : visible, left, left, count);",
        WINDOW,
    ),
    "edges-joined-by-or": judged(
        BITS, "And(visible, visible, left, count);", "Or(visible, visible, left, count);", WINDOW
    ),
    "left-edge-one-too-far": judged(PROBLEM, "- t.window_left;", "- t.window_left + 1;", WINDOW),
    "left-edge-of-the-first-row-alone": judged(BITS, "left + last - first > 0", "left > 0", WINDOW),
    "shift-of-the-other-anchor": judged(
        PROBLEM,
        "return t.top_left ? 0 : s.seqlen_k - s.seqlen_q;",
        "return s.seqlen_k - s.seqlen_q;",
        {"mask": Mask(window=(None, 0), anchor="top-left")},
    ),
    "prefix-one-key-short": judged(
        BITS,
        "constant_rows_at + edges.prefix * constant_row_bytes",
        "constant_rows_at + (edges.prefix - 1) * constant_row_bytes",
        PREFIX,
    ),
    "tile-of-the-prefix-not-visited": judged(
        PROBLEM, "return prefix > 0 ? 0 : begin;", "return begin;", PREFIX
    ),
    "prefix-row-stepped-through": Injection(
        file=BITS,
        old="{1, 1, 0, blocks_of_repeat, blocks_of_repeat, 0}",
        new="{1, 1, 1, blocks_of_repeat, blocks_of_repeat, 0}",
        asked=PREFIX,
        by="judge",
        says=("out", "lse"),
    ),
    "bits-joined-without-barrier": Injection(
        file=BITS,
        old="""      Not(edges.hides_right ? left : visible, left, count);
      PipeBarrier<PIPE_V>();
""",
        new="      Not(edges.hides_right ? left : visible, left, count);\n",
        asked=WINDOW,
        says=("And", "RAW", "no PipeBarrier<PIPE_V>"),
    ),
    "bits-freed-before-their-last-use": Injection(
        file=VECTOR,
        old="    bits_.take(step);\n",
        new="    bits_.take(step);\n    bits_.release();\n",
        says=("Select", "reads UB bytes", "which is free since"),
    ),
    "keep-of-the-first-half": judged(
        BITS, "first_row_ * bits_row_bytes);", "0);", {"mask": Mask(keep=KEEP)}
    ),
    "keep-not-joined": judged(
        BITS,
        "And(visible, visible, words(bits, keep_part), count);",
        "",
        {"mask": Mask(window=(None, 0), keep=KEEP)},
    ),
    "keep-of-the-next-tile": Injection(
        file=PROBLEM,
        old="const int64_t column = tile.key / block_k;",
        new="const int64_t column = tile.key / block_k + 1;",
        asked={"mask": Mask(keep=KEEP)},
        says=("DataCopy", "reads GM tensor keep", "outside of the tensor"),
    ),
    # --- Bias ---
    "bias-pitch-without-the-row": Injection(
        file=SCORES,
        old="u32((strides.query - keys) * value_bytes)",
        new="u32(strides.query * value_bytes)",
        asked={"bias": BIAS},
        says=("DataCopyPad", "reads GM tensor bias", "outside of the tensor"),
    ),
    "bias-rows-too-near-in-ub": Injection(
        file=SCORES,
        old="u32(bias_blocks - ceil_div(keys * value_bytes, block_bytes))",
        new="0",
        asked={"bias": BIAS, "mask": Mask(), "seqlen_k": 300},
        says=("Cast", "reads UB bytes"),
    ),
    "bias-of-one-query-for-all": judged(
        SCORES, "by_query ? blocks_of_repeat : uint8_t{0}", "0", {"bias": BIAS}
    ),
    "bias-of-one-key-for-all": judged(
        SCORES, "by_key ? uint8_t{1} : uint8_t{0}", "uint8_t{0}", {"bias": BIAS}
    ),
    "bias-broadcast-read-as-a-row": Injection(
        file=SCORES,
        old="by_key ? uint8_t{1} : uint8_t{0}",
        new="uint8_t{1}",
        asked={"bias": BIAS[..., :1]},
        says=("Add", "reads UB bytes", "which nobody wrote"),
    ),
    "bias-of-rows-that-are-none": Injection(
        file=SCORES,
        old="min_of(n, half_rows(tile.rows, first_row_) - row);",
        new="n;",
        asked={"bias": BIAS},
        says=("DataCopyPad", "reads GM tensor bias", "outside of the tensor"),
    ),
    "bias-below-the-first-maximum": Injection(
        file="common/row_slab.h",
        old="lowest_max = -3.4e38f;",
        new="lowest_max = -1e37f;",
        asked={"bias": BF16.round(np.full((1, 1), -1e38, np.float32))},
        format="bf16",
        by="judge",
        says=("lse",),
    ),
    "bias-of-head-0": judged(
        PROBLEM,
        "tile.batch * s.batch + tile.head * s.head + (tile.row + row)",
        "tile.batch * s.batch + (tile.row + row)",
        {"bias": BY_HEAD, **TWO_HEADS},
    ),
    "bias-under-the-softcap": judged(
        VECTOR,
        """      scores_.scale_and_cap(s, tiles * n);
      for (uint32_t i = 0; i < tiles; ++i) see(s[i * n * u32(block_k)], step, i, row, n);
""",
        """      for (uint32_t i = 0; i < tiles; ++i) see(s[i * n * u32(block_k)], step, i, row, n);
      scores_.scale_and_cap(s, tiles * n);
""",
        {"bias": BIAS, **CAPPED},
    ),
    # --- ALiBi ---
    "alibi-added": judged(
        SCORES,
        "Sub(s[from], s[from], distance",
        "Add(s[from], s[from], distance",
        {"slopes": SLOPES[:1]},
    ),
    "alibi-without-shift": judged(
        SCORES,
        " + shift_of(*tiling_, tile.sequence) - tile.key",
        " - tile.key",
        {"slopes": SLOPES[:1], **EVERYWHERE},
    ),
    "alibi-without-absolute-value": judged(
        SCORES, "Abs(distance, distance, n * lanes);", "", {"slopes": SLOPES[:1], **EVERYWHERE}
    ),
    "alibi-of-the-first-slab": judged(
        SCORES,
        "ramp[u32(row)]",
        "ramp[0]",
        {"slopes": SLOPES[:1], **EVERYWHERE},
    ),
    "slope-of-head-0": judged(
        SCORES,
        "tile.batch * tiling_->slopes_batch + tile.head",
        "tile.batch * tiling_->slopes_batch",
        {"slopes": SLOPES, **TWO_HEADS, **EVERYWHERE},
    ),
    "ramp-from-another-table": judged(
        SCORES, "tables + ramp_at", "tables + constant_rows_at", {"slopes": SLOPES[:1]}
    ),
    # --- Softcap ---
    "softcap-of-unscaled-scores": judged(
        SCORES, "2.0f * tiling_->scale / tiling_->softcap", "2.0f / tiling_->softcap", CAPPED
    ),
    "softcap-of-half-the-argument": judged(
        SCORES,
        "2.0f * tiling_->scale / tiling_->softcap",
        "tiling_->scale / tiling_->softcap",
        CAPPED,
    ),
    "softcap-numerator-stepped-through": Injection(
        file=SCORES,
        old="{1, 0, 1, blocks_of_repeat, 0, blocks_of_repeat}",
        new="{1, 1, 1, blocks_of_repeat, 0, blocks_of_repeat}",
        asked=CAPPED,
        says=("Div", "reads UB bytes", "outside of the tensor"),
    ),
    # --- Sink ---
    "sink-not-in-the-sum": judged(RESULTS, "Add(of.l, of.l, term, n);", "", SINK),
    "sink-without-rescaling": judged(
        RESULTS,
        "if (has_sink) scratch.multiply_rows(acc, shrink_.Get<float>()[u32(row)], n, pitch_);",
        "",
        SINK,
        ("out",),
    ),
    "sink-of-rows-without-keys-lost": judged(
        RESULTS,
        "Duplicate(lse, sink, u32(2 * half_q));",
        "Duplicate(lse, minus_infinity, u32(2 * half_q));",
        {**SINK, "seqlen_k": 30},
        ("lse",),
    ),
    # --- Dropout ---
    "dropout-before-the-row-sum": judged(
        VECTOR,
        "      add_sum(l, alpha, s, n, tiles);\n",
        "      bits_.drop(s, 0, row, n);\n      add_sum(l, alpha, s, n, tiles);\n",
        DROPPED,
    ),
    "dropout-not-scaled": judged(
        RESULTS, "Muls(divisor, divisor, tiling_->keep_prob, u32(half_q));", "", DROPPED, ("out",)
    ),
    "dropout-by-the-bits-of-the-mask": Injection(
        file=BITS,
        old="part(i, dropout_part, row)",
        new="part(i, visible_part, row)",
        asked=DROPPED,
        says=("Select", "reads UB bytes", "which nobody wrote"),
    ),
    # --- Lengths and dimensions ---
    "keys-of-the-first-sequence": replace(
        judged(PROBLEM, "(tile.sequence.row_k + tile.key)", "tile.key", {}), made_by=sequences
    ),
    "statistics-of-the-first-sequence": Injection(
        file=PROBLEM,
        old="(tile.sequence.row_q + tile.row + row)",
        new="(tile.row + row)",
        made_by=sequences,
        says=("WAW", "writes GM tensor"),
    ),
    "acc-as-wide-as-the-keys": Injection(
        file=RESULTS,
        old="pitch_ = u32(round_up(tiling.head_dim_v, fractal));",
        new="pitch_ = u32(round_up(tiling.head_dim, fractal));",
        made_by=narrow_values,
        says=("Div", "reads UB bytes", "which nobody wrote"),
    ),
    "values-as-wide-as-the-keys": Injection(
        file="forward/cube.h",
        old="const int64_t d = tiling_->head_dim_v;",
        new="const int64_t d = tiling_->head_dim;",
        made_by=narrow_values,
        says=("LoadData", "reads L1 bytes", "which nobody wrote"),
    ),
}
