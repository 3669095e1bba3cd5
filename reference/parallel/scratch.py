"""Scratch: the memory of one worker's tiles, taken once and used for every tile."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from reference.formats import Array

RECALLED = 8


class Scratch:
    """Named uninitialised arrays; the same name gives the same memory again."""

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
            if len(self._recalled) == RECALLED:
                self._recalled.clear()
            self._recalled[key] = make()
        return self._recalled[key]
