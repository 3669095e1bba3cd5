"""Faults of the online softmax, of lse, and of precision that no contract declares."""

from __future__ import annotations

from conformance.cases.faults.fault import Fault

NARROW = ("fp16", "bf16")

SOFTMAX = (
    Fault(
        "accumulator-not-rescaled",
        what="acc keeps weights relative to an old maximum when a later tile raises it",
        effect="early keys weigh too much; invisible while the first tile holds the maximum",
        seen="leaves out the correction factor of FlashAttention-2, algorithm 1",
    ),
    Fault(
        "sum-not-rescaled",
        what="the row sum keeps terms relative to an old maximum when a later tile raises it",
        effect="out too small, lse too large, more so as logits rise along the keys",
        seen="leaves out the correction factor of FlashAttention-2, algorithm 1",
    ),
    Fault(
        "sum-of-last-tile",
        what="the row sum is overwritten by each tile instead of added to",
        effect="out too large and lse too small wherever there are two tiles of keys",
        seen="breaks the row sum of FlashAttention-2, algorithm 1",
    ),
    Fault(
        "max-starts-at-zero",
        what="the running maximum starts at 0 instead of -inf",
        effect="rows whose logits are all far below 0 underflow: out 0, lse -inf",
        seen="near flashinfer#4401, with another constant",
    ),
    Fault(
        "max-starts-at-minus-5e4",
        what="the running maximum starts at a finite -5e4 on raw logits",
        effect="rows whose logits are all below -5e4 come out as 0",
        seen="flashinfer#4401, commit d7f2c646",
    ),
    Fault(
        "max-of-first-tile",
        what="the maximum of the first tile serves every later tile",
        effect="exp overflows where logits rise along the keys: inf or NaN",
        seen="leaves out the running maximum of FlashAttention-2, algorithm 1",
    ),
    Fault(
        "max-of-tile-only",
        what="each tile uses its own maximum, and sums of earlier tiles are not brought to it",
        effect="tiles weigh by their own scale: wrong wherever maxima of tiles differ",
        seen="leaves out both correction factors of FlashAttention-2, algorithm 1",
    ),
    Fault(
        "hidden-tile-gives-nan",
        what="-inf - -inf is computed where a row sees nothing in the first tile",
        effect="NaN in rows whose first tiles are hidden, though they see keys later",
        seen="xformers#564, commit 540fcbfd; flashinfer#4451",
    ),
    Fault(
        "dead-row-nan",
        what="rows that see no key are divided by their sum, 0",
        effect="NaN instead of 0 in rows that see nothing",
        seen="pytorch#103963, pytorch#110213; rten#1321",
    ),
    Fault(
        "dead-row-averages-values",
        what="hidden scores are the lowest finite number instead of -inf",
        effect="rows that see nothing give the mean of v instead of 0, and a finite lse",
        seen="near pytorch#109517: masks filled with finfo.min",
    ),
    Fault(
        "stale-value-tile",
        what="the values of a tile are used before they have arrived: those of the tile before are",
        effect="weights of one tile meet values of another, wherever there are two tiles",
        seen="near the races of FlashAttention commits 1c41d2b0 and ea38d3d2",
    ),
    Fault(
        "lse-base-2",
        what="lse is a logarithm to base 2",
        effect="lse off by a factor 1.44; out is right",
        seen="sglang#40903; flashinfer#787, commit 23413e00",
    ),
    Fault(
        "lse-without-max",
        what="lse is the logarithm of the row sum, without the maximum it is relative to",
        effect="lse wrong by the row's maximum, and gradients with it; out is right",
        seen="accepted by every suite that does not compare lse",
    ),
    Fault(
        "lse-of-dead-row-plus-inf",
        what="lse of rows that see nothing is +inf",
        effect="merging partial results by lse then gives these rows all the weight",
        seen="FlashAttention-2, csrc/flash_attn/src/softmax.h, line 180",
    ),
    Fault(
        "lse-of-next-row",
        what="lse is written one row too far",
        effect="lse wrong where rows differ; out is right",
        seen="near xformers commit 76173784 (#391): rows of lse beyond a multiple of 32",
    ),
    Fault(
        "lse-transposed",
        what="lse is written as (seqlen_q, heads) in memory that is read as (heads, seqlen_q)",
        effect="lse of one head at another's place, where there is more than one head",
        seen="flashinfer#1071, commit 7bdadce0",
    ),
    Fault(
        "lse-per-key-head",
        what="query heads of a group all report the lse of the group's first head",
        effect="lse wrong with GQA or MQA; out is right",
        seen="xformers commit 41646dbb (#850)",
    ),
    Fault(
        "query-scaled-in-format",
        what="q * scale is rounded to the input format before the product",
        effect="logits off by half an ulp of the format: shows on large logits",
        seen="a shortcut that a contract must declare (pre)",
        formats=NARROW,
    ),
    Fault(
        "scores-in-format",
        what="scores are stored in the input format before the softmax",
        effect="logits off by half an ulp of the format: shows on large logits and in lse",
        seen="a shortcut that a contract must declare (S)",
        formats=NARROW,
    ),
    Fault(
        "accumulator-in-format",
        what="acc is kept in the input format between tiles",
        effect="out loses an ulp with each tile of keys",
        seen="a shortcut that a contract must declare (n_out)",
        formats=NARROW,
    ),
    Fault(
        "rounded-weights-in-sum",
        what="the row sum adds the rounded weights",
        effect="lse off by an ulp of the format where one key holds most of the weight",
        seen="a shortcut that a contract must declare (l_rounded)",
        formats=NARROW,
    ),
    Fault(
        "results-truncated",
        what="results are cut off to the output format instead of rounded",
        effect="out and gradients too small by half an ulp on average",
        seen="conversion by dropping the low bits",
        formats=NARROW,
    ),
    Fault(
        "crude-exp",
        what="exp is a quadratic, good to two parts in a thousand",
        effect="lse and weights off in the third digit",
        seen="near FlashAttention#2595, commit c2006099: exp2 in software",
    ),
    Fault(
        "fp32-through-tf32",
        what="fp32 inputs are cut to 11 bits on their way into the matrix unit",
        effect="fp32 results no better than fp16's",
        seen="tf32 left on by default in several frameworks",
        formats=("fp32",),
    ),
)
