"""Arrays whose elements do not lie end to end: their steps, kept when they are copied."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reference.formats import Array


def steps_of(array: Array | None) -> tuple[int, ...] | None:
    """Elements from one index to the next, along each axis; None if `array` is contiguous."""
    if array is None or array.flags.c_contiguous:
        return None
    return tuple(stride // array.itemsize for stride in array.strides)


def with_steps(values: Array, steps: Sequence[int]) -> Array:
    """A copy of `values` with the given steps; floats in the gaps are NaN.

    Raises
    ------
    ValueError
        If there is not one step for each axis.
    """
    if len(steps) != values.ndim:
        raise ValueError(f"steps are {list(steps)}: give one for each axis of {values.shape}")
    reach = [step * (size - 1) for step, size in zip(steps, values.shape, strict=True)]
    first = -sum(min(0, ends) for ends in reach)
    length = first + sum(max(0, ends) for ends in reach) + 1 if values.size else 0
    fill = np.nan if np.issubdtype(values.dtype, np.floating) else 0
    buffer = np.full(length, fill, values.dtype)
    itemsize = values.itemsize
    strides = tuple(step * itemsize for step in steps)
    array: Array = np.ndarray(values.shape, values.dtype, buffer, first * itemsize, strides)
    array[...] = values
    return array
