"""From torch tensors to what the kernels' library is asked, and back.

Values of the CPU are not copied. Those of an NPU are carried to the host and back, as the binding
of the device carries them: right, and slow.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from npu_kernels.ascend_c.choose import kernel
from npu_kernels.ascend_c.dropout_bits import keep_bits
from npu_kernels.ascend_c.encoded import EncodedProblem
from npu_kernels.ascend_c.kernel import AscendKernel
from npu_kernels.flash_attn.checks import check_total
from reference.dropout import Dropout
from reference.formats import BF16, FP16, Array

FORMATS = {torch.float16: FP16, torch.bfloat16: BF16}


def kernel_for(q: Tensor) -> AscendKernel:
    """The emulated kernel for tensors of the CPU, the device's for those of an NPU."""
    return kernel("emulated" if q.device.type == "cpu" else "device")


def encoded(
    on: AscendKernel,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    cu_seqlens_q: Tensor | None,
    cu_seqlens_k: Tensor | None,
    slopes: Tensor | None,
    sink: Tensor | None,
    rng: Tensor | None,
    *numbers: Any,
) -> EncodedProblem:
    """What the library is given for an operator's tensors and numbers, in the operator's order.

    Dropout's decisions are those of `rng`'s stream: the same in forward and backward.

    Raises
    ------
    ValueError
        If cu_seqlens_q or cu_seqlens_k ends at another number than its tensor has rows.
    """
    scale, window_left, window_right, softcap, dropout_p = numbers
    if cu_seqlens_q is not None and cu_seqlens_k is not None:
        check_total("cu_seqlens_q", cu_seqlens_q, len(q))  # when traced, no offset has a value
        check_total("cu_seqlens_k", cu_seqlens_k, len(k))
    problem = EncodedProblem(
        q=values(q),
        k=values(k),
        v=values(v),
        format=FORMATS[q.dtype],
        scale=scale,
        window=(window_left, window_right),
        softcap=softcap or None,
        slopes=None if slopes is None else floats(slopes),
        sink=None if sink is None else floats(sink),
        cu_seqlens_q=_offsets(cu_seqlens_q),
        cu_seqlens_k=_offsets(cu_seqlens_k),
    )
    if rng is None:
        return problem
    seed, offset = (word % 2**64 for word in rng.tolist())
    made = keep_bits(
        on.library,
        Dropout(p=dropout_p, seed=seed, offset=offset),
        seqlens_q=_lengths(problem.q, problem.cu_seqlens_q),
        seqlens_k=_lengths(problem.k, problem.cu_seqlens_k),
        heads_q=problem.q.shape[-2],
        packed=problem.is_packed,
        options=on.options,
    )
    return replace(problem, dropout=made.bits, keep_prob=float(np.float32(1.0 - dropout_p)))


def _lengths(tensor: Array, cu_seqlens: Array | None) -> list[int]:
    if cu_seqlens is not None:
        return [int(length) for length in np.diff(cu_seqlens)]
    return [tensor.shape[1]] * tensor.shape[0]


def values(tensor: Tensor) -> Array:
    """The bits of 16-bit values, (..., head_dim) uint16; a copy only if rows are not together."""
    rows = tensor if tensor.shape[-1] < 2 or tensor.stride(-1) == 1 else tensor.contiguous()
    bits: Array = rows.detach().cpu().view(torch.uint16).numpy()
    return bits


def floats(tensor: Tensor) -> Array:
    """A contiguous float32 array of the tensor's shape, on the host."""
    array: Array = tensor.detach().cpu().contiguous().numpy()
    return array


def tensor_of(bits: Array, like: Tensor) -> Tensor:
    """A tensor of these 16-bit values, in the format and on the device of `like`."""
    return torch.from_numpy(bits).view(like.dtype).to(like.device)


def _offsets(cu_seqlens: Tensor | None) -> Array | None:
    return None if cu_seqlens is None else cu_seqlens.cpu().to(torch.int64).numpy()
