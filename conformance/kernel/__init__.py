"""How somebody's function becomes a kernel: loaded, called, launched, isolated."""

from __future__ import annotations

from conformance.kernel.subject import (
    PROBLEM_TENSORS,
    BadAnswer,
    Call,
    InputChanged,
    Kernel,
    Subject,
    UsageError,
    checked,
    load,
    oracle,
    unchanged,
)

__all__ = [
    "PROBLEM_TENSORS",
    "BadAnswer",
    "Call",
    "InputChanged",
    "Kernel",
    "Subject",
    "UsageError",
    "checked",
    "load",
    "oracle",
    "unchanged",
]
