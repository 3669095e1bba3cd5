"""How far a kernel that keeps its contract may be from the oracle, element by element."""

from __future__ import annotations

from reference.bounds.allowed import Allowed, error_bound

__all__ = ["Allowed", "error_bound"]
