"""Scratch: the memory of one thread's tiles; fresh memory costs more than filling it."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from reference.formats import Array

RECALLED = 8


class Scratch:
    """Named arrays for one thread; the same name gives the same memory again.

    Parameters
    ----------
    dtype : np.dtype
        The type of every array.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self._memory: dict[str, Array] = {}
        self._recalled: dict[Hashable, Array] = {}

    def take(self, name: str, *shape: int) -> Array:
        """A contiguous array of `shape`, with whatever was last left in it."""
        size = math.prod(shape)
        memory = self._memory.get(name)
        if memory is None or memory.size < size:
            memory = self._memory[name] = np.empty(size, self.dtype)
        return memory[:size].reshape(shape)

    def recall(self, key: Hashable, make: Callable[[], Array]) -> Array:
        """What `make` gave for this key, if that was among the last few asked for."""
        if key not in self._recalled:
            latest = list(self._recalled.items())[1 - RECALLED :]
            self._recalled = dict([*latest, (key, make())])
        return self._recalled[key]

    def zeros(self, name: str, *shape: int) -> Array:
        """An array of `shape`, filled with 0."""
        array = self.take(name, *shape)
        array[...] = 0.0
        return array

    def product(self, name: str, left: Array, right: Array) -> Array:
        """Left @ right, (len(left), right.shape[1])."""
        return np.matmul(left, right, out=self.take(name, len(left), right.shape[1]))

    def add(self, total: Array, left: Array, right: Array) -> None:
        """Add left @ right to `total`."""
        total += self.product("product", left, right)
