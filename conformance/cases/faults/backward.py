"""Faults of the backward pass; the forward pass of these kernels is right."""

from __future__ import annotations

from conformance.cases.faults.fault import Fault

BACKWARD = (
    Fault(
        "dk-without-scale",
        what="dk is not multiplied by scale",
        effect="dk too large by 1 / scale; everything else is right",
        seen="leaves out the scale of FlashAttention-2, algorithm 2, line 16",
    ),
    Fault(
        "dq-scaled-twice",
        what="dS and dq are both multiplied by scale",
        effect="dq too small by the factor scale",
        seen="scale folded into dS and applied again at the end",
    ),
    Fault(
        "delta-missing",
        what="dS is P * dP, without rowsum(dout * out)",
        effect="dq and dk wrong, dv right; small where out is near 0",
        seen="leaves out D of FlashAttention-2, algorithm 2, line 4",
    ),
    Fault(
        "delta-of-next-row",
        what="rowsum(dout * out) is read one row too far",
        effect="dq and dk wrong where rows differ",
        seen="near FlashAttention commit b3f1b6a5: row statistics at the wrong index",
    ),
    Fault(
        "delta-of-key-width",
        what="rowsum(dout * out) stops at channel head_dim",
        effect="dq and dk wrong where head_dim_v is larger",
        seen="near op-plugin commit 2306a077: head_dim taken for head_dim_v",
    ),
    Fault(
        "statistics-of-first-tile",
        what="lse and delta of the first rows serve every row block",
        effect="gradients wrong from the second block of rows on",
        seen="FlashAttention commit b3f1b6a5",
    ),
    Fault(
        "dlse-ignored",
        what="the gradient that arrives at lse is dropped",
        effect="dq and dk wrong where lse is used further on, as in ring attention",
        seen="autograd functions that mark lse as not differentiable",
    ),
    Fault(
        "dv-from-unnormalised-weights",
        what="the backward pass uses exp(s - max) without dividing by the row sum",
        effect="dv, dq and dk too large, more so for flat rows",
        seen="softmax_max taken for lse",
    ),
    Fault(
        "dq-of-last-tile",
        what="dq is overwritten by each tile of keys instead of added to",
        effect="dq holds the share of the last keys only",
        seen="near the races of FlashAttention commits 1c41d2b0 and ea38d3d2",
    ),
    Fault(
        "dq-tail-not-written",
        what="dq of rows beyond the last multiple of 16 is not written",
        effect="what was in memory stays in the last rows of dq",
        seen="near FlashAttention commit a4f148b6",
    ),
    Fault(
        "dk-of-unseen-keys-not-cleared",
        what="dk and dv of keys that no query sees are not written",
        effect="what was in memory stays there instead of 0",
        seen="xformers commit 0c7697c9",
    ),
    Fault(
        "dk-of-first-query-head",
        what="dk and dv take the share of one query head of each group",
        effect="dk and dv too small with GQA and MQA",
        seen="leaves out the sum over the group",
    ),
    Fault(
        "backward-ignores-mask",
        what="the backward pass sees every pair",
        effect="gradients flow from the future; out is right",
        seen="near triton#4541: masks of the two passes differ",
    ),
    Fault(
        "backward-always-causal",
        what="the backward pass is causal whatever the forward pass was",
        effect="gradients of later keys are lost; out is right",
        seen="triton#4541, triton#4174, triton#2059",
    ),
    Fault(
        "backward-key-tail-not-hidden",
        what="the fill of the last tile scores 0 in the backward pass: exp(0 - lse)",
        effect="inf * 0 = NaN in dq where lse is below -89 and the last tile is not full",
        seen="pytorch#196678; cudnn-frontend#1072",
    ),
    Fault(
        "dp-in-format",
        what="dP is rounded to the input format before delta is subtracted",
        effect="dq and dk off where dP and delta nearly cancel",
        seen="a shortcut that no term of the contract covers",
        formats=("fp16", "bf16"),
        strict_only=("fp16", "bf16"),
    ),
    Fault(
        "softcap-gradient-missing",
        what="dS is not multiplied by 1 - tanh^2",
        effect="dq and dk too large where logits come near the cap",
        seen="FlashAttention#2402: softcap without its backward pass",
    ),
    Fault(
        "dbias-of-last-pair",
        what="dbias is overwritten, not summed, along the axes that bias is broadcast over",
        effect="dbias holds the share of the last head and sequence only",
        seen="near FlashAttention#2189: expanded tensors",
    ),
    Fault(
        "dbias-scaled",
        what="dbias is multiplied by scale",
        effect="dbias too small by the factor scale",
        seen="dS that has its scale already taken for the gradient at the bias",
    ),
    Fault(
        "dsink-missing",
        what="the gradient of the sink is 0",
        effect="the sink never learns",
        seen="leaves out the sink's own line of the backward pass",
    ),
    Fault(
        "dsink-sign",
        what="the gradient of the sink has the wrong sign",
        effect="the sink learns the opposite",
        seen="the minus sign of dsink = -sum p (D - dlse)",
    ),
    Fault(
        "dropout-differs-in-backward",
        what="the backward pass draws from the stream at another offset",
        effect="gradients belong to other dropout decisions than out does",
        seen="FlashAttention#1251",
    ),
    Fault(
        "dropout-missing-in-dp",
        what="dP is not dropped like the weights were",
        effect="dq and dk wrong, dv right",
        seen="leaves Z out of dX = P (Z dP - D)",
    ),
)
