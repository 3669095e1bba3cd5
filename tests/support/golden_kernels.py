"""Kernels that golden records are tested with."""

from __future__ import annotations

from dataclasses import replace

from reference import dense
from reference.bounds import error_bound
from reference.formats import FP32
from reference.problem import Problem, Result, Unsupported
from support.sample_kernels import right


def near_the_bound(problem: Problem) -> Result:
    """Within the bound, but most of it is used; it goes by the name of a recorded kernel."""
    answer = right(problem)
    allowed = error_bound(problem, result=dense.attention(problem))
    return replace(answer, lse=FP32.round(answer.lse + 0.8 * allowed.worst.lse))


near_the_bound.name = "ascend[emulated]"
near_the_bound.toolchain = "emulator"


def forward_only(problem: Problem) -> Result:
    """Declines gradients and packed sequences."""
    if problem.dout is not None or problem.is_packed:
        raise Unsupported("backward" if problem.dout is not None else "varlen")
    return right(problem)


forward_only.digest = "one"
forward_only.toolchain = "tests"


def wrong(problem: Problem) -> Result:
    """Forgets the scale."""
    return right(problem.replace(scale=1.0))


wrong.digest = "one"


def raises(problem: Problem) -> Result:
    """Fails in its own way."""
    raise RuntimeError("tile 3 is not aligned")


raises.digest = "one"


def declines(problem: Problem) -> Result:
    """Knows nothing."""
    raise Unsupported("everything")


declines.digest = "one"


def nameless(problem: Problem) -> Result:
    """Does not say which code it is."""
    return right(problem)
