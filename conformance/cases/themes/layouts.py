"""Cases on memory and gradients: views of larger tensors, stride 0, a gradient at lse."""

from __future__ import annotations

from functools import partial

from conformance.cases.case import Case

CAUSAL = (None, 0)
fewer = partial(Case, seqlen_q=97, seqlen_k=161)
equal = partial(Case, seqlen_q=129, seqlen_k=129)
more = partial(Case, seqlen_q=161, seqlen_k=97)

CASES = (
    fewer(
        "layout-bnsd",
        "heads before rows in memory",
        layout="bnsd",
        tier="smoke",
        catches=(
            "strides-of-queries-ignored",
            "strides-of-values-ignored",
            "strides-of-dout-ignored",
        ),
    ),
    more("layout-bnsd-gqa", "heads of two kinds", heads_q=6, heads_k=2, batch=1, layout="bnsd"),
    fewer(
        "layout-gapped",
        "slices of larger tensors, NaN between",
        layout="gapped",
        catches=("strides-of-queries-ignored", "strides-of-dout-ignored"),
    ),
    more("layout-gapped-odd", "odd strides", head_dim=59, layout="gapped", window=CAUSAL),
    fewer("layout-every-other", "the innermost stride is 2", layout="every-other"),
    equal(
        "layout-qkv",
        "one projection for q, k and v",
        layout="qkv",
        window=CAUSAL,
        catches=("strides-of-values-ignored",),
    ),
    fewer("layout-expanded", "one key head, expanded: stride 0", heads_q=3, layout="expanded"),
    Case(
        "layout-packed-gapped",
        "packed, with gaps",
        lens_q=(65, 33),
        lens_k=(40, 97),
        layout="gapped",
    ),
    Case(
        "layout-packed-qkv",
        "packed, one projection",
        lens_q=(65, 1, 97),
        layout="qkv",
        window=CAUSAL,
    ),
    Case(
        "layout-packed-bnsd", "packed, heads first", lens_q=(65, 33), lens_k=(40, 97), layout="bnsd"
    ),
    fewer("dlse", "a gradient at lse", dlse=True, tier="smoke", catches=("dlse-ignored",)),
    more("dlse-causal-more", "a gradient at the lse of dead rows", dlse=True, window=CAUSAL),
    fewer("dlse-sink", "lse includes the sink", dlse=True, sink="random"),
    fewer("dlse-softcap", "through the cap", dlse=True, softcap=3.0),
    more("dlse-bias", "into the bias", dlse=True, bias="normal 1hqk", catches=("dbias-scaled",)),
    fewer(
        "dlse-gqa",
        "over a group",
        heads_q=6,
        heads_k=2,
        batch=1,
        dlse=True,
        catches=("dlse-ignored",),
    ),
    equal("dlse-peaked", "outweighs the rest", dlse=True, family="peaked"),
)
