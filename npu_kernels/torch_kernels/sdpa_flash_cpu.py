"""torch's flash attention for the CPU, with its lse, and its backward on a given out and lse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance.torch_bridge import dtype_of, import_torch, leaves, to_numpy, to_torch
from npu_kernels.torch_kernels import sdpa_arguments
from reference.formats import FP32, FP64, Array
from reference.problem import Problem, Result, Unsupported

if TYPE_CHECKING:
    from torch import Tensor


def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    problem: Problem,
    bias: Tensor | None,
    slopes: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Give out and lse; heads of a group read copies of their key head, as in torch.

    Raises
    ------
    Unsupported
        Where torch takes its math backend instead.
    """
    arguments = sdpa_arguments.arguments(problem, bias, slopes)
    _require(problem, q, k, v, arguments)
    k, v = (x.repeat_interleave(problem.group, dim=1) for x in (k, v))
    operator = import_torch().ops.aten._scaled_dot_product_flash_attention_for_cpu
    out, lse = operator(
        q, k, v, 0.0, arguments.is_causal, attn_mask=_added(arguments, q), scale=arguments.scale
    )
    return out, lse


def backward(problem: Problem, out: Array, lse: Array) -> Result:
    """dq, dk, dv from a given out, rounded to the problem's format, and lse.

    Raises
    ------
    Unsupported
        Where torch takes its math backend instead.
    """
    torch = import_torch()
    tensors = {name: tensor.detach() for name, tensor in leaves(problem, "cpu").items()}
    q, k, v, dout = (tensors[name].transpose(1, 2) for name in ("q", "k", "v", "dout"))
    arguments = sdpa_arguments.arguments(problem, tensors.get("bias"), tensors.get("slopes"))
    _require(problem, q, k, v, arguments)
    rounded = to_torch(problem.format.round(out), dtype_of(problem.format), "cpu")
    side = FP64 if problem.format == FP64 else FP32
    seen = side.round(np.where(np.isneginf(lse), 0.0, lse))  # its own lse of dead rows
    k, v = (x.repeat_interleave(problem.group, dim=1) for x in (k, v))
    operator = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward
    dq, dk, dv = operator(
        *(dout, q, k, v, rounded.transpose(1, 2), to_torch(seen, dtype_of(side), "cpu")),
        *(0.0, arguments.is_causal),
        attn_mask=_added(arguments, q),
        scale=arguments.scale,
    )
    shape = (problem.batch, problem.heads_k, problem.group, problem.max_seqlen_k, -1)
    dk, dv = (x.reshape(shape).sum(2) for x in (dk, dv))
    return Result(
        **{name: to_numpy(x.transpose(1, 2)) for name, x in (("dq", dq), ("dk", dk), ("dv", dv))}
    )


def _added(arguments: sdpa_arguments.Arguments, q: Tensor) -> Tensor | None:
    """The mask as the operator takes it: added to the scores."""
    torch = import_torch()
    mask = arguments.attn_mask
    if mask is None or mask.dtype != torch.bool:
        return mask
    return torch.zeros(mask.shape, dtype=q.dtype).masked_fill(~mask, -torch.inf)


def _require(
    problem: Problem, q: Tensor, k: Tensor, v: Tensor, arguments: sdpa_arguments.Arguments
) -> None:
    if problem.head_dim_v != problem.head_dim:
        raise Unsupported(f"head_dim_v {problem.head_dim_v} != head_dim {problem.head_dim}")
    if "empty" in problem.features:
        raise Unsupported("empty")
    if problem.bias is not None and problem.dout is not None:
        raise Unsupported("the gradient of a bias")
    if sdpa_arguments.choice(q, k, v, arguments) != "flash":
        raise Unsupported("torch takes its math backend for these strides")
