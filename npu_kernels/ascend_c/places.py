"""Where values lie: the same of an array of the host and of a tensor of torch."""

from __future__ import annotations

from typing import Any

import numpy as np

Placed = Any
"""An array of NumPy, or a tensor of torch (which mypy does not see)."""


def address(values: Placed | None) -> int | None:
    """Where the first element begins; None where there is nothing."""
    if values is None:
        return None
    return int(values.ctypes.data if isinstance(values, np.ndarray) else values.data_ptr())


def strides(values: Placed) -> tuple[int, ...]:
    """Elements from one index of each axis to the next."""
    if isinstance(values, np.ndarray):
        return tuple(step // values.itemsize for step in values.strides)
    return tuple(values.stride())


def used_bytes(values: Placed) -> int:
    """Bytes from the first element to the end of the last; no stride is negative."""
    if 0 in values.shape:
        return 0
    sized = zip(strides(values), values.shape, strict=True)
    return int((sum(step * (size - 1) for step, size in sized) + 1) * values.itemsize)
