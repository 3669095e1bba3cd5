"""How a cube may add up, worked out here: what each order and rounding gives for one product.

Products of fp16 are exact in fp32; each order rounds its sums, to the nearest number or toward
zero.
"""

from __future__ import annotations

import numpy as np

from reference.formats import Array

TREE = 16  # terms of one tree
ORDERS = ("sequential", "tree16", "exact")


def operands(depth: int = 64) -> tuple[Array, Array]:
    """A (16, depth) and B (depth, 16), fp16, of so different sizes that the orders differ."""
    random = np.random.default_rng(7)
    size = (16, depth)
    values = random.normal(size=size) * 2.0 ** random.integers(-6, 7, size=size)
    other = random.normal(size=size) * 2.0 ** random.integers(-6, 7, size=size)
    return values.astype(np.float16), np.ascontiguousarray(other.astype(np.float16).T)


def product(a: Array, b: Array, *, order: str, truncates: bool) -> Array:
    """A B, (16, 16) fp32, where each sum is rounded as the order and the rounding say."""
    terms = a.astype(np.float64)[:, :, None] * b.astype(np.float64)[None]  # (16, depth, 16)
    if order == "exact":
        return _rounded(terms.sum(axis=1), truncates)
    parts = terms.swapaxes(0, 1)
    if order == "tree16":
        parts = np.stack(
            [_tree(parts[at : at + TREE], truncates) for at in range(0, len(parts), TREE)]
        )
    total = np.zeros(parts.shape[1:], np.float64)
    for part in parts:
        total = _rounded(total + part, truncates).astype(np.float64)
    return total.astype(np.float32)


def _tree(terms: Array, truncates: bool) -> Array:
    while len(terms) > 1:
        terms = _rounded(terms[::2] + terms[1::2], truncates).astype(np.float64)
    root: Array = terms[0]
    return root


def _rounded(sums: Array, truncates: bool) -> Array:
    """Sums of two fp32 numbers, exact in fp64 at these sizes, as fp32."""
    nearest = sums.astype(np.float32)
    if not truncates:
        return nearest
    too_far = np.abs(nearest.astype(np.float64)) > np.abs(sums)
    return np.where(too_far, np.nextafter(nearest, np.float32(0)), nearest)
