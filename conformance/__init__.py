"""The suite: cases, the judge and the pytest plugin that brings a kernel to them.

What a program needs of it is here by name; nothing is loaded before it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conformance.kernel.declared import attention_kernel
    from conformance.numpy_bridge import from_numpy
    from conformance.problem_file import load as load_problem
    from conformance.problem_file import save as save_problem
    from conformance.torch_bridge import from_torch
    from conformance.torch_bridge.watch import Watch
    from conformance.verdict.ask import judge
    from conformance.verdict.explain import explain

__all__ = [
    "Watch",
    "attention_kernel",
    "explain",
    "from_numpy",
    "from_torch",
    "judge",
    "load_problem",
    "save_problem",
]

_HOMES = {
    "Watch": ("conformance.torch_bridge.watch", "Watch"),
    "attention_kernel": ("conformance.kernel.declared", "attention_kernel"),
    "explain": ("conformance.verdict.explain", "explain"),
    "from_numpy": ("conformance.numpy_bridge", "from_numpy"),
    "from_torch": ("conformance.torch_bridge", "from_torch"),
    "judge": ("conformance.verdict.ask", "judge"),
    "load_problem": ("conformance.problem_file", "load"),
    "save_problem": ("conformance.problem_file", "save"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"conformance has no {name}: it has {', '.join(__all__)}")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)
