"""Scratch: arrays of one tile, used again for the next; fresh memory costs more than filling it."""

from __future__ import annotations

import numpy as np

from reference.bounds_exact import part
from reference.bounds_units import Units
from reference.formats import Array
from reference.head import Head


class Scratch:
    """Arrays of one tile at a time, for one thread.

    Parameters
    ----------
    head : Head
        Gives head_dim and head_dim_v.
    rows, keys : int
        Largest tile.
    """

    def __init__(self, head: Head, rows: int, keys: int) -> None:
        d, dv = head.k.shape[1], head.v.shape[1]
        self._pairs = [np.empty(rows * keys, np.float32) for _ in range(7)]
        self._k = np.ones((3, keys, d + 1), np.float32)
        self._v = np.ones((3, keys, dv + 1), np.float32)
        size = max(rows, keys) * (max(d, dv) + 1)
        self._product, self._scaled = np.empty(size, np.float32), np.empty(size)

    def pairs(self, rows: int, keys: range) -> list[Array]:
        """Seven arrays of (rows, keys)."""
        return [flat[: rows * len(keys)].reshape(rows, len(keys)) for flat in self._pairs]

    def keys(self, head: Head, units: Units, keys: range) -> tuple[Array, Array]:
        """Scaled k and v of some keys and a column of ones, their sizes, their squares.

        Each is (3, keys, dimension + 1).
        """
        k, v = self._k[:, : len(keys)], self._v[:, : len(keys)]
        np.multiply(part(head.k, keys), np.float32(1 / units.k), out=k[0, :, :-1])
        np.multiply(part(head.v, keys), np.float32(1 / units.v), out=v[0, :, :-1])
        for x in (k, v):
            np.abs(x[0], out=x[1])
            np.square(x[0], out=x[2])
        return k, v

    def add(self, total: Array, left: Array, right: Array, factor: float = 1.0) -> None:
        """Add `factor` times a product of float32 matrices to a float64 `total`."""
        n, d = left.shape[0], right.shape[1]
        product = np.matmul(left, right, out=self._product[: n * d].reshape(n, d))
        scaled = self._scaled[: n * d].reshape(n, d)
        total += np.multiply(product, np.float64(factor), out=scaled, dtype=np.float64)
