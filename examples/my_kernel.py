"""A kernel of your own under the suite, in NumPy alone: copy this file, put your functions in it.

To judge it: ``pytest --pyargs conformance --kernel my_kernel.py:attention``.
"""

from __future__ import annotations

import numpy as np

from reference.contract import Contract
from reference.formats import FP32
from reference.problem import Problem, Result

TILE = 64


SUPPORTS = (
    *("fp16", "bf16", "fp32", "backward", "causal", "window", "top_left", "gqa", "mqa"),
    *("varlen", "cross_length", "head_dim_v", "strided", "scale"),
)


def attention(problem: Problem) -> Result:
    """Attention of a batch, (batch, seqlen, heads, head_dim), one head at a time, in float32."""
    problem.require_only(*SUPPORTS)
    result = {name: zeros.astype(np.float32) for name, zeros in problem.zeros().tensors()}
    for head in problem.heads():
        seen = head.mask.visible(range(head.seqlen_q), range(head.seqlen_k))
        out, lse = forward(head.q, head.k, head.v, head.scale, seen)
        out = problem.format.round(out)
        result["out"][head.at_q], result["lse"][head.at_lse] = out, lse
        if head.dout is not None:
            dq, dk, dv = backward(head.q, head.k, head.v, out, lse, head.dout, head.scale, seen)
            result["dq"][head.at_q] = problem.format.round(dq)
            result["dk"][head.at_k] += dk  # the query heads of a group share a key head
            result["dv"][head.at_k] += dv
    for name in {"dk", "dv"} & result.keys():
        result[name] = problem.format.round(result[name])
    return Result(**result)


attention.contract = Contract(weights=FP32, dscores=FP32)  # it rounds nothing but its results


def forward(q, k, v, scale, seen):
    """Give out and lse by FlashAttention's online softmax, a tile of keys at a time."""
    m = np.full(len(q), -1e30, np.float32)  # the largest score so far
    total, acc = np.zeros_like(m), np.zeros((len(q), v.shape[1]), np.float32)
    for start in range(0, len(k), TILE):
        keys = slice(start, start + TILE)
        scores = np.where(seen[:, keys], np.float32(scale) * (q @ k[keys].T), -np.inf)
        m_new = np.maximum(m, scores.max(axis=1))
        rescale, weights = np.exp(m - m_new), np.exp(scores - m_new[:, None])
        total = total * rescale + weights.sum(axis=1)
        acc = acc * rescale[:, None] + weights @ v[keys]
        m = m_new
    return acc / total[:, None], m + np.log(total)


def backward(q, k, v, out, lse, dout, scale, seen):
    """Give dq, dk and dv from the forward's out and lse."""
    scores = np.where(seen, np.float32(scale) * (q @ k.T), -np.inf)
    weights = np.exp(scores - lse[:, None])
    delta = (dout * out).sum(axis=1, keepdims=True)
    dscores = weights * (dout @ v.T - delta)
    return np.float32(scale) * (dscores @ k), np.float32(scale) * (dscores.T @ q), weights.T @ dout
