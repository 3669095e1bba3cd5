"""What a kernel must support to answer a problem, in the words that it declines by."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reference.mask import HeadMask

if TYPE_CHECKING:
    from reference.problem import Problem

FEATURES = {
    "fp16": "tensors are fp16",
    "bf16": "tensors are bf16",
    "fp32": "tensors are fp32",
    "fp64": "tensors are fp64",
    "causal": "window (None, 0), where it hides something",
    "window": "any other window, where it hides something",
    "top_left": "a window anchored top-left, where seqlen_q != seqlen_k makes that different",
    "prefix": "a prefix that shows keys which the window would hide",
    "keep": "an explicit keep array that hides something",
    "bias": "an additive bias",
    "alibi": "ALiBi slopes",
    "softcap": "softcap",
    "sink": "a sink logit per head",
    "dropout": "dropout from the Philox stream",
    "dropout_bits": "dropout from packed bits",
    "gqa": "several query heads to a key head, several key heads",
    "mqa": "several query heads, one key head",
    "varlen": "packed sequences (cu_seqlens)",
    "cross_length": "seqlen_q != seqlen_k in some sequence",
    "head_dim_v": "head_dim_v != head_dim",
    "scale": "a scale other than head_dim ** -0.5",
    "dead_rows": "rows that see no key",
    "empty": "no sequence, or a sequence without queries or keys",
    "strided": "q, k, v or dout not contiguous",
    "dlse": "a gradient arriving at lse",
    "backward": "gradients",
}


def features_of(problem: Problem) -> frozenset[str]:
    """The words of FEATURES that apply to `problem`: by effect, not by how it was written."""
    claims = {
        problem.format.name: True,
        "bias": problem.bias is not None,
        "alibi": problem.slopes is not None,
        "softcap": problem.softcap is not None,
        "sink": problem.sink is not None,
        "gqa": problem.group > 1 and problem.heads_k > 1,
        "mqa": problem.group > 1 and problem.heads_k == 1,
        "varlen": problem.is_packed,
        "cross_length": problem.seqlens_q != problem.seqlens_k,
        "head_dim_v": problem.head_dim_v != problem.head_dim,
        "scale": problem.scale != float(max(problem.head_dim, 1) ** -0.5),
        "empty": problem.batch == 0 or 0 in (*problem.seqlens_q, *problem.seqlens_k),
        "strided": any(
            tensor is not None and not tensor.flags.c_contiguous
            for tensor in (problem.q, problem.k, problem.v, problem.dout)
        ),
        "dlse": problem.dlse is not None,
        "backward": problem.dout is not None,
    }
    if problem.dropout is not None and problem.drops:
        claims["dropout" if problem.dropout.bits is None else "dropout_bits"] = True
    return frozenset(word for word, true in claims.items() if true) | _mask_features(problem)


def _mask_features(problem: Problem) -> set[str]:
    words = set()
    keep = problem.mask.keep
    for mask in _distinct_masks(problem):
        words |= {"dead_rows"} if not mask.sees().all() else set()
        words |= {"keep"} if keep is not None and not keep.all() else set()
        if not mask.hides():
            continue
        words.add("causal" if problem.mask.window == (None, 0) else "window")
        if (
            mask.prefix
            and replace(mask, seqlen_k=min(mask.prefix, mask.seqlen_k), prefix=0).hides()
        ):
            words.add("prefix")
        if problem.mask.anchor == "top-left" and mask.seqlen_q != mask.seqlen_k:
            words.add("top_left")
    return words


def _distinct_masks(problem: Problem) -> list[HeadMask]:
    """One mask of each sequence; of each head too where keep or bias make heads differ."""
    heads = range(problem.heads_q if problem.hides_by_head else min(problem.heads_q, 1))
    return [problem.head_mask(b, n) for b in range(problem.batch) for n in heads]
