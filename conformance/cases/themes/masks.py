"""Cases on masks: every kind with fewer, as many and more queries than keys."""

from __future__ import annotations

from functools import partial

from conformance.cases.case import Case

CAUSAL = (None, 0)
fewer = partial(Case, seqlen_q=100, seqlen_k=257)
equal = partial(Case, seqlen_q=161, seqlen_k=161)
more = partial(Case, seqlen_q=257, seqlen_k=100)

CASES = (
    fewer(
        "causal-fewer",
        "the diagonal ends bottom-right",
        window=CAUSAL,
        tier="smoke",
        catches=(
            "causal-top-left",
            "causal-ignored",
            "tile-on-diagonal-dropped",
            "cut-tile-taken-whole",
        ),
    ),
    equal(
        "causal-equal",
        "both anchors agree",
        window=CAUSAL,
        catches=(
            "causal-ignored",
            "window-right-one-long",
            "mask-of-first-call",
            "workspace-not-cleared",
            "backward-ignores-mask",
        ),
    ),
    more(
        "causal-more",
        "the first 157 rows see nothing",
        window=CAUSAL,
        tier="smoke",
        catches=(
            "dead-row-nan",
            "dead-row-averages-values",
            "lse-of-dead-row-plus-inf",
            "cut-tile-taken-whole",
        ),
    ),
    fewer(
        "causal-top-left-fewer",
        "the diagonal starts top-left: the last keys get no gradient",
        window=CAUSAL,
        anchor="top-left",
        catches=("causal-bottom-right", "dk-of-unseen-keys-not-cleared"),
    ),
    more(
        "causal-top-left-more",
        "the diagonal starts top-left: the last rows see everything",
        window=CAUSAL,
        anchor="top-left",
        catches=("causal-bottom-right",),
    ),
    Case("causal-257", "three tiles of 128", batch=1, seqlen_q=257, window=CAUSAL),
    fewer(
        "window-fewer",
        "both sides",
        window=(48, 16),
        tier="smoke",
        catches=("window-left-one-short", "window-left-one-long"),
    ),
    equal(
        "window-equal",
        "both sides",
        window=(48, 16),
        catches=("hidden-tile-gives-nan", "window-right-one-long", "backward-ignores-mask"),
    ),
    more("window-more", "both sides; rows above see nothing", window=(48, 16)),
    fewer("window-top-left-fewer", "both sides", window=(33, 8), anchor="top-left"),
    more("window-top-left-more", "both sides", window=(33, 8), anchor="top-left"),
    fewer(
        "window-causal-fewer",
        "sliding, as in language models",
        window=(31, 0),
        catches=("window-left-ignored",),
    ),
    equal(
        "window-causal-equal",
        "sliding, as in language models",
        window=(64, 0),
        catches=("window-left-one-short",),
    ),
    more("window-causal-more", "sliding, as in language models", window=(31, 0)),
    fewer(
        "window-left-fewer",
        "only the left side",
        window=(70, None),
        catches=("window-left-ignored",),
    ),
    equal("window-left-equal", "only the left side", window=(70, None)),
    more("window-left-more", "only the left side", window=(17, None)),
    fewer(
        "window-right-fewer",
        "only the right side, beyond 0",
        window=(None, 20),
        catches=("window-right-one-long",),
    ),
    equal(
        "window-right-equal",
        "only the right side, beyond 0",
        window=(None, 20),
        catches=("backward-always-causal",),
    ),
    more("window-right-more", "only the right side, beyond 0", window=(None, 20)),
    fewer("window-diagonal-fewer", "each row sees one key: out is v", window=(0, 0)),
    more("window-diagonal-more", "one key, or none", window=(0, 0)),
    Case(
        "window-tile-equal",
        "edges on tile borders",
        seqlen_q=192,
        window=(64, 63),
        catches=("window-left-one-long",),
    ),
    fewer("window-beyond-fewer", "a window wider than the keys", window=(500, 300)),
    fewer(
        "window-negative-left-fewer",
        "it starts right of the diagonal: the last rows see nothing",
        window=(-5, 20),
    ),
    more("window-negative-left-more", "right of the diagonal", window=(-5, 20)),
    equal(
        "window-negative-right-equal",
        "it ends left of the diagonal: the first rows see nothing",
        window=(40, -5),
    ),
    fewer("window-negative-right-fewer", "left of the diagonal", window=(40, -5)),
    more("window-negative-right-more", "left of the diagonal", window=(None, -3)),
    Case(
        "window-empty",
        "no row sees anything",
        seqlen_q=65,
        seqlen_k=97,
        window=(-40, 10),
        catches=("dead-row-nan", "dead-row-averages-values"),
    ),
    fewer("prefix-causal-fewer", "a common prefix", window=CAUSAL, prefix=190),
    equal(
        "prefix-causal-equal",
        "a common prefix",
        window=CAUSAL,
        prefix=70,
        catches=("prefix-ignored",),
    ),
    more("prefix-causal-more", "no row is dead", window=CAUSAL, prefix=7),
    fewer(
        "prefix-window-fewer",
        "a prefix to each sequence, and a window after it",
        window=(20, 0),
        prefix=(1, 65),
        catches=("prefix-ignored",),
    ),
    Case(
        "prefix-window-top-left-more",
        "a prefix in one sequence and none in the other; the window runs out of keys",
        seqlen_q=257,
        seqlen_k=120,
        window=(20, 0),
        anchor="top-left",
        prefix=(33, 0),
        tier="smoke",
    ),
    equal("prefix-beyond-equal", "a prefix longer than the keys", window=CAUSAL, prefix=999),
)
