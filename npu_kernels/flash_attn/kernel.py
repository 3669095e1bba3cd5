"""flash_attn under the suite: what a model calls, judged like any kernel."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from conformance.torch_bridge import TorchKernel, from_torch, import_torch
from npu_kernels.ascend_c.choose import kernel
from npu_kernels.ascend_c.kernel import AscendKernel
from npu_kernels.on_device.versions import OLDEST_TORCH, require_torch
from reference.problem import Problem, Unsupported

if TYPE_CHECKING:
    from torch import Tensor

SUPPORTS = (
    *("fp16", "bf16", "backward", "dlse", "strided", "empty", "dead_rows"),
    *("causal", "window", "alibi", "softcap", "sink", "dropout", "scale"),
    *("gqa", "mqa", "varlen", "cross_length", "head_dim_v"),
)


@cache
def functional() -> TorchKernel:
    """The functions of flash_attn as a kernel, on CPU tensors.

    Raises
    ------
    Unavailable, BuildError
        As npu_kernels.ascend_c.choose.kernel.
    AttributeError
        If torch is too old.
    """
    require_torch("functional", import_torch().__version__, OLDEST_TORCH)
    below: AscendKernel = kernel("emulated")
    return from_torch(
        attention,
        name="functional",
        contract=below.contract,
        supports=SUPPORTS,
        device="cpu",
    )


def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    problem: Problem,
    slopes: Tensor | None,
    sink: Tensor | None,
    cu_seqlens_q: Tensor | None,
    cu_seqlens_k: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """The problem through the public functions; dropout's stream is the problem's own.

    Raises
    ------
    Unsupported
        If their parameters cannot say it.
    """
    from npu_kernels import flash_attn

    options: dict[str, Any] = {
        "dropout_p": problem.dropout.p if problem.dropout is not None else 0.0,
        "softmax_scale": problem.scale,
        "window_size": _window(problem),
        "softcap": problem.softcap or 0.0,
        "alibi_slopes": slopes,
        "sink": sink,
        "stream": (problem.dropout.seed, problem.dropout.offset) if problem.dropout else None,
    }
    if cu_seqlens_q is None or cu_seqlens_k is None:
        return flash_attn.flash_attn_with_lse(q, k, v, **options)
    out, lse = flash_attn.flash_attn_varlen_func(
        q, k, v, cu_seqlens_q, cu_seqlens_k, return_lse=True, **options
    )
    return out, lse


def _window(problem: Problem) -> tuple[int, int]:
    if any(side is not None and side < 0 for side in problem.mask.window):
        raise Unsupported(f"window_size cannot say {problem.mask.window}")
    left, right = (-1 if side is None else int(side) for side in problem.mask.window)
    return left, right
