"""From torch tensors to what the kernels' library is asked, and back.

Values of the CPU are not copied. Those of an NPU are carried to the host and back, as the binding
of the device carries them: right, and slow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from npu_kernels.ascend_c import backward as gradients
from npu_kernels.ascend_c.dropout_bits import keep_bits
from npu_kernels.ascend_c.encoded import EncodedProblem
from npu_kernels.ascend_c.forward import flash_forward
from npu_kernels.ascend_c.kernel import AscendKernel, kernel
from reference.dropout import Dropout
from reference.formats import BF16, FP16, Array

FORMATS = {torch.float16: FP16, torch.bfloat16: BF16}


@dataclass(frozen=True, eq=False, kw_only=True)
class Asked:
    """Attention of tensors that arguments.py has checked; operators.py says what they are."""

    q: Tensor
    k: Tensor
    v: Tensor
    cu_seqlens_q: Tensor | None
    cu_seqlens_k: Tensor | None
    slopes: Tensor | None
    sink: Tensor | None
    rng: Tensor | None
    scale: float
    window: tuple[int | None, int | None]
    softcap: float
    dropout_p: float


def forward(asked: Asked) -> tuple[Tensor, Tensor]:
    """Out and lse."""
    on = _kernel(asked.q)
    launch = flash_forward(on.library, _question(on, asked), options=on.options)
    return _tensor(launch.out, asked.q), torch.from_numpy(launch.lse).to(asked.q.device)


def backward(
    asked: Asked, *, out: Tensor, dout: Tensor, lse: Tensor, dlse: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """dq, dk, dv, and dsink, which is empty without a sink."""
    on = _kernel(asked.q)
    launch = gradients.flash_backward(
        on.library,
        _question(on, asked),
        out=_values(out),
        dout=_values(dout),
        lse=_floats(lse),
        dlse=None if dlse is None else _floats(dlse),
        options=on.options,
    )
    dq, dk, dv = (_tensor(one, asked.q) for one in (launch.dq, launch.dk, launch.dv))
    dsink = np.empty(0, np.float32) if launch.dsink is None else launch.dsink
    return dq, dk, dv, torch.from_numpy(dsink).to(asked.q.device)


def _kernel(q: Tensor) -> AscendKernel:
    return kernel("emulated" if q.device.type == "cpu" else "device")


def _question(on: AscendKernel, asked: Asked) -> EncodedProblem:
    drops = asked.rng is not None
    encoded = EncodedProblem(
        q=_values(asked.q),
        k=_values(asked.k),
        v=_values(asked.v),
        format=FORMATS[asked.q.dtype],
        scale=asked.scale,
        window=asked.window,
        softcap=asked.softcap or None,
        slopes=None if asked.slopes is None else _floats(asked.slopes),
        sink=None if asked.sink is None else _floats(asked.sink),
        cu_seqlens_q=_offsets(asked.cu_seqlens_q),
        cu_seqlens_k=_offsets(asked.cu_seqlens_k),
    )
    return encoded if not drops else replace(encoded, **_dropout(on, asked, encoded))


def _dropout(on: AscendKernel, asked: Asked, encoded: EncodedProblem) -> dict[str, Any]:
    """The decisions of this call's stream: the same in forward and backward."""
    assert asked.rng is not None
    seed, offset = (word % 2**64 for word in asked.rng.tolist())
    dropout = Dropout(p=asked.dropout_p, seed=seed, offset=offset)
    made = keep_bits(
        on.library,
        dropout,
        seqlens_q=_lengths(encoded.q, encoded.cu_seqlens_q),
        seqlens_k=_lengths(encoded.k, encoded.cu_seqlens_k),
        heads_q=encoded.q.shape[-2],
        packed=encoded.is_packed,
        options=on.options,
    )
    return {"dropout": made.bits, "keep_prob": float(np.float32(1.0 - dropout.p))}


def _lengths(tensor: Array, cu_seqlens: Array | None) -> list[int]:
    if cu_seqlens is not None:
        return [int(length) for length in np.diff(cu_seqlens)]
    return [tensor.shape[1]] * tensor.shape[0]


def _values(tensor: Tensor) -> Array:
    """The bits of 16-bit values, (..., head_dim) uint16; a copy only if rows are not together."""
    rows = tensor if tensor.shape[-1] < 2 or tensor.stride(-1) == 1 else tensor.contiguous()
    bits: Array = rows.detach().cpu().view(torch.uint16).numpy()
    return bits


def _floats(tensor: Tensor) -> Array:
    array: Array = tensor.detach().cpu().contiguous().numpy()
    return array


def _tensor(bits: Array, like: Tensor) -> Tensor:
    return torch.from_numpy(bits).view(like.dtype).to(like.device)


def _offsets(cu_seqlens: Tensor | None) -> Array | None:
    return None if cu_seqlens is None else cu_seqlens.cpu().to(torch.int64).numpy()
