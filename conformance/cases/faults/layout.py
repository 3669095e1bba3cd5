"""Faults of lengths, packing, heads, memory layout, and state between calls."""

from __future__ import annotations

from conformance.cases.faults.fault import Fault

LAYOUT = (
    Fault(
        "key-tail-dropped",
        what="only whole tiles of keys are visited",
        effect="the last keys are not seen where the length is no multiple of the tile",
        seen="FlashAttention commit d11341fd; jax#27224; pytorch/xla#8671",
    ),
    Fault(
        "key-tail-not-hidden",
        what="the zeros that fill the last tile of keys count as keys",
        effect="weights leak to a logit of 0: shows most where logits are far below 0",
        seen="FlashAttention commit a4f148b6; vllm-ascend#10276",
    ),
    Fault(
        "keys-counted-in-sixteens",
        what="the number of keys is rounded down to a multiple of 16",
        effect="up to 15 keys at the end are not seen",
        seen="near flashinfer#1206, commit 16cb9e49",
    ),
    Fault(
        "query-tail-not-written",
        what="rows beyond the last multiple of 16 are not written",
        effect="what was in memory stays in the last rows of out",
        seen="near xformers commit 76173784 (#391)",
    ),
    Fault(
        "head-dim-counted-in-eights",
        what="head_dim is rounded down to a multiple of 8 in the scores",
        effect="the last channels have no part in the logits",
        seen="near FlashAttention-NPU#216: mismatches at odd head dims",
    ),
    Fault(
        "value-width-of-key",
        what="out is written head_dim wide, whatever head_dim_v",
        effect="the last channels of out stay 0 where head_dim_v is larger",
        seen="op-plugin commit 2306a077",
    ),
    Fault(
        "first-sequence-for-all",
        what="the batch index has no part in the address of k and v",
        effect="every sequence reads the keys of the first",
        seen="near pytorch#153799: wrong beyond the first of the batch",
    ),
    Fault(
        "packed-sequences-leak",
        what="the last tile of a sequence's keys shows the beginning of the next sequence",
        effect="neighbours in the pack influence each other",
        seen="maxtext#4476; flashinfer#942, commit 27906fdb",
    ),
    Fault(
        "packed-offsets-of-queries",
        what="cu_seqlens_q serves k and v too",
        effect="sequences read another's keys where the lengths of q and k differ",
        seen="flashinfer#4382, commit 4fa40aee",
    ),
    Fault(
        "packed-diagonal-of-whole",
        what="the diagonal is that of the whole pack, not of each sequence",
        effect="causal limits are off where lengths of q and k differ within the pack",
        seen="flashinfer#4382: causal extent of packed requests",
    ),
    Fault(
        "packed-empty-sequence-skipped",
        what="a sequence without queries is left out when offsets of keys are looked up",
        effect="every later sequence takes its neighbour's keys",
        seen="near FlashAttention#2421, commit b46c5875; TransformerEngine#1179",
    ),
    Fault(
        "gqa-head-modulo",
        what="query head n reads key head n % heads_k instead of n // group",
        effect="heads read another group's keys; right for MQA and for groups of 1",
        seen="near op-plugin commit 2ecd17f4: GQA on a fallback path",
    ),
    Fault(
        "gqa-group-power-of-two",
        what="the group is rounded down to a power of two",
        effect="wrong for groups of 3, 5 and 7",
        seen="near flashinfer#1614, commit 9b861cdb: groups of 7",
    ),
    Fault(
        "strides-of-queries-ignored",
        what="q is read as if it were contiguous",
        effect="heads and rows mixed up for transposed or gapped views",
        seen="pytorch#112577; near FlashAttention#2388, commit 28ef22c9",
    ),
    Fault(
        "strides-of-values-ignored",
        what="v is read as if it were contiguous",
        effect="heads and rows mixed up for transposed or gapped views",
        seen="pytorch#191937; ROCm/pytorch#3230",
    ),
    Fault(
        "strides-of-dout-ignored",
        what="dout is read as if it were contiguous",
        effect="gradients wrong for transposed or gapped dout; out is right",
        seen="near pytorch#191937: views",
    ),
    Fault(
        "scale-of-first-call",
        what="the scale of the first call is kept in the compiled kernel",
        effect="later calls with another scale answer the first one's question",
        seen="near flashinfer#1028: what one plan leaves to the next",
        needs_two_calls=True,
    ),
    Fault(
        "mask-of-first-call",
        what="the mask of the first call is kept until the process ends",
        effect="later calls with another mask answer the first one's question",
        seen="flashinfer#1028, commit 40c89fd5",
        needs_two_calls=True,
    ),
    Fault(
        "length-of-first-call",
        what="the number of key tiles of the first call serves later ones",
        effect="later calls with more keys do not see the rest",
        seen="near flashinfer#1028: what one plan leaves to the next",
        needs_two_calls=True,
    ),
    Fault(
        "workspace-not-cleared",
        what="gradients of q accumulate in memory that still holds those of the call before",
        effect="dq of the second call is the sum of both",
        seen="FlashAttention's dq_accum must be zeroed for each call",
        needs_two_calls=True,
    ),
)
