"""Scratch: arrays of one tile, used again for the next; fresh memory costs more than filling it."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable

import numpy as np

from reference.bounds.rows import part
from reference.bounds.scaling import Units
from reference.formats import Array
from reference.problem.head import Head

RECALLED = 8


class Scratch:
    """Named arrays for one thread; the same name gives the same memory again."""

    def __init__(self) -> None:
        self._memory: dict[str, Array] = {}
        self._recalled: dict[Hashable, Array] = {}

    def take(self, name: str, *shape: int) -> Array:
        """A contiguous float32 array of `shape`, with whatever was last left in it."""
        size = math.prod(shape)
        memory = self._memory.get(name)
        if memory is None or memory.size < size:
            memory = self._memory[name] = np.empty(size, np.float32)
        return memory[:size].reshape(shape)

    def recall(self, key: Hashable, make: Callable[[], Array]) -> Array:
        """What `make` gave for this key, if that was among the last few asked for."""
        if key not in self._recalled:
            latest = list(self._recalled.items())[1 - RECALLED :]
            self._recalled = dict([*latest, (key, make())])
        return self._recalled[key]

    def keys(self, head: Head, units: Units, keys: range) -> tuple[Array, Array]:
        """Scaled k and v of some keys and a column of ones, their sizes, their squares.

        Each is (3, keys, dimension + 1).
        """
        pair = []
        for name, tensor, unit in (("k", head.k, units.k), ("v", head.v, units.v)):
            x = self.take(name, 3, len(keys), tensor.shape[1] + 1)
            np.multiply(part(tensor, keys), np.float32(1 / unit), out=x[0, :, :-1])
            x[0, :, -1] = 1.0
            np.abs(x[0], out=x[1])
            np.multiply(x[0], x[0], out=x[2])
            pair.append(x)
        return pair[0], pair[1]

    def zeros(self, name: str, *shape: int) -> Array:
        """An array of zeros."""
        array = self.take(name, *shape)
        array[...] = 0.0
        return array

    def product(self, name: str, left: Array, right: Array) -> Array:
        """A product of matrices."""
        return np.matmul(left, right, out=self.take(name, len(left), right.shape[1]))

    def add(self, total: Array, left: Array, right: Array) -> None:
        """Add a product of matrices to `total`."""
        total += self.product("product", left, right)
