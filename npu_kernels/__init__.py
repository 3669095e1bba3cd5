"""The kernels by name: ``--kernel npu_kernels:sdpa``.

Read in this order: torch_sdpa, dispatch, contracts, flash_on_cpu.

sdpa
    torch's scaled_dot_product_attention as it dispatches.
sdpa_math, sdpa_flash
    Its math and its flash backend, the latter with lse.
sdpa_efficient, sdpa_cudnn
    Its other backends, on a machine with CUDA.

Each runs on the GPU where there is one, and its name says where. Nothing imports torch before a
kernel is asked for.
"""

from __future__ import annotations

from typing import Any

KERNELS = ("sdpa", "sdpa_math", "sdpa_flash")
CUDA_KERNELS = ("sdpa_efficient", "sdpa_cudnn")


def __getattr__(name: str) -> Any:
    if name not in (*KERNELS, *CUDA_KERNELS):
        raise AttributeError(f"npu_kernels has no {name}: its kernels are {', '.join(KERNELS)}")
    from npu_kernels.torch_sdpa import kernel

    return kernel(name)


def __dir__() -> list[str]:
    from npu_kernels.dispatch import device

    return [*KERNELS, *(CUDA_KERNELS if device() == "cuda" else ())]
