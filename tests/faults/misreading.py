"""How a kernel takes a problem, or each of its heads, for another one of the same shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from faults.host_kernel import Host
from reference.formats import Array
from reference.problem import Problem, Result
from reference.problem.head import Head

Kernel = Callable[[Problem], Result]


def takes(**changes: Callable[[Problem], Any]) -> Host:
    """A kernel that reads other fields: scale=lambda problem: ... and so on."""

    def heads(problem: Problem) -> Iterable[Head]:
        return problem.replace(**{name: f(problem) for name, f in changes.items()}).heads()

    return Host(heads=heads)


def takes_mask(**changes: Any) -> Host:
    """A kernel that reads other fields of the mask; a function is called with the problem."""

    def mask(problem: Problem) -> Any:
        fields = {k: f(problem) if callable(f) else f for k, f in changes.items()}
        return replace(problem.mask, **fields)

    return takes(mask=mask)


def takes_head(change: Callable[[Head, Problem], Head]) -> Host:
    """A kernel that reads other heads."""
    return Host(heads=lambda problem: (change(head, problem) for head in problem.heads()))


def only_backward(steps: Host) -> Host:
    """A kernel whose forward pass is right."""
    return Host(backward=steps)


def only_forward(steps: Host) -> Host:
    """A kernel whose backward pass is right."""
    return replace(steps, backward=Host())


def four(array: Array) -> Array:
    """(batch, heads_q, seqlen_q, seqlen_k), 1 where broadcast."""
    return array.reshape((1,) * (4 - array.ndim) + array.shape)


def round_up(length: int, multiple: int) -> int:
    """The next multiple, or the length itself."""
    return -(-length // multiple) * multiple


def round_down(length: int, multiple: int) -> int:
    """The last multiple, or the length itself."""
    return length // multiple * multiple


def as_if_contiguous(tensor: Array) -> Array:
    """The memory that a contiguous tensor of this shape would have, from the same address."""
    strides = np.zeros(tensor.shape, np.bool_).strides
    return np.lib.stride_tricks.as_strided(
        tensor, strides=[stride * tensor.itemsize for stride in strides], writeable=False
    )
