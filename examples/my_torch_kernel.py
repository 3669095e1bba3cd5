"""A torch kernel of your own under the suite: copy this file and put your functions in it.

To judge it: ``pytest --pyargs conformance --kernel my_torch_kernel.py:attention``.
Leave `Attention` out if autograd goes through your forward: `from_torch` uses whatever gradient
the function has.
"""

from __future__ import annotations

import torch

from conformance.torch_bridge import from_torch
from reference.contract import Contract
from reference.formats import FP32


class Attention(torch.autograd.Function):
    """Attention in fp32 with its own backward; tensors are (batch, heads, seqlen, head_dim)."""

    @staticmethod
    def forward(ctx, q, k, v, scale, mask):
        """Give out, in the format of q, and lse."""
        scores = scores_of(q, k, scale, mask)
        lse = torch.logsumexp(scores, dim=-1)
        out = (torch.exp(scores - lse[..., None]) @ v.float()).to(q.dtype)
        ctx.save_for_backward(q, k, v, out, lse)
        ctx.scale, ctx.mask = scale, mask
        ctx.mark_non_differentiable(lse)
        return out, lse

    @staticmethod
    def backward(ctx, dout, _):
        """Give dq, dk and dv from the forward's out and lse."""
        q, k, v, out, lse = ctx.saved_tensors
        weights = torch.exp(scores_of(q, k, ctx.scale, ctx.mask) - lse[..., None])
        dout = dout.float()
        delta = (dout * out.float()).sum(dim=-1, keepdim=True)
        dscores = weights * (dout @ v.float().transpose(-2, -1) - delta)
        dq = ctx.scale * dscores @ k.float()
        dk = ctx.scale * dscores.transpose(-2, -1) @ q.float()
        dv = weights.transpose(-2, -1) @ dout
        return dq.to(q.dtype), dk.to(k.dtype), dv.to(v.dtype), None, None


def scores_of(q, k, scale, mask):
    """Scaled scores in fp32; -inf where the mask hides the pair."""
    scores = scale * q.float() @ k.float().transpose(-2, -1)
    return scores if mask is None else scores.masked_fill(~mask, -torch.inf)


def attend(q, k, v, *, scale, mask):
    """What the suite calls: out and lse; parameters are those of conformance.torch_bridge."""
    return Attention.apply(q, k, v, scale, mask)


attention = from_torch(
    attend,
    layout="bhsd",
    # it rounds nothing but its results to the format; scale meets q before k does
    contract=Contract(weights=FP32, dscores=FP32, scaled_q=FP32),
    supports=("fp16", "bf16", "fp32", "backward", "causal", "cross_length", "scale"),
)
