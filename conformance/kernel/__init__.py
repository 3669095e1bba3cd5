"""How somebody's function becomes a kernel: loaded, called, launched, isolated."""

from __future__ import annotations

from conformance.kernel.calling import BadAnswer, InputChanged, KernelRaised, UsageError, call
from conformance.kernel.loaded import (
    PROBLEM_TENSORS,
    Kernel,
    KernelCall,
    LoadedKernel,
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
    "KernelRaised",
    "LoadedKernel",
    "UsageError",
    "call",
    "checked",
    "load",
    "oracle",
    "unchanged",
]
