"""Cases on explicit masks: shapes that broadcast, hidden tiles, rows that see nothing."""

from __future__ import annotations

from functools import partial

from conformance.cases.case import Case

CAUSAL = (None, 0)
fewer = partial(Case, seqlen_q=100, seqlen_k=257)
equal = partial(Case, seqlen_q=129, seqlen_k=129)
more = partial(Case, seqlen_q=257, seqlen_k=100)

CASES = (
    fewer(
        "keep-bhqk-fewer",
        "each head its own",
        keep="random bhqk",
        tier="smoke",
        catches=("keep-ignored",),
    ),
    equal(
        "keep-bhqk-equal",
        "square: a transposed mask fits",
        keep="random bhqk",
        catches=("keep-transposed", "backward-ignores-mask"),
    ),
    more("keep-bhqk-more", "each head its own", keep="random bhqk"),
    fewer("keep-1hqk", "shared by sequences", keep="random 1hqk", catches=("keep-of-first-head",)),
    more("keep-b1qk", "shared by heads", keep="random b1qk", catches=("keep-of-first-sequence",)),
    fewer("keep-11qk", "shared by all", keep="random 11qk"),
    fewer(
        "keep-b11k",
        "padding: each sequence ends elsewhere",
        keep="padding b11k",
        catches=("keep-ignored", "keep-of-first-sequence", "dk-of-unseen-keys-not-cleared"),
    ),
    equal("keep-111k", "one row for all", keep="random 111k"),
    Case(
        "keep-111k-long",
        "one row for all, longer than 512 keys",
        batch=1,
        seqlen_q=65,
        seqlen_k=1000,
        keep="random 111k",
        small={"seqlen_q": 33, "seqlen_k": 700, "head_dim": 32},
        catches=("keep-ignored-past-512",),
    ),
    Case(
        "keep-1h1k-long",
        "one row to each head, longer than 512 keys",
        batch=1,
        seqlen_q=33,
        seqlen_k=769,
        keep="random 1h1k",
        catches=("keep-ignored-past-512",),
    ),
    more("keep-bh1k", "one row to each head", keep="random bh1k", catches=("keep-of-first-head",)),
    equal("keep-b1q1", "whole rows hidden", keep="random b1q1"),
    equal(
        "keep-blocks",
        "whole tiles hidden between others",
        keep="blocks bhqk",
        catches=("keep-transposed",),
    ),
    fewer("keep-late", "the first tiles are hidden: no maximum yet", keep="late 111k"),
    equal(
        "keep-dead-rows",
        "every third row sees nothing",
        keep="dead-rows bhqk",
        catches=(
            "dead-row-nan",
            "dead-row-averages-values",
            "lse-of-dead-row-plus-inf",
            "hidden-is-minus-1e4",
        ),
    ),
    fewer("keep-dead-rows-shared", "in all heads alike", keep="dead-rows 11qk"),
    equal(
        "keep-single",
        "one key to a row: weights are 1",
        keep="single 11qk",
        catches=("hidden-tile-gives-nan",),
    ),
    fewer("keep-causal-fewer", "with a window", keep="random bhqk", window=CAUSAL),
    more("keep-causal-more", "with a window", keep="random b1qk", window=CAUSAL),
    equal("keep-window", "with both sides", keep="blocks 1hqk", window=(40, 20)),
    equal("keep-prefix", "hides part of the prefix", keep="random b1qk", window=CAUSAL, prefix=50),
    equal(
        "keep-neg300",
        "a masked score of 0 would win against logits of -300",
        keep="dead-rows bhqk",
        family="neg300",
        catches=("hidden-is-smallest-positive",),
    ),
    fewer(
        "keep-late-grow", "hidden tiles before a rising maximum", keep="late 111k", family="grow"
    ),
    Case(
        "keep-neg300-192",
        "half of the last tile of 128 is padding, which may not score 0",
        seqlen_q=192,
        batch=1,
        keep="random b1qk",
        family="neg300",
    ),
    Case(
        "keep-late-441",
        "whole tiles hidden, an odd rest",
        seqlen_q=65,
        seqlen_k=441,
        batch=1,
        keep="late 111k",
    ),
)
