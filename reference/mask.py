"""Which keys each query sees: a predicate on (i, j), asked tile by tile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reference.formats import describe

Bools = NDArray[np.bool_]
Anchor = Literal["bottom-right", "top-left"]
Tile = Literal["empty", "full", "partial"]

ANCHORS = ("bottom-right", "top-left")


@dataclass(frozen=True, eq=False, kw_only=True)
class Mask:
    """Query i of a sequence sees key j iff ((left edge <= j <= right edge) or j < prefix) and keep.

    Attributes
    ----------
    window : (left, right), each an integer or None
        The edges are ``i + shift - left`` and ``i + shift + right``; None is unbounded.
        Causal is ``(None, 0)``. Negative sizes are legal and may leave rows that see nothing.
    anchor : "bottom-right" or "top-left"
        shift is ``seqlen_k - seqlen_q`` of each sequence, or 0.
    prefix : int >= 0, or one for each sequence, or None
        Keys before it are seen by every query of the sequence, whatever the window says.
    keep : bool array, or None
        Broadcastable to (batch, heads_q, seqlen_q, seqlen_k); packed: (sequences, heads_q,
        max_seqlen_q, max_seqlen_k), whose top-left part belongs to each sequence.

    Raises
    ------
    ValueError
        If a field has none of these forms. Shapes are checked where the problem is known.
    """

    window: tuple[int | None, int | None] = (None, None)
    anchor: Anchor = "bottom-right"
    prefix: int | tuple[int, ...] | None = None
    keep: Bools | None = None

    def __post_init__(self) -> None:
        if not (
            isinstance(self.window, tuple)
            and len(self.window) == 2
            and all(side is None or isinstance(side, (int, np.integer)) for side in self.window)
        ):
            raise ValueError(
                f"mask window is {self.window!r}: give (left, right), each an integer or None"
            )
        if self.anchor not in ANCHORS:
            raise ValueError(f"mask anchor is {self.anchor!r}: give one of {', '.join(ANCHORS)}")
        keep = self.keep
        if keep is not None and (
            not isinstance(keep, np.ndarray) or keep.dtype != np.bool_ or keep.ndim > 4
        ):
            raise ValueError(
                f"mask keep is {describe(keep)}: give a bool array "
                "broadcastable to (batch, heads_q, seqlen_q, seqlen_k)"
            )
        if isinstance(self.prefix, (list, np.ndarray)):
            object.__setattr__(self, "prefix", tuple(int(length) for length in self.prefix))
        prefix = self.prefix if isinstance(self.prefix, tuple) else (self.prefix or 0,)
        if not all(isinstance(length, (int, np.integer)) and length >= 0 for length in prefix):
            raise ValueError(f"mask prefix is {self.prefix!r}: give lengths that are not negative")


@dataclass(frozen=True, eq=False, kw_only=True)
class HeadMask:
    """The mask of one head of one sequence.

    Attributes
    ----------
    seqlen_q, seqlen_k : int
    left, right : int or None
        Edges of row 0: row i sees ``i + left <= j <= i + right`` (None: unbounded).
    prefix : int
    keep : (seqlen_q, seqlen_k) bool, or None
    """

    seqlen_q: int
    seqlen_k: int
    left: int | None
    right: int | None
    prefix: int
    keep: Bools | None

    def tile(self, rows: range, keys: range) -> Tile:
        """Whether no, every or some pair of a non-empty tile is visible."""
        if self._band_is_empty(rows, keys):
            return "empty"
        if self.keep is None:
            return "full" if self._band_is_full(rows, keys) else "partial"
        seen = self.visible(rows, keys)
        return "full" if seen.all() else "partial" if seen.any() else "empty"

    def visible(self, rows: range, keys: range) -> Bools:
        """Which pairs of a tile are visible: (len(rows), len(keys)) bool."""
        i, j = np.arange(rows.start, rows.stop)[:, None], np.arange(keys.start, keys.stop)
        seen = np.ones((len(rows), len(keys)), np.bool_)
        if self.left is not None:
            seen &= j >= i + self.left
        if self.right is not None:
            seen &= j <= i + self.right
        seen |= j < self.prefix
        if self.keep is not None:
            seen &= self.keep[_slice(rows), _slice(keys)]
        return seen

    def span(self, rows: range) -> range:
        """The keys that some of `rows` may see, as far as window and prefix tell."""
        first, last = 0, self.seqlen_k
        if not rows:
            return range(0)
        if self.left is not None and self.prefix == 0:
            first = max(first, rows.start + self.left)
        if self.right is not None:
            last = min(last, max(rows.stop + self.right, self.prefix))
        return range(first, max(first, last))

    def sees(self) -> Bools:
        """Which rows see any key: (seqlen_q,) bool."""
        i = np.arange(self.seqlen_q)
        first = np.zeros_like(i) if self.left is None else np.maximum(i + self.left, 0)
        last = np.full_like(i, self.seqlen_k - 1)
        if self.right is not None:
            last = np.minimum(last, i + self.right)
        if self.keep is None:
            return (first <= last) | (min(self.prefix, self.seqlen_k) > 0)
        keys = range(self.seqlen_k)
        blocks = (range(r, min(r + 256, self.seqlen_q)) for r in range(0, self.seqlen_q, 256))
        seen = [self.visible(rows, keys).any(axis=1) for rows in blocks]
        return np.concatenate([np.zeros(0, np.bool_), *seen])

    def hides(self) -> bool:
        """Whether some pair is hidden by window and prefix (not by keep)."""
        rows, keys = range(self.seqlen_q), range(self.seqlen_k)
        return bool(rows) and bool(keys) and not self._band_is_full(rows, keys)

    def _band_is_empty(self, rows: range, keys: range) -> bool:
        before = self.left is not None and keys.stop - 1 < rows.start + self.left
        after = self.right is not None and keys.start > rows.stop - 1 + self.right
        never = self.left is not None and self.right is not None and self.left > self.right
        return (before or after or never) and keys.start >= self.prefix

    def _band_is_full(self, rows: range, keys: range) -> bool:
        if keys.stop <= self.prefix:
            return True
        start = max(keys.start, self.prefix)
        from_left = self.left is None or start >= rows.stop - 1 + self.left
        to_right = self.right is None or keys.stop - 1 <= rows.start + self.right
        return from_left and to_right


def _slice(steps: range) -> slice:
    return slice(steps.start, steps.stop)
