"""Asks a kernel that failed once more, and says whether its answer changes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from conformance.kernel import KernelRaised
from conformance.verdict.error import equal
from reference.problem import Problem, Result

MOST = 20
"""Failures of one kernel that are asked again: more would say the same, and take as long again."""


def again(call: Callable[[Problem], Result], problem: Problem, first: Result) -> str:
    """One line: whether a failed answer comes again.

    Parameters
    ----------
    call : the kernel, or its backward, as a function of the problem alone
    problem : what it was asked
    first : its answer that failed

    The kernel is asked twice: with the same problem, and with a copy whose tensors lie elsewhere.
    """
    try:
        answers = [call(problem), call(_copy(problem))]
    except Exception as error:
        cause = error.__cause__ if isinstance(error, KernelRaised) else error
        return f"asked again, the kernel raised {type(cause).__name__}: {cause}"
    differing = [_differing(first, answer) for answer in answers]
    if not any(differing):
        return "asked again: the same again"
    worst = max(differing, key=lambda counts: sum(counts.values()))
    counts = ", ".join(f"{count} elements of {name}" for name, count in worst.items())
    return (
        f"asked again: differs from call to call: {counts}. The fault may depend on earlier calls, "
        "on where tensors lie or on a race: run alone, this test may pass"
    )


def _differing(first: Result, second: Result) -> dict[str, int]:
    """How many elements of each tensor are not the same, where any are."""
    counts = {}
    for name, tensor in first.tensors():
        other = getattr(second, name)
        if other is None or other.shape != tensor.shape:
            counts[name] = tensor.size
        elif count := int(np.count_nonzero(~equal(tensor, other))):
            counts[name] = count
    return counts


def _copy(problem: Problem) -> Problem:
    tensors = {
        name: tensor.copy()
        for name in ("q", "k", "v", "dout", "bias")
        if (tensor := getattr(problem, name)) is not None
    }
    return problem.replace(**tensors)
