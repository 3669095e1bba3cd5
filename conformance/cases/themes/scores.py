"""Cases on what happens to scores: scale, softcap, bias, ALiBi, sink."""

from __future__ import annotations

from functools import partial

from conformance.cases.case import Case

CAUSAL = (None, 0)
fewer = partial(Case, seqlen_q=97, seqlen_k=161)
equal = partial(Case, seqlen_q=129, seqlen_k=129)
more = partial(Case, seqlen_q=161, seqlen_k=97)

CASES = (
    fewer(
        "scale-large",
        "not head_dim ** -0.5",
        scale=0.3,
        catches=("scale-ignored", "scale-of-first-call", "dk-without-scale", "dq-scaled-twice"),
    ),
    more("scale-one", "unscaled scores", scale=1.0, catches=("scale-ignored",)),
    equal("scale-small", "nearly uniform weights", scale=0.01, family="mean-v"),
    fewer("scale-negative", "the largest product has the least weight", scale=-0.125),
    more("scale-negative-causal", "a masked 0 would win", scale=-0.5, window=CAUSAL),
    fewer("scale-zero", "all weights equal: dq and dk are 0", scale=0.0),
    fewer(
        "softcap",
        "a cap that logits reach",
        softcap=2.0,
        tier="smoke",
        catches=("softcap-ignored", "softcap-times-score", "softcap-gradient-missing"),
    ),
    fewer(
        "softcap-large",
        "a cap far above the logits",
        softcap=50.0,
        catches=("softcap-times-score",),
    ),
    equal(
        "softcap-peaked",
        "tanh is saturated here and there",
        softcap=20.0,
        family="peaked",
        catches=("softcap-ignored", "softcap-gradient-missing"),
    ),
    fewer("softcap-huge", "tanh is saturated nearly everywhere", softcap=30.0, family="huge"),
    more("softcap-causal", "the mask comes after the cap", softcap=5.0, window=CAUSAL),
    fewer(
        "softcap-bias",
        "the bias comes after the cap",
        softcap=3.0,
        bias="normal bhqk",
        catches=("softcap-after-bias",),
    ),
    fewer(
        "softcap-alibi",
        "distances are not capped",
        softcap=3.0,
        alibi="h",
        catches=("softcap-after-bias",),
    ),
    more("softcap-scale", "scaled, then capped", softcap=4.0, scale=0.5),
    fewer(
        "bias-bhqk",
        "each head its own",
        bias="normal bhqk",
        catches=("bias-before-scale", "dbias-scaled"),
    ),
    fewer(
        "bias-1hqk",
        "shared by sequences",
        bias="normal 1hqk",
        tier="smoke",
        catches=("bias-before-scale", "dbias-of-last-pair"),
    ),
    more("bias-b1qk", "shared by heads", bias="normal b1qk"),
    equal(
        "bias-11qk",
        "shared by all: square",
        bias="normal 11qk",
        catches=("bias-of-first-row", "dbias-of-last-pair"),
    ),
    fewer("bias-b11k", "one row to each sequence", bias="normal b11k"),
    more("bias-1h1k", "one row to each head", bias="normal 1h1k"),
    fewer(
        "bias-1hq1",
        "one number to a row: only lse moves",
        bias="normal 1hq1",
        catches=("bias-of-first-row",),
    ),
    equal("bias-bh11", "one number to a head", bias="normal bh11"),
    Case(
        "bias-111k-long",
        "one row for all, longer than 512 keys",
        batch=1,
        seqlen_q=65,
        seqlen_k=1000,
        bias="normal 111k",
        small={"seqlen_q": 33, "seqlen_k": 700, "head_dim": 32},
    ),
    fewer("bias-inf-prefix", "the first tiles are -inf", bias="inf-prefix bhqk"),
    equal("bias-inf-rows", "some rows are -inf", bias="inf-rows 1hqk"),
    equal("bias-soft-mask", "-1e4 hides, unless all keys have it", bias="soft-mask b1qk"),
    more("bias-causal-more", "with a mask", bias="normal 1hqk", window=CAUSAL),
    fewer("bias-scale", "the bias is not scaled", bias="normal 1hqk", scale=0.02),
    fewer("bias-grow", "small beside the logits", bias="normal 1hqk", family="grow"),
    equal(
        "alibi-causal-equal",
        "as it was meant",
        alibi="h",
        window=CAUSAL,
        tier="smoke",
        catches=("alibi-sign", "alibi-heads-reversed"),
    ),
    fewer(
        "alibi-fewer",
        "both sides of the diagonal",
        alibi="h",
        catches=("alibi-sign", "alibi-top-left"),
    ),
    more("alibi-more", "both sides of the diagonal", alibi="h"),
    fewer(
        "alibi-batch",
        "slopes to each sequence",
        alibi="bh",
        window=CAUSAL,
        catches=("alibi-top-left",),
    ),
    fewer(
        "alibi-top-left",
        "distances from the other corner",
        alibi="h",
        window=CAUSAL,
        anchor="top-left",
    ),
    more("alibi-scale", "distances are not scaled", alibi="h", scale=0.4),
    fewer("alibi-bias", "both add up", alibi="h", bias="normal 1hqk"),
    fewer(
        "sink-random",
        "a logit with no value",
        sink="random",
        tier="smoke",
        catches=("sink-ignored", "sink-in-each-tile", "sink-missing-from-lse"),
    ),
    equal(
        "sink-zero",
        "smooth softmax",
        sink="zero",
        catches=("sink-ignored", "sink-missing-from-lse"),
    ),
    fewer(
        "sink-large",
        "the sink takes nearly all",
        sink="large",
        catches=("sink-scaled", "sink-in-each-tile"),
    ),
    more(
        "sink-causal-more",
        "rows that see only the sink",
        sink="random",
        window=CAUSAL,
        catches=("dsink-sign",),
    ),
    fewer(
        "sink-scale", "the sink is not scaled", sink="large", scale=0.02, catches=("sink-scaled",)
    ),
    equal("sink-peaked", "the sink is small beside the logits", sink="random", family="peaked"),
    fewer("sink-neg300", "the sink is the maximum: out is almost 0", sink="zero", family="neg300"),
    fewer("sink-softcap", "the sink is not capped", sink="large", softcap=2.0),
    fewer("sink-empty-window", "no row sees a key", sink="random", window=(-90, 40)),
)
