"""From torch tensors to what the kernels' library is asked, and back, without copying values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from npu_kernels import binding, gradients
from npu_kernels.ascend_c import AscendKernel, kernel
from npu_kernels.question import Question
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
    """out and lse."""
    on = _kernel(asked.q)
    launch = binding.flash_forward(on.library, _question(on, asked), knobs=on.knobs)
    return _tensor(launch.out, asked.q.dtype), torch.from_numpy(launch.lse)


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
        lse=lse.contiguous().numpy(),
        dlse=None if dlse is None else dlse.contiguous().numpy(),
        knobs=on.knobs,
    )
    dq, dk, dv = (_tensor(one, asked.q.dtype) for one in (launch.dq, launch.dk, launch.dv))
    dsink = np.empty(0, np.float32) if launch.dsink is None else launch.dsink
    return dq, dk, dv, torch.from_numpy(dsink)


def _kernel(q: Tensor) -> AscendKernel:
    return kernel("emulated")


def _question(on: AscendKernel, asked: Asked) -> Question:
    drops = asked.rng is not None
    question = Question(
        q=_values(asked.q),
        k=_values(asked.k),
        v=_values(asked.v),
        format=FORMATS[asked.q.dtype],
        scale=asked.scale,
        window=asked.window,
        softcap=asked.softcap or None,
        slopes=None if asked.slopes is None else asked.slopes.contiguous().numpy(),
        sink=None if asked.sink is None else asked.sink.detach().contiguous().numpy(),
        cu_seqlens_q=_offsets(asked.cu_seqlens_q),
        cu_seqlens_k=_offsets(asked.cu_seqlens_k),
    )
    return question if not drops else replace(question, **_dropout(on, asked, question))
