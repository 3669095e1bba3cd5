"""Cases on head dims: odd ones, small ones, large ones, and values of another width."""

from __future__ import annotations

from functools import partial

from conformance.cases.case import Case

CAUSAL = (None, 0)
size = partial(Case, batch=1, seqlen_q=97, seqlen_k=161)

CASES = (
    size(
        "dim-1",
        "one channel: a product, no sum",
        head_dim=1,
        catches=("head-dim-counted-in-eights",),
    ),
    size("dim-2", "less than any vector", head_dim=2),
    size("dim-8", "less than a fractal", head_dim=8, catches=("query-scaled-in-format",)),
    size("dim-16", "one fractal", head_dim=16, window=CAUSAL),
    size("dim-32", "half a tile", head_dim=32),
    size("dim-40", "no power of two", head_dim=40, window=CAUSAL),
    size(
        "dim-59",
        "odd: rows are not aligned",
        head_dim=59,
        catches=("scale-of-padded-head-dim", "head-dim-counted-in-eights"),
    ),
    size("dim-63", "one channel short", head_dim=63, window=CAUSAL),
    size("dim-72", "64 and a bit", head_dim=72),
    size("dim-80", "64 and a fractal", head_dim=80, window=CAUSAL),
    size("dim-96", "no power of two", head_dim=96),
    size(
        "dim-100",
        "no multiple of 8",
        head_dim=100,
        window=CAUSAL,
        catches=("scale-of-padded-head-dim",),
    ),
    size("dim-128", "the usual size of language models", head_dim=128),
    size("dim-128-causal", "the usual size, causal", head_dim=128, window=CAUSAL),
    size("dim-129", "one channel beyond", head_dim=129),
    size("dim-192", "beyond a tile of 128", head_dim=192, window=CAUSAL),
    size("dim-256", "the largest that most kernels take", head_dim=256),
    size("dim-192-v-128", "as in DeepSeek's prefill", head_dim=192, head_dim_v=128, window=CAUSAL),
    size(
        "dim-64-v-128",
        "values wider than keys",
        head_dim=64,
        head_dim_v=128,
        catches=("value-width-of-key", "delta-of-key-width"),
    ),
    size("dim-128-v-64", "values narrower than keys", head_dim=128, head_dim_v=64),
    size("dim-40-v-59", "both odd", head_dim=40, head_dim_v=59, window=CAUSAL),
    size("dim-64-v-1", "one value channel", head_dim=64, head_dim_v=1),
    size(
        "dim-1-v-64",
        "one key channel",
        head_dim=1,
        head_dim_v=64,
        catches=("value-width-of-key", "delta-of-key-width"),
    ),
    size(
        "dim-59-peaked",
        "the last channel decides",
        head_dim=59,
        family="peaked",
        catches=("query-scaled-in-format", "head-dim-counted-in-eights"),
    ),
    size("dim-256-mean-v", "wide sums", head_dim=256, family="mean-v"),
    size("dim-512", "larger than most kernels take", head_dim=512, tier="full"),
    size("dim-576-v-512", "latent decoding", heads_k=1, head_dim=576, head_dim_v=512, tier="full"),
    Case(
        "dim-201",
        "odd and wide, a cut tile of keys",
        batch=1,
        seqlen_q=129,
        seqlen_k=513,
        heads_q=1,
        head_dim=201,
    ),
    Case(
        "dim-224",
        "wide, no power of two",
        batch=1,
        seqlen_q=129,
        seqlen_k=257,
        head_dim=224,
        window=CAUSAL,
    ),
)
