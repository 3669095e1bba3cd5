"""From torch tensors to what the kernels' library is given: addresses and strides, no values.

Tensors stay where they are: those of the CPU are the emulator's memory, those of an NPU the
device's. Results and workspace come from torch's allocator on the tensors' own device.
"""

from __future__ import annotations

import ctypes
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from npu_kernels.ascend_c import binding, dropout_bits
from npu_kernels.ascend_c.choose import kernel
from npu_kernels.ascend_c.encoded import EncodedProblem
from npu_kernels.ascend_c.kernel import AscendKernel
from npu_kernels.ascend_c.tile_bits import TILE, TileBits
from npu_kernels.flash_attn.checks import check_total
from reference.dropout import Dropout
from reference.formats import BF16, FP16, Array

FORMATS = {torch.float16: FP16, torch.bfloat16: BF16}


def kernel_for(q: Tensor) -> AscendKernel:
    """The emulated kernel for tensors of the CPU, the device's for those of an NPU."""
    return kernel("emulated" if q.device.type == "cpu" else "device")


def run(on: AscendKernel, function: str, struct: ctypes.Structure, *, like: Tensor) -> None:
    """Call a function of abi.h on tensors; on a device it is queued, and nothing is waited for.

    Parameters
    ----------
    struct : ForwardStruct, BackwardStruct or DropoutMaskStruct
        All but struct_bytes and launch filled in; both are set here.
    like : a tensor on the device where it runs

    Raises
    ------
    ValueError, Declined, CheckFailed
        As `binding.run`.
    RuntimeError
        Of torch's own type, if there is no room for the workspace.
    """
    batch = struct.batch if hasattr(struct, "batch") else struct.problem.batch
    with nullcontext() if like.device.type == "cpu" else torch.npu.device(like.device):
        text = binding.begin(struct, options=on.options)
        needed = binding.workspace_bytes(on.library, function, struct)
        workspace = _workspace(function, needed, like)
        binding.set_workspace(struct, workspace)
        binding.run(on.library, function, struct, text, batch=batch)
        if workspace.device.type != "cpu":
            workspace.record_stream(torch.npu.current_stream())


def _workspace(function: str, needed: int, like: Tensor) -> Tensor:
    try:
        return like.new_empty(needed, dtype=torch.uint8)
    except RuntimeError as error:
        if "out of memory" not in str(error):
            raise
        raise type(error)(
            f"{function}: no room for {needed / 2**20:.0f} MiB of workspace on {like.device}: "
            f"give fewer or shorter sequences ({error})"
        ) from None


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
    """
    scale, window_left, window_right, softcap, dropout_p = numbers
    problem = EncodedProblem(
        q=rows(q),
        k=rows(k),
        v=rows(v),
        format=FORMATS[q.dtype],
        scale=scale,
        window=(window_left, window_right),
        softcap=softcap or None,
        slopes=None if slopes is None else slopes.detach().contiguous(),
        sink=None if sink is None else sink.detach().contiguous(),
        cu_seqlens_q=_offsets("cu_seqlens_q", cu_seqlens_q, q),
        cu_seqlens_k=_offsets("cu_seqlens_k", cu_seqlens_k, k),
    )
    if rng is None:
        return problem
    seed, offset = (word % 2**64 for word in rng.tolist())
    bits = _keep_bits(on, problem, Dropout(p=dropout_p, seed=seed, offset=offset))
    return replace(
        problem, dropout=TileBits(tiles=bits), keep_prob=float(np.float32(1.0 - dropout_p))
    )


def _keep_bits(on: AscendKernel, problem: EncodedProblem, dropout: Dropout) -> Tensor:
    """Tiles of dropout's decisions, made where q is."""
    seqlens_q = _lengths(problem.q, problem.cu_seqlens_q)
    seqlens_k = _lengths(problem.k, problem.cu_seqlens_k)
    heads_q = problem.q.shape[-2]
    tiles = heads_q * dropout_bits.tiles_of(seqlens_q, seqlens_k)
    bits: Tensor = problem.q.new_empty((tiles, TILE, TILE // 8), dtype=torch.uint8)
    visible = dropout_bits.visible_struct(problem.window, problem.anchor, None)
    struct = dropout_bits.mask_struct(
        dropout,
        bits,
        seqlens_q=seqlens_q,
        seqlens_k=seqlens_k,
        heads_q=heads_q,
        cu_seqlens_q=problem.cu_seqlens_q,
        cu_seqlens_k=problem.cu_seqlens_k,
        visible=visible,
    )
    run(on, dropout_bits.FUNCTION, struct, like=bits)
    return bits


def _lengths(tensor: Tensor, cu_seqlens: Array | None) -> list[int]:
    if cu_seqlens is not None:
        return [int(length) for length in np.diff(cu_seqlens)]
    return [tensor.shape[1]] * tensor.shape[0]


def rows(tensor: Tensor) -> Tensor:
    """The tensor, or a copy where it is, if the values of a row do not lie side by side."""
    tensor = tensor.detach()
    return tensor if tensor.shape[-1] < 2 or tensor.stride(-1) == 1 else tensor.contiguous()


def gradient(tensor: Tensor) -> Tensor:
    """The same for a gradient, which is copied if an axis is expanded, too."""
    sized = zip(tensor.shape, tensor.stride(), strict=True)
    expanded = any(size > 1 and step == 0 for size, step in sized)
    return tensor.detach().contiguous() if expanded else rows(tensor)


def _offsets(name: str, cu_seqlens: Tensor | None, rows_of: Tensor) -> Array | None:
    """Checked against their tensor here, where also a compiled call knows their values."""
    if cu_seqlens is None:
        return None
    check_total(name, cu_seqlens, rows_of.shape[0])
    offsets: Array = cu_seqlens.to(torch.int64).numpy()
    return offsets
