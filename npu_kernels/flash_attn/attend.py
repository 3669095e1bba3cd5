"""One call of attention on torch tensors: checked, cast, and asked of the operators."""

from __future__ import annotations

import torch
from torch import Tensor

from npu_kernels.flash_attn import operators
from npu_kernels.flash_attn.checks import check_device, check_dropout, check_numbers, check_tensors

Stream = tuple[int, int]
"""Seed and offset of dropout's Philox numbers."""


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    cu_seqlens: tuple[Tensor, Tensor] | None,
    *,
    dropout_p: float,
    softmax_scale: float | None,
    window: tuple[int | None, int | None],
    softcap: float,
    slopes: Tensor | None,
    sink: Tensor | None,
    stream: Stream | None,
) -> tuple[Tensor, Tensor]:
    """Out and lse of tensors as flash_attn documents them.

    Parameters
    ----------
    cu_seqlens : offsets of queries and keys, or None
    window : (left, right), None is unbounded
    slopes : alibi_slopes there

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be; the text names it.
    """
    check_device(q)
    q, k, v = _as_autocast(q, k, v)
    sequences = None if cu_seqlens is None else len(cu_seqlens[0]) - 1
    check_tensors(q, k, v, sequences=sequences, slopes=slopes, sink=sink)
    check_dropout("dropout_p", dropout_p)
    check_numbers(softmax_scale, softcap)
    out, lse = operators.forward(
        q,
        k,
        v,
        *(cu_seqlens or (None, None)),
        slopes,
        sink,
        _rng(stream) if dropout_p else None,
        q.shape[-1] ** -0.5 if softmax_scale is None else softmax_scale,
        *window,
        softcap,
        dropout_p,
    )
    return out, lse


def _rng(stream: Stream | None) -> Tensor:
    """Seed and offset of dropout's stream, given or drawn from torch's generator."""
    if stream is None:
        return torch.randint(0, 2**62, (2,), dtype=torch.int64)
    if any(not 0 <= word < 2**64 for word in stream):
        raise ValueError(f"stream: {stream}: give seed and offset, each in [0, 2**64)")
    return torch.tensor([word - (word >> 63 << 64) for word in stream], dtype=torch.int64)


def _as_autocast(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors as a matrix product would take them under torch.autocast."""
    device = tensors[0].device.type
    if not torch.is_autocast_enabled(device):
        return tensors
    dtype = torch.get_autocast_dtype(device)
    return tuple(tensor.to(dtype) if tensor.is_floating_point() else tensor for tensor in tensors)
