"""The oracle under the suite: what a correct kernel looks like to it."""

from __future__ import annotations

from reference import blockwise
from reference.contract import Contract
from reference.problem import Problem, Result


def oracle(problem: Problem) -> Result:
    """The blockwise oracle as a kernel: in float32, rounded where the default Contract says."""
    return blockwise.attention(problem, contract=Contract())
