"""The kernels by name: ``--kernel npu_kernels:sdpa``.

Read ascend_c/ (choose, kernel, launch, encode, encoded, binding) and abi.h, then flash_attention/
as docs/ascend_c.md says, emulator/ and performance/. For torch: flash_attn/ and torch_kernels/.

ascend
    Our Ascend C kernel: on the device if there is one, else emulated. Its name says which.
emulated
    The same on the emulator, whatever there is.
device
    The same on the device, or nothing.
sdpa
    torch's scaled_dot_product_attention as it dispatches.
sdpa_math, sdpa_flash
    Its math and its flash backend, the latter with lse.
eager
    Plain matmul, softmax, matmul in torch: what the others are measured against.
sdpa_efficient, sdpa_cudnn
    Its other backends, on a machine with CUDA.

Those of torch run on the GPU where there is one, and their names say where. Nothing imports torch
or compiles anything before a kernel is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

ASCEND_KERNELS = ("ascend", "emulated", "device")
TORCH_KERNELS = ("sdpa", "sdpa_math", "sdpa_flash")
KERNELS = (*TORCH_KERNELS, "eager", *ASCEND_KERNELS, "functional")
FUNCTIONS = (
    "FlashAttention",
    "flash_attn_func",
    "flash_attn_qkvpacked_func",
    "flash_attn_varlen_func",
    "flash_attn_with_lse",
)
"""What a model calls; see flash_attn/."""
CUDA_KERNELS = ("sdpa_efficient", "sdpa_cudnn")


def __getattr__(name: str) -> Any:
    if name in FUNCTIONS:
        return getattr(import_module("npu_kernels.flash_attn"), name)
    if name == "functional":
        return import_module("npu_kernels.flash_attn.kernel").functional()
    if name not in (*KERNELS, *CUDA_KERNELS):
        raise AttributeError(f"npu_kernels has no {name}: its kernels are {', '.join(KERNELS)}")
    if name in ASCEND_KERNELS:
        return _ascend(name)
    if name == "eager":
        return import_module("npu_kernels.torch_kernels.eager").kernel()
    from npu_kernels.torch_kernels.sdpa import kernel

    return kernel(name)


def _ascend(name: str) -> Any:
    from npu_kernels.ascend_c.choose import kernel
    from npu_kernels.emulator.build import Unavailable

    try:
        return kernel(name)
    except Unavailable as missing:
        raise AttributeError(f"{name}: {missing}") from None


def __dir__() -> list[str]:
    from npu_kernels.torch_kernels.sdpa_arguments import device

    return [*KERNELS, *(CUDA_KERNELS if device() == "cuda" else ())]
