"""A kernel of your own under the suite: copy this file and put your function in it.

To judge it: ``pytest --pyargs conformance --kernel my_kernel.py:attention``.
"""

from __future__ import annotations

import torch

from conformance.torch_bridge import from_torch
from reference.contract import Contract
from reference.formats import FP32


def eager(q, k, v, *, scale, mask):
    """Softmax attention in fp32; q, k and v are (batch, heads, seqlen, head_dim) tensors."""
    scores = scale * q.float() @ k.float().transpose(-2, -1)
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    out = torch.softmax(scores, dim=-1) @ v.float()
    return out.to(q.dtype), torch.logsumexp(scores, dim=-1)


attention = from_torch(
    eager,
    layout="bhsd",
    contract=Contract(
        weights=FP32, dscores=FP32, scaled_q=FP32
    ),  # it rounds nothing but results to the format
    supports=("fp16", "bf16", "fp32", "backward", "causal", "cross_length", "scale"),
)
