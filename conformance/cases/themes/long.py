"""Cases of the full tier: long sequences, wide heads, other seeds' worth of data."""

from __future__ import annotations

from functools import partial

from conformance.cases.case import Case
from conformance.cases.inputs import FAMILIES

CAUSAL = (None, 0)

_long = partial(Case, tier="full", batch=1, head_dim=128, small={"seqlen_q": 129, "seqlen_k": 161})

CASES = (
    _long("long-4096", "64 tiles of 64", seqlen_q=4096, heads_q=2),
    _long("long-4096-causal", "64 tiles of 64", seqlen_q=4096, heads_q=4, heads_k=2, window=CAUSAL),
    _long("long-4097-window", "a band in a large square", seqlen_q=4097, window=(511, 0)),
    _long(
        "long-1x8193", "decoding after a long text", seqlen_q=1, seqlen_k=8193, heads_q=8, heads_k=1
    ),
    _long("long-2049x4095-causal", "odd lengths", seqlen_q=2049, seqlen_k=4095, window=CAUSAL),
    _long(
        "long-grow", "the maximum moves in every tile", seqlen_q=513, seqlen_k=4096, family="grow"
    ),
    _long("long-mean-v", "long sums", seqlen_q=513, seqlen_k=4096, family="mean-v"),
    _long("long-keep", "a mask of one row", seqlen_q=257, seqlen_k=4096, keep="random 111k"),
    _long("long-dropout", "many elements", seqlen_q=1025, seqlen_k=2047, dropout=0.1),
    Case(
        "long-packed",
        "lengths from 0 to 2049",
        lens_q=(2049, 0, 1, 511, 1024),
        head_dim=128,
        window=CAUSAL,
        tier="full",
        small={"lens_q": (129, 0, 1, 63, 64)},
    ),
    *(
        Case(
            f"sweep-dim-{head_dim}",
            "every width mod 7",
            batch=1,
            seqlen_q=129,
            seqlen_k=257,
            head_dim=head_dim,
            window=CAUSAL,
            tier="full",
            small={"seqlen_q": 33, "seqlen_k": 65},
        )
        for head_dim in range(3, 257, 7)
    ),
    *(
        Case(
            f"sweep-{family}-{length}",
            FAMILIES[family].why,
            batch=1,
            seqlen_q=length,
            heads_q=2,
            family=family,
            scale=1.0 if family == "neg6e4" else None,
            window=CAUSAL,
            tier="full",
            small={"seqlen_q": 97},
        )
        for family in FAMILIES
        for length in (191, 320, 449)
    ),
)
