"""Cases on pairs: every two features meet in some case, in far fewer than their full product.

A row names what is not plain in one case. Over all rows every two words of different factors meet,
absence (a factor's first word) included. Over the rows without a RARE word every two other words
meet as well: for kernels that support no more than those.
"""

from __future__ import annotations

from typing import Any

from conformance.cases.case import Case

CAUSAL = (None, 0)

FACTORS: tuple[dict[str, dict[str, Any]], ...] = (
    {
        "full": {},
        "causal": {"window": CAUSAL},
        "topleft": {"window": CAUSAL, "anchor": "top-left"},
        "window": {"window": (40, 10)},
        "prefix": {"window": CAUSAL, "prefix": 30},
        "keep": {"keep": "dead-rows bhqk"},
        "padding": {"keep": "padding b11k"},
    },
    {
        "equal": {"seqlen_q": 105, "seqlen_k": 105},
        "fewer": {"seqlen_q": 65, "seqlen_k": 161},
        "more": {"seqlen_q": 161, "seqlen_k": 65},
        "packed": {"lens_q": (65, 0, 97), "lens_k": (33, 40, 130)},
    },
    {"mha": {}, "gqa": {"heads_q": 6, "heads_k": 2}, "mqa": {"heads_q": 3, "heads_k": 1}},
    {"d64": {}, "d40": {"head_dim": 40}, "dv": {"head_dim": 59, "head_dim_v": 72}},
    {"unscaled": {}, "scale": {"scale": 0.3}},
    {"unbiased": {}, "bias": {"bias": "normal 1hqk"}, "rowbias": {"bias": "normal b11k"}},
    {"contiguous": {}, "bnsd": {"layout": "bnsd"}, "gapped": {"layout": "gapped"}},
    {"normal": {}, "peaked": {"family": "peaked"}, "neg300": {"family": "neg300"}},
    {"backward": {}, "forward": {"backward": False}, "dlse": {"dlse": True}},
    {"unsloped": {}, "alibi": {"alibi": "h"}},
    {"uncapped": {}, "softcap": {"softcap": 4.0}},
    {"sinkless": {}, "smooth": {"sink": "zero"}, "sink": {"sink": "random"}},
    {"undropped": {}, "dropout": {"dropout": 0.3}, "bits": {"dropout": 0.3, "bits": "exact"}},
)
RARE = frozenset({"packed", "dlse", "alibi", "softcap", "smooth", "sink", "dropout", "bits"})

ROWS = """
prefix gqa scale forward
causal fewer mqa dv bias bnsd neg300
more d40 rowbias gapped peaked forward
keep fewer mqa scale gapped peaked
topleft more gqa d40 scale bias neg300
window dv scale rowbias bnsd
padding more mqa d40 bnsd forward
window gqa dv bias gapped peaked forward
keep fewer rowbias neg300 forward
mqa dv scale neg300
fewer gqa scale bias bnsd
prefix more dv bias bnsd peaked
causal gqa d40 scale rowbias gapped forward
padding gqa dv scale bias gapped neg300
causal more scale peaked
topleft fewer mqa dv rowbias gapped peaked forward
prefix fewer mqa d40 rowbias gapped neg300
keep gqa d40 scale bias bnsd
padding fewer rowbias peaked
topleft scale bnsd
window more mqa d40 scale neg300
window fewer mqa rowbias forward
keep more dv scale rowbias bnsd neg300
causal packed gqa dv scale rowbias peaked dlse alibi softcap sink dropout
prefix packed mqa d40 gapped dlse alibi softcap smooth bits
packed scale bias bnsd neg300 dlse alibi softcap smooth dropout
keep more scale bias bnsd neg300 forward alibi softcap sink bits
window mqa d40 gapped alibi softcap sink dropout
topleft packed gqa dv rowbias peaked smooth bits
topleft fewer mqa d40 gapped dlse alibi dropout
padding packed mqa dv scale bias gapped dlse softcap sink
keep more scale rowbias bnsd dlse smooth dropout
padding fewer scale rowbias bnsd neg300 forward alibi softcap smooth
window bias bnsd peaked dlse alibi softcap smooth bits
prefix packed gqa d40 scale gapped peaked forward alibi sink dropout
keep packed mqa scale rowbias forward softcap bits
fewer d40 scale rowbias bnsd peaked softcap sink bits
causal fewer d40 scale bnsd peaked forward softcap smooth bits
topleft mqa rowbias bnsd peaked dlse alibi softcap sink dropout
padding packed d40 rowbias bnsd forward alibi smooth dropout
padding fewer scale bias gapped neg300 forward smooth bits
window packed mqa d40 scale gapped peaked dlse alibi softcap sink bits
"""


def _case(row: str) -> Case:
    words = row.split()
    fields: dict[str, Any] = {}
    for factor in FACTORS:
        named = [word for word in words if word in factor]
        fields |= factor[named[0] if named else next(iter(factor))]
    return Case("-".join(["pair", *words]), "these features meet", **fields)


CASES = tuple(_case(row) for row in ROWS.strip().splitlines())
