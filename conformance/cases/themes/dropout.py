"""Cases on dropout: the stream's elements, bits, and what may not be dropped."""

from __future__ import annotations

from functools import partial

from conformance.cases.case import Case

CAUSAL = (None, 0)
fewer = partial(Case, seqlen_q=65, seqlen_k=161)
more = partial(Case, seqlen_q=129, seqlen_k=67)

CASES = (
    fewer(
        "dropout-0.1",
        "the usual rate",
        dropout=0.1,
        catches=(
            "dropout-offset-ignored",
            "dropout-repeats-per-tile",
            "dropout-row-padded",
            "dropout-differs-in-backward",
        ),
    ),
    more(
        "dropout-0.5",
        "half of the weights",
        dropout=0.5,
        tier="smoke",
        catches=(
            "dropout-ignored",
            "dropout-before-sum",
            "dropout-offset-ignored",
            "dropout-row-padded",
            "dropout-differs-in-backward",
            "dropout-missing-in-dp",
            "dropout-restarts-after-4096",
            "dropout-transposed",
            "dropout-offset-too-little",
        ),
    ),
    fewer(
        "dropout-0.9",
        "few weights are kept, x10",
        dropout=0.9,
        catches=(
            "dropout-unscaled",
            "dropout-scaled-by-1-minus-p",
            "dropout-p-off",
            "dropout-p-of-8-bits",
            "dropout-p-in-bf16",
        ),
    ),
    Case(
        "dropout-multiple-of-8",
        "rows start on whole words",
        seqlen_q=64,
        seqlen_k=128,
        dropout=0.2,
        catches=(
            "dropout-repeats-per-tile",
            "dropout-lcg-of-16-bits",
            "dropout-stream-from-the-top",
        ),
    ),
    Case(
        "dropout-causal",
        "the first row may lose its only key",
        seqlen_q=129,
        dropout=0.5,
        window=CAUSAL,
        catches=("dropout-before-sum",),
    ),
    more("dropout-causal-more", "dead rows", dropout=0.3, window=CAUSAL),
    fewer("dropout-keep", "with a mask", dropout=0.3, keep="random bhqk"),
    fewer("dropout-bias", "dbias passes through dropout", dropout=0.3, bias="normal 1hqk"),
    fewer("dropout-sink", "the sink is never dropped", dropout=0.3, sink="random"),
    fewer("dropout-dlse", "lse knows nothing of dropout", dropout=0.5, dlse=True),
    Case(
        "dropout-short",
        "fewer elements than a block has words",
        seqlen_q=1,
        seqlen_k=3,
        dropout=0.5,
    ),
    more("dropout-peaked", "a heavy weight is dropped", dropout=0.5, family="peaked"),
    fewer(
        "bits-0.5",
        "explicit decisions",
        dropout=0.5,
        bits="exact",
        tier="smoke",
        catches=("dropout-ignored", "dropout-bits-from-the-top", "dropout-missing-in-dp"),
    ),
    more(
        "bits-0.1", "explicit decisions", dropout=0.1, bits="exact", catches=("dropout-unscaled",)
    ),
    fewer(
        "bits-padded",
        "whole 128-bit words",
        dropout=0.3,
        bits="padded",
        catches=("dropout-bits-from-the-top",),
    ),
    more("bits-causal", "with a mask", dropout=0.3, bits="padded", window=CAUSAL),
    fewer(
        "bits-gqa-3",
        "counted over query heads",
        heads_q=6,
        heads_k=2,
        batch=1,
        dropout=0.3,
        bits="exact",
    ),
)
