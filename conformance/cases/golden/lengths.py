"""Golden cases on lengths about a tile of 128 keys, heads and packed sequences; four are real."""

from __future__ import annotations

from functools import partial

from conformance.cases.case import Case

CAUSAL = (None, 0)
HALF, BRAIN, SINGLE = ("fp16",), ("bf16",), ("fp32",)

length = partial(Case, batch=1, heads_q=1, head_dim=16)
narrow = partial(Case, batch=1, heads_q=1, head_dim=8)
small = partial(Case, batch=1, heads_q=2, head_dim=8)
packed = partial(Case, heads_q=2, head_dim=8)

LENGTHS = (
    length("g-1x1", "one key: out is v, and dq is 0", seqlen_q=1, seqlen_k=1, formats=HALF),
    length("g-2x17", "a row and a key beyond", seqlen_q=2, seqlen_k=17, formats=BRAIN),
    length("g-15x16", "one row short of a fractal", seqlen_q=15, seqlen_k=16, formats=SINGLE),
    length("g-16x15", "one key short of a fractal", seqlen_q=16, seqlen_k=15, formats=HALF),
    length(
        "g-17x2",
        "rows beyond a fractal, two keys",
        seqlen_q=17,
        seqlen_k=2,
        formats=BRAIN,
        catches=("query-tail-not-written", "lse-of-next-row"),
    ),
    length(
        "g-63x65",
        "odd lengths about a tile of 64",
        seqlen_q=63,
        seqlen_k=65,
        formats=SINGLE,
        catches=("key-tail-dropped",),
    ),
    length("g-64x63", "one key short of half a tile", seqlen_q=64, seqlen_k=63, formats=HALF),
    length(
        "g-65x64",
        "one row beyond half a tile",
        seqlen_q=65,
        seqlen_k=64,
        formats=BRAIN,
        catches=("dq-tail-not-written",),
    ),
    length(
        "g-127x129",
        "odd lengths about a tile",
        seqlen_q=127,
        seqlen_k=129,
        catches=("key-tail-dropped",),
    ),
    length("g-128x127", "one key short of a tile", seqlen_q=128, seqlen_k=127, formats=HALF),
    length("g-128x128", "whole tiles and nothing else", seqlen_q=128, seqlen_k=128),
    length(
        "g-129x128",
        "one row beyond a tile",
        seqlen_q=129,
        seqlen_k=128,
        formats=BRAIN,
        catches=("query-tail-not-written", "dq-tail-not-written"),
    ),
    length("g-255x257", "odd lengths about two tiles", seqlen_q=255, seqlen_k=257, formats=HALF),
    length("g-256x255", "one key short of two tiles", seqlen_q=256, seqlen_k=255, formats=BRAIN),
    length("g-257x256", "one row beyond two tiles", seqlen_q=257, seqlen_k=256, formats=SINGLE),
    length("g-1x127", "decode", seqlen_q=1, seqlen_k=127, formats=BRAIN),
    length("g-129x1", "one key for every row", seqlen_q=129, seqlen_k=1, formats=HALF),
)

HEADS = (
    Case(
        "g-gqa",
        "two query heads to a key head",
        batch=1,
        seqlen_q=65,
        heads_q=4,
        heads_k=2,
        head_dim=8,
        formats=BRAIN,
        catches=("gqa-head-modulo", "dk-of-first-query-head"),
    ),
    Case(
        "g-mqa",
        "three query heads, one key head",
        batch=1,
        seqlen_q=65,
        heads_q=3,
        heads_k=1,
        head_dim=8,
        formats=HALF,
        catches=("dk-of-first-query-head",),
    ),
    Case(
        "g-batch",
        "two sequences, two heads",
        seqlen_q=33,
        seqlen_k=129,
        head_dim=8,
        catches=("first-sequence-for-all", "lse-transposed"),
    ),
    narrow(
        "g-value-wider",
        "head_dim_v > head_dim",
        seqlen_q=65,
        head_dim_v=24,
        formats=HALF,
        catches=("value-width-of-key", "delta-of-key-width"),
    ),
    narrow("g-value-narrower", "head_dim_v < head_dim", head_dim=24, head_dim_v=8, formats=BRAIN),
    narrow("g-head-dim-odd", "no multiple of anything", seqlen_q=65, head_dim=11, formats=SINGLE),
    small("g-layout-bnsd", "memory has heads before rows", layout="bnsd", formats=HALF),
    small("g-layout-gapped", "slices of a larger tensor", layout="gapped", formats=BRAIN),
)

PACKED = (
    packed(
        "g-packed",
        "neighbours must not leak; one is empty, one is one row",
        lens_q=(65, 0, 1, 130),
        formats=HALF,
        catches=("packed-sequences-leak",),
    ),
    packed(
        "g-packed-causal",
        "each sequence has its own diagonal",
        lens_q=(33, 64, 17),
        lens_k=(129, 33, 17),
        window=CAUSAL,
        formats=BRAIN,
        catches=("packed-diagonal-of-whole", "packed-offsets-of-queries"),
    ),
    packed(
        "g-packed-no-keys",
        "a sequence with no keys",
        lens_q=(33, 17, 31),
        lens_k=(40, 0, 65),
        formats=SINGLE,
    ),
    packed(
        "g-packed-gqa",
        "shared key heads, offsets of another length",
        heads_q=4,
        heads_k=2,
        lens_q=(31, 64),
        lens_k=(64, 33),
        formats=HALF,
        catches=("gqa-head-modulo",),
    ),
)

REAL = (
    Case(
        "g-real-prefill",
        "a head of a real model, causal",
        batch=1,
        seqlen_q=384,
        heads_q=1,
        head_dim=128,
        window=CAUSAL,
        formats=BRAIN,
    ),
    Case(
        "g-real-gqa",
        "a group of a real model",
        batch=1,
        seqlen_q=130,
        heads_q=4,
        heads_k=1,
        head_dim=128,
        window=CAUSAL,
        formats=HALF,
    ),
    Case(
        "g-real-decode",
        "one query, a thousand keys",
        batch=2,
        seqlen_q=1,
        seqlen_k=1000,
        heads_q=8,
        heads_k=2,
        head_dim=128,
        backward=False,
        formats=BRAIN,
    ),
    Case(
        "g-real-packed",
        "sequences of a real pack, forward",
        lens_q=(511, 129, 384),
        heads_q=2,
        head_dim=64,
        window=CAUSAL,
        backward=False,
        formats=HALF,
    ),
)

CASES = (*LENGTHS, *HEADS, *PACKED, *REAL)
