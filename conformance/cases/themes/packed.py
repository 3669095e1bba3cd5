"""Cases on packed sequences: lengths of 0 and 1, neighbours, cumulative offsets."""

from __future__ import annotations

from conformance.cases.case import Case

CAUSAL = (None, 0)
MIXED = (65, 0, 1, 130)
OTHER = (33, 17, 64, 0, 97)

CASES = (
    Case(
        "packed-equal",
        "neighbours must not leak",
        lens_q=(64, 128, 33),
        catches=("packed-sequences-leak",),
    ),
    Case(
        "packed-causal",
        "a sequence of no rows, one of one row, one causal diagonal each",
        lens_q=MIXED,
        lens_k=(100, 33, 1, 161),
        window=CAUSAL,
        tier="smoke",
        catches=("causal-top-left", "packed-diagonal-of-whole"),
    ),
    Case(
        "packed-cross",
        "keys unlike queries",
        lens_q=(17, 129, 64),
        lens_k=(130, 31, 65),
        catches=("packed-sequences-leak", "packed-offsets-of-queries"),
    ),
    Case(
        "packed-causal-more",
        "dead rows",
        lens_q=(129, 65),
        lens_k=(33, 130),
        window=CAUSAL,
        catches=("packed-diagonal-of-whole",),
    ),
    Case(
        "packed-causal-top-left",
        "each diagonal starts at its own sequence",
        lens_q=(129, 31),
        lens_k=(33, 130),
        window=CAUSAL,
        anchor="top-left",
    ),
    Case("packed-no-keys", "a sequence with no keys", lens_q=(33, 17, 65), lens_k=(40, 0, 65)),
    Case(
        "packed-no-queries",
        "a sequence with no queries",
        lens_q=(33, 0, 65),
        lens_k=(40, 50, 65),
        catches=("packed-empty-sequence-skipped",),
    ),
    Case("packed-no-ends", "empty first and last", lens_q=(0, 70, 0), lens_k=(0, 70, 0)),
    Case("packed-nothing", "only empty sequences", lens_q=(0, 0), lens_k=(0, 0)),
    Case(
        "packed-ones",
        "many sequences of one row",
        lens_q=(1,) * 9,
        lens_k=(1, 2, 3, 4, 5, 6, 7, 8, 9),
    ),
    Case(
        "packed-decode",
        "one query each",
        lens_q=(1,) * 4,
        lens_k=(129, 64, 257, 1),
        window=CAUSAL,
        catches=("packed-offsets-of-queries",),
    ),
    Case("packed-one", "one sequence: the dense problem", lens_q=(193,), lens_k=(129,)),
    Case(
        "packed-513",
        "a length of 513 among others",
        lens_q=(513, 100, 257),
        heads_q=1,
        window=CAUSAL,
        small={"lens_q": (129, 31, 65), "heads_q": 2},
    ),
    Case(
        "packed-window",
        "a window in each",
        lens_q=OTHER,
        lens_k=(65, 130, 17, 9, 97),
        window=(20, 5),
    ),
    Case(
        "packed-prefix", "a prefix to each", lens_q=OTHER, window=CAUSAL, prefix=(5, 0, 40, 3, 99)
    ),
    Case(
        "packed-keep",
        "the top-left part of keep",
        lens_q=OTHER,
        lens_k=(65, 130, 17, 9, 97),
        keep="random bhqk",
    ),
    Case(
        "packed-bias",
        "the top-left part of bias",
        lens_q=OTHER,
        lens_k=(65, 130, 17, 9, 97),
        bias="normal bhqk",
    ),
    Case(
        "packed-bias-shared",
        "one bias for all sequences",
        lens_q=OTHER,
        bias="normal 1hqk",
        window=CAUSAL,
    ),
    Case(
        "packed-alibi",
        "distances in each sequence",
        lens_q=(65, 33),
        lens_k=(97, 130),
        alibi="bh",
        window=CAUSAL,
    ),
    Case(
        "packed-gqa-3",
        "groups",
        lens_q=(65, 0, 97),
        lens_k=(100, 20, 97),
        heads_q=6,
        heads_k=2,
        window=CAUSAL,
        catches=("packed-empty-sequence-skipped",),
    ),
    Case(
        "packed-mqa",
        "one key head",
        lens_q=(65, 31, 97),
        heads_q=4,
        heads_k=1,
        catches=("packed-sequences-leak",),
    ),
    Case(
        "packed-sink",
        "a sink, and rows that see only it",
        lens_q=(65, 33),
        lens_k=(31, 97),
        window=CAUSAL,
        sink="random",
        catches=("dsink-missing", "dsink-sign"),
    ),
    Case(
        "packed-softcap", "softcap", lens_q=(65, 33), lens_k=(31, 97), softcap=8.0, family="peaked"
    ),
    Case(
        "packed-dropout",
        "elements are counted over sequences",
        lens_q=(33, 1, 65),
        lens_k=(37, 5, 97),
        dropout=0.3,
        catches=("dropout-repeats-per-head",),
    ),
    Case(
        "packed-bits",
        "bits are counted over sequences",
        lens_q=(33, 1, 65),
        lens_k=(37, 5, 97),
        dropout=0.3,
        bits="exact",
    ),
    Case("packed-dlse", "lse is (heads, total)", lens_q=(65, 33), lens_k=(31, 97), dlse=True),
    Case(
        "packed-head-dim-v", "values of another width", lens_q=(65, 33), head_dim=40, head_dim_v=72
    ),
    Case(
        "packed-neg300",
        "a stale maximum of the neighbour",
        lens_q=(33, 65, 40),
        family="neg300",
        catches=("max-starts-at-zero",),
    ),
    Case(
        "packed-grow",
        "each sequence rises anew",
        lens_q=(65, 130),
        family="grow",
        window=CAUSAL,
        catches=("accumulator-not-rescaled", "max-of-first-tile"),
    ),
    Case(
        "packed-causal-far-more",
        "many rows, few keys",
        lens_q=(256, 40),
        lens_k=(2, 7),
        window=CAUSAL,
    ),
    Case(
        "packed-draft",
        "six tokens of each sequence after its cache",
        lens_q=(6, 6, 6),
        lens_k=(129, 70, 33),
        heads_q=4,
        heads_k=2,
        window=CAUSAL,
    ),
    Case(
        "packed-128x129",
        "one key more than rows, an odd width",
        lens_q=(128, 64),
        lens_k=(129, 65),
        head_dim=63,
        window=CAUSAL,
    ),
)
