"""Tiling: ranges of rows and keys, axes of scores, heads of one key head, and hidden pairs."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from itertools import groupby
from typing import TypeVar

from reference.formats import Array
from reference.mask import Bools
from reference.problem.head import Head

Recall = Callable[[Hashable, Callable[[], Array]], Array]
"""Gives what a function made for a key before, or makes it."""
Item = TypeVar("Item")


def four_axes(x: Array) -> Array:
    """View of what broadcasts to (batch, heads_q, seqlen_q, seqlen_k), with all four axes."""
    return x.reshape((1,) * (4 - x.ndim) + x.shape)


def blocks(length: int, size: int, first: int = 0) -> Iterator[range]:
    """Ranges of `size` from `first` to `length`; the last may be shorter."""
    return (range(start, min(start + size, length)) for start in range(first, length, size))


def rows_of(x: Array, rows: range) -> Array:
    """View of some rows of an array, (len(rows), ...); `rows` steps by 1."""
    return x[rows.start : rows.stop]


def intersection(a: range, b: range) -> range:
    """The numbers that two ranges of step 1 share."""
    return range(max(a.start, b.start), min(a.stop, b.stop))


def hidden_pairs(head: Head, rows: range, keys: range, recall: Recall) -> Bools | None:
    """Which pairs of a tile the mask hides, (rows, keys) bool; None if it hides none."""
    mask = head.mask
    if mask.tile(rows, keys) == "full":
        return None
    if mask.keep is not None or mask.prefix:
        return ~mask.visible(rows, keys)
    step = rows.start - keys.start  # all that a window's edges depend on
    key = (step, len(rows), len(keys), mask.left, mask.right)
    return recall(key, lambda: ~mask.visible(rows, keys))


def by_key_head(items: Iterable[Item], head_of: Callable[[Item], Head]) -> Iterator[list[Item]]:
    """Items in lists, one for each key head of each sequence; `items` follow problem.heads()."""
    keyed = groupby(items, lambda item: (head_of(item).sequence, head_of(item).head_k))
    return (list(group) for _, group in keyed)
