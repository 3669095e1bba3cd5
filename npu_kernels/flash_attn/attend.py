"""One call of attention on torch tensors: checked, cast, and asked of the operators."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from npu_kernels.flash_attn import operators
from npu_kernels.flash_attn.checks import check_device, check_dropout, check_numbers, check_tensors

Stream = tuple[int, int]
"""Seed and offset of dropout's Philox numbers."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Options:
    """All that a caller may say beside its tensors, in the units of `flash_attn_func`.

    Attributes
    ----------
    dropout_p : float in [0, 1)
    softmax_scale : float, or None for head_dim ** -0.5
    window : (left, right)
        Keys before and behind a query's own position; None is unbounded.
    softcap : float, 0 for none
    slopes : (heads_q,) or (batch, heads_q) float32, or None
    sink : (heads_q,) float32, or None
    stream : seed and offset of dropout, or None to draw them from torch's generator
    """

    dropout_p: float
    softmax_scale: float | None
    window: tuple[int | None, int | None]
    softcap: float
    slopes: Tensor | None
    sink: Tensor | None
    stream: Stream | None


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    cu_seqlens: tuple[Tensor, Tensor] | None,
    options: Options,
) -> tuple[Tensor, Tensor]:
    """Out and lse of tensors as flash_attn documents them.

    Parameters
    ----------
    cu_seqlens : offsets of queries and keys, or None
    options : all that a caller may say beside its tensors

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be; the text names it.
    """
    check_device(q)
    q, k, v = _as_autocast(q, k, v)
    sequences = None if cu_seqlens is None else len(cu_seqlens[0]) - 1
    check_tensors(q, k, v, sequences=sequences, slopes=options.slopes, sink=options.sink)
    check_dropout("dropout_p", options.dropout_p)
    check_numbers(options.softmax_scale, options.softcap)
    scale = q.shape[-1] ** -0.5 if options.softmax_scale is None else options.softmax_scale
    out, lse = operators.forward(
        q,
        k,
        v,
        *(cu_seqlens or (None, None)),
        options.slopes,
        options.sink,
        _rng(options.stream) if options.dropout_p else None,
        scale,
        *options.window,
        options.softcap,
        options.dropout_p,
    )
    return out, lse


def _rng(stream: Stream | None) -> Tensor:
    """Seed and offset of dropout's stream, given or drawn from torch's generator."""
    if stream is None:
        return torch.randint(0, 2**62, (2,), dtype=torch.int64, device="cpu")
    if any(not 0 <= word < 2**64 for word in stream):
        raise ValueError(f"stream: {stream}: give seed and offset, each in [0, 2**64)")
    words = [word - (word >> 63 << 64) for word in stream]
    return torch.tensor(words, dtype=torch.int64, device="cpu")


def _as_autocast(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors as a matrix product would take them under torch.autocast."""
    device = tensors[0].device.type
    if not torch.is_autocast_enabled(device):
        return tensors
    dtype = torch.get_autocast_dtype(device)
    return tuple(tensor.to(dtype) if tensor.is_floating_point() else tensor for tensor in tensors)
