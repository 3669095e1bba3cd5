"""Attention as textbooks have it: scores, softmax, weights times values, each a whole matrix."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

from conformance.torch_bridge import TorchKernel, from_torch, import_torch
from npu_kernels import dispatch
from reference.contract import Contract
from reference.formats import FP32, FP64
from reference.problem import Problem

if TYPE_CHECKING:
    from torch import Tensor

SUPPORTS = (
    *("fp16", "bf16", "fp32", "fp64", "backward", "strided", "scale"),
    *("causal", "window", "top_left", "prefix", "keep"),
    *("gqa", "mqa", "cross_length", "head_dim_v"),
)


@cache
def kernel() -> TorchKernel:
    """It on the GPU if there is one, else on the CPU."""
    return from_torch(
        attention,
        name="eager",
        contract=contract,
        device=dispatch.device(),
        supports=SUPPORTS,
        layout="bhsd",
    )


def attention(q: Tensor, k: Tensor, v: Tensor, *, scale: float, mask: Tensor | None) -> Tensor:
    """softmax(scale q k^T) v with softmax in at least fp32, as models without a fused kernel do.

    Heads of a group read copies of their key head.
    """
    torch = import_torch()
    group = q.shape[1] // k.shape[1]
    if group > 1:
        k, v = (x.repeat_interleave(group, dim=1) for x in (k, v))
    scores = (q * scale) @ k.transpose(-1, -2)
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    inside = torch.float64 if q.dtype == torch.float64 else torch.float32
    weights = scores.softmax(dim=-1, dtype=inside).to(q.dtype)
    out: Tensor = weights @ v
    return out


def contract(problem: Problem) -> Contract:
    """Every matrix is rounded to the problem's format: q * scale, scores, weights, dS, and dP.

    A contract has no word for dP = dout v^T, which autograd rounds, too. That error is at most a
    unit roundoff of the sum of its products' sizes, as if each of its head_dim_v additions
    rounded by a head_dim_v-th of that: `u_acc` says so. The sums over keys, which are fp32's,
    then count as fewer additions: `h`. dq is rounded before and after its product with scale; dk
    and dv once for each head of a group, and once more when these are added.
    """
    compute = FP64 if problem.format == FP64 else FP32
    of_compute = 2 * compute.unit_roundoff
    u_acc = of_compute + problem.format.unit_roundoff / max(problem.head_dim_v, 1)
    group = problem.group
    return Contract(
        S=problem.format,
        pre=problem.format,
        u_acc=u_acc,
        h=math.ceil(problem.max_seqlen_k * of_compute / u_acc),
        n_out=2,
        n_out_kv=group + (group > 1),
    )
