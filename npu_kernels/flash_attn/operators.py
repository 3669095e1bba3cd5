"""The kernels as operators of torch: what torch.compile, autograd and checkpointing see.

``npu_flash::forward`` and ``npu_flash::backward``. Tensors are what flash_attn documents, and
arguments have been checked there; cu_seqlens_q and cu_seqlens_k are on the CPU, as is `rng`, (2,)
int64: seed and offset of dropout.

Annotations are objects here, not strings: torch 2.4 makes an operator's schema of them so.
"""

from typing import Any

import torch
from torch import Tensor

from npu_kernels.ascend_c import backward as ascend_backward
from npu_kernels.ascend_c import forward as ascend_forward
from npu_kernels.flash_attn.tensors import encoded, gradient, kernel_for, rows, run

if not hasattr(torch.library, "custom_op"):
    raise ImportError(
        f"torch {torch.__version__} has no torch.library.custom_op: install torch 2.4.0 or later"
    )


@torch.library.custom_op("npu_flash::forward", mutates_args=())
def forward(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    cu_seqlens_q: Tensor | None,
    cu_seqlens_k: Tensor | None,
    slopes: Tensor | None,
    sink: Tensor | None,
    rng: Tensor | None,
    scale: float,
    window_left: int | None,
    window_right: int | None,
    softcap: float,
    dropout_p: float,
) -> tuple[Tensor, Tensor]:
    """Out and lse."""
    on = kernel_for(q)
    inputs = (q, k, v, cu_seqlens_q, cu_seqlens_k, slopes, sink, rng)
    numbers = (scale, window_left, window_right, softcap, dropout_p)
    problem = encoded(on, *inputs, *numbers)
    out = q.new_empty(problem.shape_out)
    statistics = [q.new_empty(problem.shape_lse, dtype=torch.float32) for _ in ascend_forward.ROWS]
    struct = ascend_forward.forward_struct(problem, out, *statistics)
    run(on, ascend_forward.FUNCTION, struct, like=q)
    return out, statistics[0]


@torch.library.custom_op("npu_flash::backward", mutates_args=())
def backward(
    dout: Tensor,
    dlse: Tensor | None,
    out: Tensor,
    lse: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    cu_seqlens_q: Tensor | None,
    cu_seqlens_k: Tensor | None,
    slopes: Tensor | None,
    sink: Tensor | None,
    rng: Tensor | None,
    scale: float,
    window_left: int | None,
    window_right: int | None,
    softcap: float,
    dropout_p: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """dq, dk, dv, and dsink, which is empty without a sink."""
    on = kernel_for(q)
    inputs = (q, k, v, cu_seqlens_q, cu_seqlens_k, slopes, sink, rng)
    numbers = (scale, window_left, window_right, softcap, dropout_p)
    problem = encoded(on, *inputs, *numbers)
    dq, dk, dv = (tensor.new_empty(tensor.shape) for tensor in (q, k, v))
    dsink = q.new_empty(0 if sink is None else sink.shape[0], dtype=torch.float32)
    given = {  # a name, since copies must live until the call
        "out": rows(out),
        "dout": gradient(dout),
        "lse": lse.detach().contiguous(),
        "dlse": None if dlse is None else dlse.detach().contiguous(),
    }
    made = {"dq": dq, "dk": dk, "dv": dv, "dsink": None if sink is None else dsink}
    struct = ascend_backward.backward_struct(problem, **given, **made)
    run(on, ascend_backward.FUNCTION, struct, like=q)
    return dq, dk, dv, dsink


@forward.register_fake
def _(q: Tensor, k: Tensor, v: Tensor, cu_seqlens_q: Tensor | None, *_: Any) -> Any:
    *rows, heads, _head_dim = q.shape
    by_head = (heads, *rows) if cu_seqlens_q is not None else (rows[0], heads, rows[1])
    out = q.new_empty((*rows, heads, v.shape[-1]))
    return out, q.new_empty(by_head, dtype=torch.float32)


@backward.register_fake
def _(
    dout: Tensor,
    dlse: Tensor | None,
    out: Tensor,
    lse: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    cu_seqlens_q: Tensor | None,
    cu_seqlens_k: Tensor | None,
    slopes: Tensor | None,
    sink: Tensor | None,
    *_: Any,
) -> Any:
    gradients = (tensor.new_empty(tensor.shape) for tensor in (q, k, v))
    heads = 0 if sink is None else sink.shape[0]
    return (*gradients, q.new_empty((heads,), dtype=torch.float32))


INPUTS = 8  # tensors of forward, before its numbers
NUMBERS = 5


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.save_for_backward(*inputs[:INPUTS], *output)
    ctx.numbers = inputs[INPUTS:]
    ctx.set_materialize_grads(False)


def _gradients(ctx: Any, dout: Tensor | None, dlse: Tensor | None) -> tuple[Tensor | None, ...]:
    *inputs, out, lse = ctx.saved_tensors
    if dout is None:
        dout = torch.zeros_like(out)
    dq, dk, dv, dsink = backward(dout, dlse, out, lse, *inputs, *ctx.numbers)
    has_sink = inputs[6] is not None
    return (dq, dk, dv, None, None, None, dsink if has_sink else None, None, *(None,) * NUMBERS)


forward.register_autograd(_gradients, setup_context=_save)
