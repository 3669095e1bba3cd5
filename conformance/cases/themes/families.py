"""Cases on input families: logits and values that hide or show what rounding and order do."""

from __future__ import annotations

from functools import partial

from conformance.cases.case import Case

CAUSAL = (None, 0)
size = partial(Case, seqlen_q=127, seqlen_k=257)
square = partial(Case, seqlen_q=161, seqlen_k=161)

CASES = (
    size(
        "normal",
        "the everyday problem",
        tier="smoke",
        catches=(
            "stale-value-tile",
            "lse-base-2",
            "lse-of-next-row",
            "lse-transposed",
            "crude-exp",
            "first-sequence-for-all",
            "scale-of-first-call",
            "mask-of-first-call",
            "length-of-first-call",
            "workspace-not-cleared",
            "dk-without-scale",
            "dq-scaled-twice",
            "delta-missing",
            "delta-of-next-row",
            "statistics-of-first-tile",
            "dv-from-unnormalised-weights",
            "dq-of-last-tile",
            "backward-always-causal",
        ),
    ),
    square("normal-causal", "the everyday problem, causal", window=CAUSAL),
    size(
        "peaked",
        "a few keys take all the weight",
        family="peaked",
        catches=(
            "accumulator-not-rescaled",
            "sum-not-rescaled",
            "lse-without-max",
            "scores-in-format",
            "fp32-through-tf32",
        ),
    ),
    square("peaked-causal", "a few keys take all", family="peaked", window=CAUSAL),
    size(
        "huge",
        "one key wins, exp underflows",
        family="huge",
        catches=("scores-in-format", "fp32-through-tf32"),
    ),
    square("huge-causal", "one key wins", family="huge", window=CAUSAL),
    size(
        "neg300",
        "a maximum may not start at 0",
        family="neg300",
        tier="smoke",
        catches=("max-starts-at-zero", "scores-in-format"),
    ),
    square(
        "neg300-causal",
        "a masked score may not be 0",
        family="neg300",
        window=CAUSAL,
        catches=("hidden-is-smallest-positive",),
    ),
    Case(
        "neg300-odd",
        "padding may not score 0",
        seqlen_q=33,
        seqlen_k=65,
        family="neg300",
        catches=("key-tail-not-hidden", "backward-key-tail-not-hidden"),
    ),
    Case(
        "neg300-decode",
        "one row, padded to a tile",
        seqlen_q=1,
        seqlen_k=129,
        family="neg300",
        catches=("lse-without-max", "backward-key-tail-not-hidden"),
    ),
    Case(
        "neg6e4",
        "a stand-in for -inf such as -5e4 is larger than these logits",
        seqlen_q=65,
        seqlen_k=193,
        head_dim=16,
        scale=1.0,
        family="neg6e4",
        catches=("max-starts-at-minus-5e4",),
    ),
    Case(
        "neg6e4-causal",
        "a masked score of -5e4 would win",
        seqlen_q=97,
        seqlen_k=97,
        head_dim=16,
        scale=1.0,
        family="neg6e4",
        window=CAUSAL,
        catches=("max-starts-at-minus-5e4", "hidden-is-minus-1e4"),
    ),
    size(
        "grow",
        "every tile moves the maximum",
        family="grow",
        tier="smoke",
        catches=("accumulator-not-rescaled", "sum-not-rescaled", "max-of-first-tile"),
    ),
    square("grow-causal", "each row ends at its maximum", family="grow", window=CAUSAL),
    size(
        "grow-window",
        "the first visible tile is not the first",
        family="grow",
        window=(30, 9),
        catches=("hidden-tile-gives-nan",),
    ),
    size("outlier-channel", "one channel x32", family="outlier-channel"),
    square("outlier-channel-causal", "one channel x32", family="outlier-channel", window=CAUSAL),
    size("outlier-key", "one key x32", family="outlier-key", catches=("max-of-tile-only",)),
    square("outlier-key-causal", "one key x32", family="outlier-key", window=CAUSAL),
    size("heavy", "outliers everywhere", family="heavy", catches=("max-of-tile-only",)),
    square(
        "heavy-causal",
        "outliers everywhere",
        family="heavy",
        window=CAUSAL,
        catches=("results-truncated",),
    ),
    size(
        "mean-v",
        "errors of the row sum show",
        family="mean-v",
        catches=("sum-of-last-tile", "accumulator-in-format", "delta-missing", "delta-of-next-row"),
    ),
    square("mean-v-causal", "errors of the row sum show", family="mean-v", window=CAUSAL),
    size("cancel-v", "errors of single weights show", family="cancel-v"),
    square("cancel-v-causal", "errors of single weights show", family="cancel-v", window=CAUSAL),
    size("tiny", "results below the smallest normal number", family="tiny"),
    square(
        "tiny-causal",
        "results below the smallest normal",
        family="tiny",
        window=CAUSAL,
        catches=("results-truncated",),
    ),
    size("constant", "weights are 1 / n", family="constant", catches=("lse-base-2",)),
    square("constant-causal", "weights are 1 / (i + 1)", family="constant", window=CAUSAL),
    size(
        "uniform",
        "all positive",
        family="uniform",
        catches=(
            "sum-of-last-tile",
            "accumulator-in-format",
            "crude-exp",
            "dv-from-unnormalised-weights",
            "dp-in-format",
        ),
    ),
    square(
        "uniform-causal", "all positive", family="uniform", window=CAUSAL, catches=("dp-in-format",)
    ),
)
