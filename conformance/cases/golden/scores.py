"""Golden cases on what happens to scores, and on inputs that hide or show it."""

from __future__ import annotations

from functools import partial

from conformance.cases.case import Case

CAUSAL = (None, 0)
HALF, BRAIN, SINGLE = ("fp16",), ("bf16",), ("fp32",)

narrow = partial(Case, batch=1, heads_q=1, head_dim=8)
small = partial(Case, batch=1, heads_q=2, head_dim=8)

SCORES = (
    narrow(
        "g-scale", "unlike head_dim ** -0.5", scale=1.0, formats=HALF, catches=("scale-ignored",)
    ),
    narrow("g-scale-negative", "the largest product weighs least", scale=-0.5, formats=BRAIN),
    narrow(
        "g-softcap",
        "a cap that logits reach",
        seqlen_q=65,
        seqlen_k=129,
        softcap=1.5,
        formats=SINGLE,
        catches=("softcap-ignored", "softcap-gradient-missing"),
    ),
    narrow(
        "g-bias",
        "a bias for each pair",
        seqlen_q=65,
        seqlen_k=65,
        bias="normal bhqk",
        formats=HALF,
        catches=("bias-before-scale", "dbias-scaled"),
    ),
    small(
        "g-bias-shared",
        "a row shared by queries and heads",
        seqlen_q=65,
        seqlen_k=129,
        bias="normal 111k",
        formats=BRAIN,
        catches=("dbias-of-last-pair",),
    ),
    narrow(
        "g-bias-hides",
        "-inf hides rows",
        seqlen_q=33,
        seqlen_k=65,
        bias="inf-rows bhqk",
        formats=SINGLE,
    ),
    small("g-alibi", "distances", alibi="h", formats=HALF, catches=("alibi-sign",)),
    small(
        "g-alibi-cross",
        "distances from the end",
        seqlen_q=65,
        seqlen_k=129,
        alibi="h",
        window=CAUSAL,
        formats=BRAIN,
        catches=("alibi-top-left", "alibi-heads-reversed"),
    ),
    small(
        "g-sink",
        "a logit with no value",
        seqlen_q=65,
        sink="random",
        formats=HALF,
        catches=("sink-ignored", "dsink-missing", "dsink-sign"),
    ),
    narrow(
        "g-sink-large",
        "the sink takes all, rows that see nothing have it",
        seqlen_q=129,
        seqlen_k=65,
        sink="large",
        window=CAUSAL,
        formats=BRAIN,
        catches=("sink-in-each-tile",),
    ),
    narrow(
        "g-dlse",
        "a gradient arrives at lse",
        seqlen_q=65,
        seqlen_k=129,
        dlse=True,
        formats=SINGLE,
        catches=("dlse-ignored",),
    ),
)

FAMILIES = (
    narrow(
        "g-neg300",
        "a maximum may not start at 0",
        family="neg300",
        formats=BRAIN,
        catches=("max-starts-at-zero",),
    ),
    narrow(
        "g-grow",
        "every tile moves the maximum",
        seqlen_k=257,
        family="grow",
        formats=HALF,
        catches=("accumulator-not-rescaled", "sum-not-rescaled", "max-of-first-tile"),
    ),
    narrow("g-huge", "one key wins, exp underflows", family="huge", formats=SINGLE),
    narrow(
        "g-peaked",
        "a few keys take all the weight",
        family="peaked",
        formats=BRAIN,
        catches=("accumulator-not-rescaled", "scores-in-format"),
    ),
    narrow("g-cancel", "errors of single weights show", family="cancel-v", formats=HALF),
    narrow("g-tiny", "results below the smallest normal number", family="tiny", formats=HALF),
    narrow("g-constant", "weights are 1 / n", family="constant", formats=BRAIN),
    narrow("g-heavy", "outliers everywhere", family="heavy", formats=SINGLE),
    narrow("g-fp64", "eight bytes to a number", seqlen_q=33, seqlen_k=65, formats=("fp64",)),
)

CASES = (*SCORES, *FAMILIES)
