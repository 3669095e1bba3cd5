"""A kernel of your own under the suite, in NumPy: copy this file and put your functions in it.

To judge it: ``pytest --pyargs conformance --kernel my_kernel.py:attention``.
"""

from __future__ import annotations

import numpy as np

from conformance import from_numpy
from reference.contract import Contract
from reference.formats import FP32

TILE = 64


def forward(q, k, v, *, scale, mask):
    """Give out and lse by FlashAttention's online softmax; (batch, heads, seqlen, head_dim)."""
    m = np.full(q.shape[:-1], -1e30, np.float32)  # the largest score so far
    total, acc = np.zeros_like(m), np.zeros((*m.shape, v.shape[-1]), np.float32)
    for start in range(0, k.shape[-2], TILE):
        keys = slice(start, start + TILE)
        scores = scores_of(q, k[..., keys, :], scale, mask[..., keys])
        m_new = np.maximum(m, scores.max(axis=-1))
        rescale, weights = np.exp(m - m_new), np.exp(scores - m_new[..., None])
        total = total * rescale + weights.sum(axis=-1)
        acc = acc * rescale[..., None] + weights @ v[..., keys, :]
        m = m_new
    return acc / total[..., None], m + np.log(total)


def backward(q, k, v, out, lse, dout, *, scale, mask):
    """Give dq, dk and dv from the forward's out and lse."""
    weights = np.exp(scores_of(q, k, scale, mask) - lse[..., None])
    delta = (dout * out).sum(axis=-1, keepdims=True)
    dscores = np.float32(scale) * weights * (dout @ v.swapaxes(-1, -2) - delta)
    return dscores @ k, dscores.swapaxes(-1, -2) @ q, weights.swapaxes(-1, -2) @ dout


def scores_of(q, k, scale, mask):
    """Scaled scores in float32; -inf where the mask hides the pair."""
    return np.where(mask, np.float32(scale) * (q @ k.swapaxes(-1, -2)), -np.inf)


attention = from_numpy(
    forward,
    backward=backward,
    name="attention",
    layout="bhsd",
    contract=Contract(weights=FP32, dscores=FP32),  # it rounds nothing but its results
    supports=("fp16", "bf16", "fp32", "causal", "window", "cross_length", "scale", "strided"),
)
