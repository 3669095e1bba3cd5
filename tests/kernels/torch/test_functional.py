"""What a model calls: operators of torch, their gradients and their random numbers."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch.library import opcheck
from torch.utils.checkpoint import checkpoint

import npu_kernels
from npu_kernels.flash_attn import (
    FlashAttention,
    flash_attn_func,
    flash_attn_qkvpacked_func,
    flash_attn_varlen_func,
    flash_attn_with_lse,
    operators,
)

DTYPES = (torch.float16, torch.bfloat16)


def qkv(*, dtype: torch.dtype = torch.bfloat16, gradients: bool = True, seqlen: int = 40) -> Any:
    torch.manual_seed(0)
    shapes = ((2, seqlen, 4, 24), (2, seqlen, 2, 24), (2, seqlen, 2, 16))
    return [torch.randn(shape).to(dtype).requires_grad_(gradients) for shape in shapes]


def packed() -> dict[str, Any]:
    lengths = torch.tensor([0, 17, 17, 80], dtype=torch.int32)
    flat = [tensor.detach().flatten(0, 1).requires_grad_() for tensor in qkv()]
    return dict(zip("qkv", flat, strict=True)) | {"cu_seqlens_q": lengths, "cu_seqlens_k": lengths}


# --- What torch asks of an operator ---

PLAIN: dict[str, Any] = {
    **dict.fromkeys(("cu_seqlens_q", "cu_seqlens_k", "slopes", "sink", "rng")),
    **{"scale": 0.2, "window_left": None, "window_right": None, "softcap": 0.0, "dropout_p": 0.0},
}
OPERANDS = {
    "plain": lambda: {},
    "window": lambda: {"window_left": 9, "window_right": 0, "softcap": 3.0},
    "dropout": lambda: {"rng": torch.tensor([1, -2]), "dropout_p": 0.3},
    "sink": lambda: {"sink": torch.zeros(4, requires_grad=True), "slopes": torch.rand(4)},
    "packed": packed,
}


# torch 2.14's opcheck reads the gradient of its own copies, and warns of it.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
@pytest.mark.parametrize("operands", OPERANDS.values(), ids=OPERANDS)
def test_torch_finds_nothing_wrong_with_the_operators(operands):
    operands = dict(zip("qkv", qkv(), strict=True)) | PLAIN | operands()
    opcheck(operators.forward, tuple(operands.values()))
    out, lse = operators.forward(*operands.values())
    plain = [
        value.detach() if isinstance(value, torch.Tensor) else value for value in operands.values()
    ]
    opcheck(operators.backward, (out.detach(), lse.detach(), out.detach(), lse.detach(), *plain))


# --- Transformations of torch ---


def gradients(function: Any, *tensors: torch.Tensor) -> list[torch.Tensor]:
    torch.manual_seed(7)
    out = function(*tensors)
    grads = torch.autograd.grad(out.float().square().sum(), tensors)
    return [out.detach(), *grads]


def identical(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


# torch 2.4's checkpoint calls a function that torch 2.4 deprecates.
@pytest.mark.filterwarnings("ignore:.torch.cpu.amp.autocast.*deprecated:FutureWarning")
@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_a_checkpoint_repeats_the_same_decisions(dropout):
    layer = FlashAttention(24, dropout, causal=True)
    plain = gradients(layer, *qkv())
    again = gradients(lambda *x: checkpoint(layer, *x, use_reentrant=False), *qkv())
    assert identical(plain, again)


def test_a_compiled_layer_gives_the_same_bits():
    layer = FlashAttention(24, causal=True, use_smooth_softmax=True)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    assert identical(gradients(layer, *qkv()), gradients(compiled, *qkv()))


def test_a_compiled_layer_drops_the_same_pairs_backward_as_forward():
    layer = torch.compile(FlashAttention(24, 0.5), backend="aot_eager", fullgraph=True)
    torch.manual_seed(0)
    q, k = (torch.randn(1, 40, 1, 24).half() for _ in range(2))
    v = torch.eye(40).half()[None, :, None].requires_grad_()  # out is the weights themselves
    out = layer(q, k, v)
    (dv,) = torch.autograd.grad(out, v, torch.eye(40).half()[None, :, None])  # as is dv
    assert torch.equal(out[0, :, 0] == 0, dv[0, :, 0].T == 0)
    assert (out == 0).any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_autocast_casts_floats(dtype):
    wide = [tensor.detach().float().requires_grad_() for tensor in qkv(dtype=dtype)]
    with torch.autocast("cpu", dtype):
        out = flash_attn_func(*wide)
    assert torch.equal(out, flash_attn_func(*qkv(dtype=dtype)))
    out.sum().backward()
    assert all(tensor.grad.dtype == torch.float32 for tensor in wide)


LAYOUTS = {
    "heads before rows": lambda x: x.transpose(1, 2).contiguous().transpose(1, 2),
    "columns before rows": lambda x: x.transpose(1, 3).contiguous().transpose(1, 3),
    "expanded": lambda x: x[:1].expand(x.shape),
    "every other row": lambda x: x.repeat_interleave(2, 1)[:, ::2],
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_any_layout_gives_the_same_bits(layout):
    strided = [layout(tensor.detach()).requires_grad_() for tensor in qkv()]
    close = [tensor.detach().contiguous().requires_grad_() for tensor in strided]
    assert identical(gradients(flash_attn_func, *strided), gradients(flash_attn_func, *close))


# --- The functions among each other ---


def test_packed_sequences_are_those_of_a_batch():
    tensors = qkv()
    flat = [tensor.flatten(0, 1) for tensor in tensors]
    ends = torch.tensor([0, 40, 80], dtype=torch.int32)
    out, lse = flash_attn_with_lse(*tensors, causal=True)
    flat_out, flat_lse = flash_attn_varlen_func(*flat, ends, ends, causal=True, return_lse=True)
    assert torch.equal(out.flatten(0, 1), flat_out)
    assert torch.equal(lse.transpose(0, 1).flatten(1), flat_lse)


def test_queries_keys_and_values_may_lie_side_by_side():
    torch.manual_seed(0)
    together = torch.randn(2, 40, 3, 4, 24).half()
    out = flash_attn_qkvpacked_func(together, causal=True)
    assert torch.equal(out, flash_attn_func(*together.unbind(2), causal=True))


def test_smooth_softmax_is_a_sink_of_zero():
    zeros = torch.zeros(4)
    smooth = FlashAttention(24, use_smooth_softmax=True)(*qkv())
    assert torch.equal(smooth, flash_attn_func(*qkv(), sink=zeros))
    assert not torch.equal(smooth, flash_attn_func(*qkv()))


def test_causal_is_a_window_without_keys_to_the_right():
    assert torch.equal(
        flash_attn_func(*qkv(), causal=True), flash_attn_func(*qkv(), window_size=(-1, 0))
    )


def test_gradients_flow_through_lse_too():
    q, k, v = qkv()
    _, lse = flash_attn_with_lse(q, k, v)
    dq, dk = torch.autograd.grad(lse.sum(), (q, k))
    assert dq.any()
    assert dk.any()


# --- Random numbers ---


def test_two_calls_draw_anew_and_a_seed_repeats_them():
    torch.manual_seed(5)
    first, second = (flash_attn_func(*qkv_again, 0.5) for qkv_again in [drawn(), drawn()])
    assert not torch.equal(first, second)
    torch.manual_seed(5)
    assert torch.equal(first, flash_attn_func(*drawn(), 0.5))


def drawn() -> Any:
    with torch.random.fork_rng():
        return qkv(gradients=False)


def test_two_layers_drop_different_pairs():
    tensors = qkv(gradients=False)
    one, other = FlashAttention(24, 0.5), FlashAttention(24, 0.5)
    assert not torch.equal(one(*tensors), other(*tensors))


def test_a_stream_may_be_named():
    tensors, stream = qkv(gradients=False), (2**64 - 1, 3)
    assert torch.equal(
        flash_attn_func(*tensors, 0.5, stream=stream), flash_attn_func(*tensors, 0.5, stream=stream)
    )


def test_a_layer_drops_out_only_in_training():
    tensors = qkv(gradients=False)
    layer = FlashAttention(24, 0.5).eval()
    assert torch.equal(layer(*tensors), flash_attn_func(*tensors))


# --- Importing ---


def test_the_functions_are_the_packages_own():
    for name in npu_kernels.FUNCTIONS:
        assert getattr(npu_kernels, name) is getattr(npu_kernels.flash_attn, name)


def test_the_package_imports_no_torch():
    code = "import sys, npu_kernels; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
