"""Golden cases on which pairs count: masks, and dropout."""

from __future__ import annotations

from functools import partial

from conformance.cases.case import Case

CAUSAL = (None, 0)
HALF, BRAIN, SINGLE = ("fp16",), ("bf16",), ("fp32",)

narrow = partial(Case, batch=1, heads_q=1, head_dim=8)
small = partial(Case, batch=1, heads_q=2, head_dim=8)
packed = partial(Case, heads_q=2, head_dim=8)

MASKS = (
    narrow("g-causal-127", "one short of a tile", seqlen_q=127, window=CAUSAL, formats=HALF),
    narrow(
        "g-causal-128",
        "the diagonal ends with its tile",
        seqlen_q=128,
        window=CAUSAL,
        catches=("causal-ignored",),
    ),
    narrow(
        "g-causal-129",
        "a tile with one row",
        seqlen_q=129,
        window=CAUSAL,
        catches=("backward-ignores-mask",),
    ),
    narrow(
        "g-causal-more-keys",
        "the diagonal cuts tiles of other numbers",
        seqlen_q=100,
        seqlen_k=257,
        window=CAUSAL,
        formats=SINGLE,
        catches=("tile-on-diagonal-dropped", "cut-tile-taken-whole"),
    ),
    narrow(
        "g-causal-decode",
        "one query, bottom-right: it sees every key",
        seqlen_q=1,
        seqlen_k=129,
        window=CAUSAL,
        formats=BRAIN,
        catches=("causal-top-left",),
    ),
    narrow(
        "g-causal-more-rows",
        "bottom-right: the first rows see nothing",
        seqlen_q=129,
        seqlen_k=65,
        window=CAUSAL,
        formats=HALF,
        catches=("causal-top-left", "dead-row-nan"),
    ),
    narrow(
        "g-causal-top-left",
        "the last keys are seen by nobody",
        seqlen_q=65,
        seqlen_k=129,
        window=CAUSAL,
        anchor="top-left",
        formats=BRAIN,
        catches=("causal-bottom-right", "dk-of-unseen-keys-not-cleared"),
    ),
    narrow(
        "g-window",
        "keys fall out on both sides",
        seqlen_q=129,
        window=(20, 5),
        formats=HALF,
        catches=("window-left-one-short", "window-right-one-long", "hidden-tile-gives-nan"),
    ),
    narrow(
        "g-window-left",
        "sliding window, causal",
        seqlen_q=161,
        window=(64, 0),
        formats=BRAIN,
        catches=("window-left-ignored",),
    ),
    narrow(
        "g-window-top-left",
        "a window on the other diagonal",
        seqlen_q=65,
        seqlen_k=129,
        window=(9, 30),
        anchor="top-left",
        formats=SINGLE,
    ),
    narrow(
        "g-prefix",
        "all rows see the first keys",
        seqlen_q=129,
        window=CAUSAL,
        prefix=40,
        formats=HALF,
        catches=("prefix-ignored",),
    ),
    narrow(
        "g-keep",
        "a mask at random",
        seqlen_q=65,
        seqlen_k=129,
        keep="random bhqk",
        formats=BRAIN,
        catches=("keep-ignored",),
    ),
    narrow(
        "g-keep-dead-rows",
        "every third row sees nothing",
        seqlen_q=65,
        seqlen_k=129,
        keep="dead-rows bhqk",
        formats=HALF,
        catches=("dead-row-averages-values", "lse-of-dead-row-plus-inf", "hidden-is-minus-1e4"),
    ),
    narrow(
        "g-keep-padding",
        "sequences end at different keys",
        batch=2,
        seqlen_q=33,
        seqlen_k=129,
        keep="padding b11k",
        formats=SINGLE,
        catches=("keep-of-first-sequence",),
    ),
    small(
        "g-keep-heads",
        "each head its own mask",
        seqlen_q=33,
        seqlen_k=129,
        keep="random 1hqk",
        formats=BRAIN,
        catches=("keep-of-first-head",),
    ),
    narrow(
        "g-keep-late",
        "the first tile is hidden whole",
        seqlen_q=33,
        seqlen_k=257,
        keep="late 111k",
        formats=HALF,
    ),
)

DROPOUT = (
    narrow(
        "g-dropout",
        "decisions from the stream",
        dropout=0.25,
        formats=HALF,
        catches=("dropout-unscaled", "dropout-row-padded", "dropout-differs-in-backward"),
    ),
    small(
        "g-dropout-causal",
        "hidden pairs count as elements",
        seqlen_q=65,
        seqlen_k=67,
        dropout=0.5,
        window=CAUSAL,
        formats=BRAIN,
        catches=("dropout-before-sum", "dropout-repeats-per-head"),
    ),
    narrow(
        "g-dropout-bits",
        "decisions from bits, seqlen_k no multiple of 8",
        seqlen_q=65,
        seqlen_k=131,
        dropout=0.25,
        bits="exact",
        formats=SINGLE,
        catches=("dropout-bits-from-the-top",),
    ),
    packed(
        "g-dropout-packed",
        "elements count through the sequences",
        lens_q=(33, 17),
        lens_k=(65, 31),
        dropout=0.3,
        formats=HALF,
    ),
)

CASES = (*MASKS, *DROPOUT)
