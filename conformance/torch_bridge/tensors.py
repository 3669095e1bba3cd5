"""Torch tensors from a problem's arrays, and back; torch is imported on first use."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.laws.transform import visible_pairs
from reference.formats import FP64, Array, Format
from reference.problem import Problem

if TYPE_CHECKING:
    from torch import Tensor

HIDING = ("causal", "window", "prefix", "keep", "bias")
"""Features without which every pair is visible."""


def import_torch(device: str = "cpu") -> Any:
    """Torch, imported on first use, with the device's own package."""
    os.environ.setdefault("TORCH_DEVICE_BACKEND_AUTOLOAD", "0")  # a broken one fails any import
    import torch

    if device.startswith("npu"):
        import torch_npu  # type: ignore[import-not-found]  # noqa: F401
    return torch


def dtype_of(format: Format) -> Any:
    """The torch dtype of a format."""
    torch = import_torch()
    names = {"fp16": "float16", "bf16": "bfloat16", "fp32": "float32", "fp64": "float64"}
    return getattr(torch, names[format.name])


def to_torch(array: Array, dtype: Any, device: str) -> Tensor:
    """A tensor with the values and the strides of `array`, and what lies in its gaps.

    Strides that torch cannot have (negative, or no multiple of the element) become contiguous.
    """
    torch = import_torch(device)
    steps = [stride // array.itemsize for stride in array.strides]
    exact = all(stride % array.itemsize == 0 and stride >= 0 for stride in array.strides)
    if not exact or array.size == 0:
        return torch.from_numpy(array.copy()).to(dtype).to(device)
    span = 1 + sum(step * (size - 1) for step, size in zip(steps, array.shape, strict=True))
    storage = np.lib.stride_tricks.as_strided(array, (span,), (array.itemsize,)).copy()
    return torch.from_numpy(storage).to(dtype).to(device).as_strided(array.shape, steps)


def to_numpy(tensor: Tensor | None) -> Array | None:
    """The values of a tensor: float64 where it is, else float32, which holds every other format."""
    if tensor is None:
        return None
    torch = import_torch()
    carrier = torch.float64 if tensor.dtype == torch.float64 else torch.float32
    array: Array = tensor.detach().to("cpu", carrier).contiguous().numpy()
    return array


def leaves(problem: Problem, device: str) -> dict[str, Tensor]:
    """The problem's tensors on `device`, by name; they record gradients where it has a dout."""
    torch = import_torch(device)
    side = torch.float64 if problem.format == FP64 else torch.float32
    dtypes = dict.fromkeys(("q", "k", "v", "bias", "dout"), dtype_of(problem.format))
    dtypes |= dict.fromkeys(("sink", "slopes", "dlse"), side)
    tensors = {
        name: to_torch(array, dtype, device)
        for name, dtype in dtypes.items()
        if (array := getattr(problem, name)) is not None
    }
    if problem.dout is not None:
        for name in ("q", "k", "v", "bias", "sink"):
            if name in tensors:
                tensors[name].requires_grad_()
    return tensors


def visible(problem: Problem, device: str) -> Tensor | None:
    """Which pairs a problem shows, as laws.transform.visible_pairs tells; None if all."""
    if not problem.features & set(HIDING):
        return None
    pairs = visible_pairs(problem)
    mask: Tensor = import_torch(device).from_numpy(pairs).to(device)
    return None if pairs.all() else mask
