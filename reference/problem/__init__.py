"""What is asked of a kernel, and what an answer looks like."""

from __future__ import annotations

from reference.problem.head import Head
from reference.problem.problem import Problem
from reference.problem.result import Result, Unsupported

__all__ = ["Head", "Problem", "Result", "Unsupported"]
