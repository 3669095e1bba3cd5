"""Offsets of packed sequences, on the host: the library plans with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor

Offsets: TypeAlias = Tensor | Sequence[int]


def host_offsets(
    q: Tensor, k: Tensor, cu_seqlens_q: Offsets, cu_seqlens_k: Offsets
) -> tuple[Tensor, Tensor]:
    """Both offsets as (sequences + 1,) int32 on the CPU; those on a device take one copy together.

    Raises
    ------
    TypeError
        If they are neither int32 of one axis nor lists of integers.
    ValueError
        If they are on another device than their tensor and the CPU, or of different lengths.
    """
    both = _checked("cu_seqlens_q", cu_seqlens_q, q), _checked("cu_seqlens_k", cu_seqlens_k, k)
    if len(both[0]) != len(both[1]):
        raise ValueError(
            f"cu_seqlens_k: {len(both[1])} offsets, cu_seqlens_q has {len(both[0])}: "
            "give one more than there are sequences to each"
        )
    if all(offsets.device.type == "cpu" for offsets in both):
        return both
    if both[0] is both[1]:
        on_host = both[0].cpu()
        return on_host, on_host
    together = q.new_empty((2, len(both[0])), dtype=torch.int32)
    for one, offsets in zip(together, both, strict=True):
        one.copy_(offsets)
    on_host = together.cpu()
    return on_host[0], on_host[1]


def _checked(name: str, offsets: Offsets, rows: Tensor) -> Tensor:
    if not isinstance(offsets, Tensor):
        if not all(isinstance(offset, int) for offset in offsets):
            raise TypeError(f"{name}: {offsets!r}: give integers, or an int32 tensor")
        offsets = torch.tensor(offsets, dtype=torch.int32, device="cpu")
    if offsets.dtype != torch.int32 or offsets.ndim != 1 or not len(offsets):
        raise TypeError(
            f"{name}: {offsets.dtype} of shape {tuple(offsets.shape)}: "
            "give int32 offsets of shape (sequences + 1,)"
        )
    if offsets.device.type != "cpu" and offsets.device != rows.device:
        raise ValueError(
            f"{name}: on {offsets.device}, its tensor on {rows.device}: "
            "move it there, or give a list"
        )
    return offsets
