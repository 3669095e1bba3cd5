"""How somebody's function becomes a kernel: loaded, called, launched, isolated."""

from __future__ import annotations

from conformance.kernel.loaded import (
    PROBLEM_TENSORS,
    BadAnswer,
    InputChanged,
    Kernel,
    KernelCall,
    LoadedKernel,
    UsageError,
    checked,
    oracle,
    unchanged,
)
from conformance.kernel.loading import load

__all__ = [
    "PROBLEM_TENSORS",
    "BadAnswer",
    "InputChanged",
    "Kernel",
    "KernelCall",
    "LoadedKernel",
    "UsageError",
    "checked",
    "load",
    "oracle",
    "unchanged",
]
