"""Kernels with nothing in their answers, for the suite's command line: docs/figures.md."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from reference import dense
from reference.problem import Problem, Result


def _filled_with(value: float) -> Callable[[Problem], Result]:
    def kernel(problem: Problem) -> Result:
        tensors = dense.attention(problem).tensors()
        return Result(**{name: np.full(x.shape, value, np.float32) for name, x in tensors})

    return kernel


def nothing(problem: Problem) -> Result:
    """Give no tensor."""
    return Result()


def no_gradients(problem: Problem) -> Result:
    """Give out and lse, whatever is asked."""
    right = dense.attention(problem)
    out = problem.format.round(right.out).astype(np.float32)
    return Result(out=out, lse=right.lse.astype(np.float32))


nan = _filled_with(np.nan)
zeros = _filled_with(0.0)
