"""The install check: our attention runs here, forward and backward, and is right.

    python examples/install_check.py

One line for each check; the exit code is 1 if one failed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import torch

import npu_kernels
from conformance.torch_bridge.watch import Watch
from npu_kernels import FlashAttention, flash_attn_func, flash_attn_with_lse
from reference.mask import Mask


def tensors(dtype: torch.dtype, seqlen: int = 100) -> list[torch.Tensor]:
    """q, k, v of a layer with 4 query heads and 2 key heads; no length is a multiple of 128."""
    torch.manual_seed(0)
    shapes = ((1, seqlen, heads, 64) for heads in (4, 2, 2))
    return [torch.randn(shape).to(dtype).requires_grad_() for shape in shapes]


def forward_runs() -> str:
    """A call gives finite numbers of the right shape."""
    q, k, v = tensors(torch.float16)
    out = FlashAttention(head_dim=64, causal=True)(q, k, v)
    assert out.shape == q.shape
    assert out.isfinite().all()
    return f"out {tuple(out.shape)} {out.dtype}"


def backward_runs() -> str:
    """Gradients arrive at q, k and v."""
    q, k, v = tensors(torch.float16)
    flash_attn_func(q, k, v, causal=True).float().sum().backward()
    assert all(x.grad is not None and x.grad.isfinite().all() for x in (q, k, v))
    return "dq, dk, dv are there and finite"


def matches_the_oracle(dtype: torch.dtype) -> str:
    """out, lse, dq, dk and dv are within what rounding can explain."""
    watch = Watch()
    causal = Mask(window=(None, 0))

    def attention(*qkv: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return flash_attn_with_lse(*qkv, causal=True)

    out, _ = watch.ask(attention, *(x.view_as(x) for x in tensors(dtype)), mask=causal)
    out.float().square().sum().backward()
    (verdict,) = watch.verdicts(npu_kernels.emulated.contract)
    assert not verdict.failures, verdict.failures
    worst = max((tensor.ratio, tensor.name) for tensor in verdict.tensors)
    return f"worst error / allowed {worst[0]:.2f} ({worst[1]})"


def dropout_repeats() -> str:
    """The same seed drops the same pairs, another call drops others."""
    qkv = tensors(torch.bfloat16)
    torch.manual_seed(1)
    first, second = (flash_attn_func(*qkv, dropout_p=0.1) for _ in range(2))
    torch.manual_seed(1)
    assert torch.equal(first, flash_attn_func(*qkv, dropout_p=0.1))
    assert not torch.equal(first, second)
    return "the same after the same seed, another in the next call"


CHECKS: dict[str, Callable[[], str]] = {
    "forward": forward_runs,
    "backward": backward_runs,
    "parity fp16": lambda: matches_the_oracle(torch.float16),
    "parity bf16": lambda: matches_the_oracle(torch.bfloat16),
    "dropout": dropout_repeats,
}


def main() -> int:
    """Run the checks; how many failed is said by the lines, whether by the exit code."""
    print(f"runs on: {npu_kernels.ascend.name}")
    good = True
    for name, check in CHECKS.items():
        try:
            print(f"ok      {name}: {check()}")
        except Exception as error:
            good = False
            print(f"FAILED  {name}: {type(error).__name__}: {error}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
