"""How somebody's function becomes a kernel: declared, loaded, called, launched, isolated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.kernel.calling import BadAnswer, InputChanged, KernelRaised, UsageError, call
from conformance.kernel.loaded import (
    PROBLEM_TENSORS,
    Kernel,
    KernelCall,
    LoadedKernel,
    checked,
    unchanged,
)
from conformance.kernel.loading import load

if TYPE_CHECKING:
    from conformance.kernel.oracle_kernel import oracle

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


def __getattr__(name: str) -> Any:
    """``oracle``, which alone needs the answer's modules."""
    if name != "oracle":
        raise AttributeError(f"conformance.kernel has no {name}: it has {', '.join(__all__)}")
    from conformance.kernel.oracle_kernel import oracle

    return oracle
