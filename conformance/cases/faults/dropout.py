"""Faults of dropout's generator and scale; those of its place in the kernel are in asked."""

from __future__ import annotations

from conformance.cases.faults.fault import Fault

DROPOUT = (
    Fault(
        "dropout-scaled-by-1-minus-p",
        what="kept weights are multiplied by 1 - p instead of 1 / (1 - p)",
        effect="out too small by the factor (1 - p) ** 2",
        seen="the factor of dropout that scales at inference, in the place of the other",
    ),
    Fault(
        "dropout-p-off",
        what="a weight is dropped with another probability than p, by 0.001",
        effect="a thousandth of the decisions differ from the stream's",
        seen="thresholds computed from 1 - p in a few digits, or compared with <= at a coarse grid",
    ),
    Fault(
        "dropout-p-of-8-bits",
        what="p is rounded to a multiple of 1/256 before it is compared with a random number",
        effect="another share is dropped than p says, while 1 / (1 - p) is that of p",
        seen="FlashAttention-2 on CUDA compares bytes",
    ),
    Fault(
        "dropout-p-in-bf16",
        what="1 - p is rounded to bf16 before it is compared with a random number",
        effect="another share is dropped than p says, by up to 0.2% of the weights",
        seen="aclnnDropoutGenMaskV2 takes the probability in the type of the query",
    ),
    Fault(
        "dropout-restarts-after-4096",
        what="the stream begins anew after every 4096 elements",
        effect="each stretch of 4096 weights drops the same pattern",
        seen="the AI-CPU operator of older CANN: shards begin at one key and offset",
    ),
    Fault(
        "dropout-lcg-of-16-bits",
        what="decisions come from a linear congruential generator of 16 bits",
        effect="the stream repeats after 65536 elements, and seeds share it",
        seen="the generators of small C libraries",
    ),
    Fault(
        "dropout-transposed",
        what="element (i, j) has the number of (j, i)",
        effect="rows have the decisions of columns",
        seen="masks made for k q^T, where the kernel computes q k^T",
    ),
    Fault(
        "dropout-stream-from-the-top",
        what="the mask is packed from the most significant bit, and read from the least",
        effect="each group of eight weights is dropped in reverse",
        seen="the AI-CPU operator of older CANN on x86 packs from the most significant bit",
    ),
    Fault(
        "dropout-offset-too-little",
        what="the offset counts blocks of the same stream",
        effect="the next call has this one's decisions, a few elements further on",
        seen="torch_npu adds 10 to the offset at each call, however large the mask",
    ),
)
