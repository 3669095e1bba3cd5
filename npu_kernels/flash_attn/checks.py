"""What the functions for models refuse before anything runs; the text names the argument."""

from __future__ import annotations

import math

import torch
from torch import Tensor

DTYPES = (torch.float16, torch.bfloat16)
DEVICES = ("cpu", "npu")


def check_tensors(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    sequences: int | None,
    slopes: Tensor | None,
    sink: Tensor | None,
) -> None:
    """Raise TypeError or ValueError, with what is wrong and how to mend it.

    Parameters
    ----------
    sequences : int, or None
        How many lie end to end; None: dense.
    """
    packed = sequences is not None
    layout = "(total, heads, head_dim)" if packed else "(batch, seqlen, heads, head_dim)"
    for name, tensor in (("q", q), ("k", k), ("v", v)):
        if tensor.ndim != (3 if packed else 4):
            raise ValueError(f"{name}: shape {tuple(tensor.shape)}: give {layout}")
        if tensor.dtype not in DTYPES:
            raise TypeError(
                f"{name}: {tensor.dtype}: give float16 or bfloat16, "
                f"or call under torch.autocast({tensor.device.type!r}, torch.bfloat16)"
            )
        if tensor.dtype != q.dtype:
            raise TypeError(f"{name}: {tensor.dtype}, q is {q.dtype}: give one type")
        if tensor.device != q.device:
            raise ValueError(f"{name}: on {tensor.device}, q on {q.device}: move it there")
    heads = (q.shape[-2],)
    _check_by_head("sink", sink, q, heads)
    batch = q.shape[0] if sequences is None else sequences
    _check_by_head("alibi_slopes", slopes, q, heads, (batch, *heads))
    _check_fit(q, k, v)


def check_device(q: Tensor) -> None:
    """Raise ValueError unless a kernel runs where `q` is."""
    if q.device.type not in DEVICES:
        raise ValueError(
            f"q: on {q.device}: tensors on the CPU run on the emulator, those on an NPU on the "
            "device: move it to one of them"
        )


def check_longest(name: str, longest: int | None, cu_seqlens: Tensor) -> None:
    """Raise ValueError if a sequence is longer than `longest` says."""
    if longest is None or torch.compiler.is_compiling():
        return
    actual = int(cu_seqlens.diff().max())
    if actual > longest:
        raise ValueError(f"{name}: {longest}: there is a sequence of {actual}")


def check_total(name: str, cu_seqlens: Tensor, rows: int) -> None:
    """Raise ValueError unless the offsets end with the number of rows of their tensor."""
    if (end := int(cu_seqlens[-1])) != rows:
        raise ValueError(
            f"{name}: ends at {end}, its tensor has {rows} rows: give the total as the last offset"
        )


def check_numbers(softmax_scale: float | None, softcap: float) -> None:
    """Raise ValueError for numbers that scores cannot be multiplied with, or capped by."""
    if softmax_scale is not None and not math.isfinite(softmax_scale):
        raise ValueError(f"softmax_scale: {softmax_scale}: give a finite number")
    if not (0 <= softcap < math.inf):
        raise ValueError(f"softcap: {softcap}: give a positive number, or 0 for none")


def check_dropout(name: str, p: float) -> None:
    """Raise ValueError unless p is a probability below 1."""
    if not 0 <= p < 1:
        raise ValueError(f"{name}: {p}: give a probability in [0, 1)")


def check_head_dim(query: Tensor, key: Tensor, head_dim: int) -> None:
    """Raise ValueError unless both have this head_dim."""
    for name, tensor in (("query", query), ("key", key)):
        if tensor.ndim != 4 or tensor.shape[-1] != head_dim:
            raise ValueError(
                f"{name}: shape {tuple(tensor.shape)}: "
                f"this module takes (batch, seqlen, heads, {head_dim})"
            )


def sides(window_size: tuple[int, int], causal: bool) -> tuple[int | None, int | None]:
    """The window that window_size and causal say together; None is unbounded.

    Raises
    ------
    ValueError
        If it is not two integers of at least -1.
    """
    if len(window_size) != 2 or any(not isinstance(side, int) or side < -1 for side in window_size):
        raise ValueError(
            f"window_size: {window_size}: give (left, right), -1 where it is unbounded"
        )
    left, right = (None if side == -1 else side for side in window_size)
    return (left, 0) if causal else (left, right)


def _check_by_head(name: str, tensor: Tensor | None, q: Tensor, *shapes: tuple[int, ...]) -> None:
    if tensor is None:
        return
    if tensor.dtype != torch.float32 or tensor.device != q.device:
        raise TypeError(f"{name}: {tensor.dtype} on {tensor.device}: give float32 on {q.device}")
    if tuple(tensor.shape) not in shapes:
        wanted = " or ".join(map(str, dict.fromkeys(shapes)))
        raise ValueError(f"{name}: shape {tuple(tensor.shape)}: give {wanted}")


def _check_fit(q: Tensor, k: Tensor, v: Tensor) -> None:
    if k.shape[-1] != q.shape[-1] or k.shape[:-3] != q.shape[:-3]:
        raise ValueError(
            f"k: shape {tuple(k.shape)} does not fit to q's {tuple(q.shape)}: "
            "give the same batch and head_dim"
        )
    if v.shape[:-1] != k.shape[:-1]:
        raise ValueError(
            f"v: shape {tuple(v.shape)} does not fit to k's {tuple(k.shape)}: "
            "only head_dim may differ"
        )
    if k.shape[-2] == 0 or q.shape[-2] % k.shape[-2]:
        raise ValueError(
            f"k: {k.shape[-2]} heads, q has {q.shape[-2]}: give a number that divides q's"
        )
