"""Cases without gradients, a feature at a time: for kernels that only infer."""

from __future__ import annotations

from functools import partial

from conformance.cases.case import Case

CAUSAL = (None, 0)
fewer = partial(Case, backward=False, seqlen_q=65, seqlen_k=257)
equal = partial(Case, backward=False, seqlen_q=129, seqlen_k=129)
more = partial(Case, backward=False, seqlen_q=161, seqlen_k=97)

_forward = partial(Case, backward=False)

CASES = (
    fewer("forward", "nothing but attention"),
    equal("forward-equal", "as many queries as keys"),
    equal("forward-causal", "causal", window=CAUSAL),
    fewer("forward-causal-fewer", "causal, after a cache", window=CAUSAL),
    more("forward-causal-more", "rows that see nothing", window=CAUSAL),
    fewer("forward-top-left", "the other anchor", window=CAUSAL, anchor="top-left"),
    equal("forward-window", "a window", window=(30, 10)),
    equal("forward-prefix", "a prefix", window=CAUSAL, prefix=40),
    fewer("forward-keep", "an explicit mask", keep="random bhqk"),
    fewer("forward-padding", "keys that end early", keep="padding b11k"),
    fewer("forward-bias", "a bias", bias="normal 1hqk"),
    fewer("forward-alibi", "slopes", alibi="h", window=CAUSAL),
    fewer("forward-softcap", "a cap", softcap=2.0),
    fewer("forward-sink", "a sink", sink="random"),
    more("forward-sink-causal-more", "rows that see only the sink", sink="random", window=CAUSAL),
    more("forward-dropout", "the stream", dropout=0.3),
    more("forward-bits", "bits", dropout=0.3, bits="padded"),
    fewer(
        "forward-gqa-causal",
        "groups of 3, causal",
        heads_q=6,
        heads_k=2,
        batch=1,
        window=CAUSAL,
        tier="smoke",
    ),
    _forward(
        "forward-gqa-decode",
        "groups of 7, one query",
        seqlen_q=1,
        seqlen_k=257,
        heads_q=14,
        heads_k=2,
    ),
    fewer("forward-mqa", "one key head", heads_q=4, heads_k=1, batch=1),
    _forward("forward-packed", "packed", lens_q=(65, 129, 33), lens_k=(97, 64, 33)),
    _forward(
        "forward-packed-empty",
        "packed, some empty",
        lens_q=(65, 0, 33),
        lens_k=(97, 64, 0),
        window=CAUSAL,
    ),
    fewer("forward-head-dim-v", "values of another width", head_dim=96, head_dim_v=40),
    fewer("forward-scale", "a scale", scale=0.4),
    fewer("forward-bnsd", "heads first", layout="bnsd"),
    fewer("forward-gapped", "gaps", layout="gapped"),
    fewer("forward-neg300", "a maximum may not start at 0", family="neg300"),
    fewer("forward-grow", "every tile moves the maximum", family="grow"),
    fewer("forward-huge", "one key wins", family="huge"),
    fewer("forward-dim-128", "the usual size", head_dim=128, window=CAUSAL),
)
