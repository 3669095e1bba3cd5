"""Weights and the errors of their exponents in float32.

It serves heads without softcap, bias, ALiBi and dropout. Whatever is constant in a row enters a
product of matrices as one column more, so that a tile takes few passes over memory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from reference.bounds.forward import Rows
from reference.bounds.roundoffs import Roundoffs
from reference.bounds.scaling import Units
from reference.bounds.scores import tiles
from reference.bounds.scratch import Scratch
from reference.formats import Array
from reference.problem.head import Head

WEIGHT = 2.0**24  # weights are held times this, so that their squares do not underflow
MARGIN = 1 + 1e-4  # for the roundings of float32
ROUGH = 2.0**-12  # above it the rounding of weights hides what a bound on |m| adds
UNDERFLOW = 2.0**-60  # smaller quanta are nothing beside the roundoff of the smallest weight
COARSE = 2.0**-6  # of the variance of rounding P and dS: what row constants may add
KEPT = 2**21  # elements of a strip that are kept between forward and backward, not made again
EDGE = 128  # rows that a tile leaves out together where they see none of its keys


@dataclass(frozen=True)
class Piece:
    """A tile, less the rows at its ends that see nothing of it.

    Attributes
    ----------
    rows, keys : range
    here : slice
        The rows' place in their strip.
    """

    rows: range
    keys: range
    here: slice


def pieces(head: Head, strip: range, block_k: int) -> list[Piece]:
    """The tiles of a strip of rows."""
    found = []
    for keys in tiles(head, strip, block_k):
        rows = strip
        while head.mask.tile(rows[:EDGE], keys) == "empty":
            rows = rows[EDGE:]
        while head.mask.tile(rows[-EDGE:], keys) == "empty":
            rows = rows[:-EDGE]
        here = slice(rows.start - strip.start, rows.stop - strip.start)
        found.append(Piece(rows, keys, here))
    return found


def with_column(matrix: Array, column: Array | float) -> Array:
    """`matrix` with one column more, in float32."""
    wide = np.empty((matrix.shape[0], matrix.shape[1] + 1), np.float32)
    wide[:, :-1] = matrix
    wide[:, -1:] = column
    return wide


def hidden_pairs(head: Head, rows: range, keys: range, scratch: Scratch) -> Array | None:
    """Which pairs of a tile are hidden; None if none is."""
    mask = head.mask
    if mask.tile(rows, keys) == "full":
        return None
    if mask.keep is not None or mask.prefix:
        return ~mask.visible(rows, keys)
    step = rows.start - keys.start  # all that a window's edges depend on
    key = (step, len(rows), len(keys), mask.left, mask.right)
    return scratch.recall(key, lambda: ~mask.visible(rows, keys))


def over_keys(visible: Array | None, of_keys: Array) -> Array:
    """Sum over the visible keys, for each row; (1, n) if every pair is visible."""
    if visible is None:
        visible = np.ones((1, len(of_keys)), np.float32)
    return np.asarray(visible @ of_keys)


def steepest(largest: float) -> float:
    """A slope such that expm1(x) <= slope * x for x up to `largest`."""
    return float(np.expm1(largest)) / largest


@dataclass(frozen=True, eq=False)
class Exponents:
    """Left factors of the products with k that give scores and the errors of their exponents.

    Attributes
    ----------
    q : (rows, head_dim)
        Scaled.
    s : gives the score, less lse, with a column of ones; and log(WEIGHT) more
    lse : (rows, 1)
        What is subtracted there.
    slope : float
    row : (rows, 1)
    error : with |k| and a column of ones gives `slope` times the worst error, plus a constant;
        of it `row` is what does not depend on the key
    variance : with k**2 and a column of ones gives the variance in units of `unit`, but for s**2
    largest : (rows, 1)
        Bound on the size of scores.
    coarse : (rows, 1), or None
        A bound on that variance, but for s**2; None where it matters beside rounding the weights.
    """

    q: Array
    s: Array
    lse: Array
    slope: float
    row: Array
    error: Array
    variance: Array
    largest: Array
    coarse: Array | None
    unit: float


def exponents(
    r: Roundoffs, units: Units, q: Array, lse: Array, size: Array, *, slope: float, more: float
) -> Exponents:
    """`slope` times the worst error plus `more`, and the variance.

    `size` is the magnitude of what a kernel subtracts from scores.
    """
    d = q.shape[1]
    unit = (r.variance(d) + (4 * r.u) ** 2) / 3
    shifted = (lse - math.log(WEIGHT)).astype(np.float32)
    row = slope * (4 * r.u * size + r.exp) + more
    variance = with_column(r.variance(d) / unit * q**2, constant(r, size) / unit)
    largest = norms(q) * units.k_row  # by Cauchy and Schwarz, here and next
    coarse = norms(variance[:, :-1]) * units.k_fourth + variance[:, -1:]
    is_small = unit * (coarse + largest**2).max(initial=0.0) <= COARSE * r.u_ds**2
    return Exponents(
        q=q,
        s=with_column(q, -shifted),
        lse=shifted,
        slope=slope,
        row=row,
        error=with_column(slope * (r.gamma(d + 2) + 4 * r.u) * np.abs(q), row),
        variance=variance,
        largest=largest,
        coarse=coarse if is_small else None,
        unit=unit,
    )


def constant(r: Roundoffs, size: Array) -> Array:
    """The part of an exponent's variance that is the same for all keys."""
    return (4 * r.u) ** 2 / 3 * size**2 + (r.exp_ulps**2 / 3 + r.exp_rel**2)


def norms(x: Array) -> Array:
    """The Euclidean norm of each row: (rows, 1)."""
    return np.asarray(np.sqrt(np.square(x).sum(axis=1, keepdims=True)))


@dataclass(frozen=True, eq=False)
class Tile:
    """A piece's weights times WEIGHT, 0 where hidden, and the errors of their exponents.

    Attributes
    ----------
    k, v : Scratch.keys
    hidden : bool (rows, keys), or None where no pair is
    p : (rows, keys)
    error : (rows, keys)
        As `Exponents.error` says.
    variance : (rows, keys), or None where `Exponents.coarse` stands for it
    """

    k: Array
    v: Array
    hidden: Array | None
    p: Array
    error: Array
    variance: Array | None

    def visible(self) -> Array | None:
        """1 where a pair is visible, float32 (rows, keys); None where every pair is."""
        return None if self.hidden is None else (~self.hidden).astype(np.float32)


class Weights:
    """The tiles of a strip of rows: kept if there is room, or else made again."""

    def __init__(
        self, head: Head, units: Units, left: Exponents, some: list[Piece], scratch: Scratch
    ) -> None:
        self.head, self.units, self.left, self.pieces = head, units, left, some
        self.scratch = scratch
        sizes = [len(piece.rows) * len(piece.keys) for piece in some]
        self._keeps = sum(sizes) <= KEPT
        self._starts = np.concatenate([[0], np.cumsum(sizes)]) if self._keeps else [0] * len(some)
        self._made = [False] * len(some)
        self._size = sum(sizes) if self._keeps else max(sizes, default=0)

    def tile(self, at: int) -> Tile:
        """The tile of one piece; the next one may take its memory."""
        piece, left = self.pieces[at], self.left
        rows, keys = piece.rows, piece.keys
        k, v = self.scratch.keys(self.head, self.units, keys)
        hidden = hidden_pairs(self.head, rows, keys, self.scratch)
        p, error = (self._take(name, at) for name in ("weights", "errors"))
        variance = self._take("variances", at) if left.coarse is None else None
        tile = Tile(k, v, hidden, p, error, variance)
        if self._made[at]:
            return tile
        self._made[at] = self._keeps
        np.matmul(left.s[piece.here], k[0].T, out=p)
        if variance is not None:
            self.spread(piece, k, p, variance)
        np.exp(p, out=p)
        if hidden is not None:
            np.copyto(p, 0.0, where=hidden)
        np.matmul(left.error[piece.here], k[1].T, out=error)
        return tile

    def spread(self, piece: Piece, k: Array, x: Array, variance: Array) -> None:
        """Write the variance of exponents from `x`, the scores less lse."""
        s = self.scratch.take("s", *x.shape)
        np.add(x, self.left.lse[piece.here], out=s)
        np.multiply(s, s, out=s)
        np.matmul(self.left.variance[piece.here], k[2].T, out=variance)
        variance += s

    def _take(self, name: str, at: int) -> Array:
        piece, start = self.pieces[at], int(self._starts[at])
        n = len(piece.rows) * len(piece.keys)
        memory = self.scratch.take(name, self._size)
        return memory[start : start + n].reshape(len(piece.rows), len(piece.keys))


def size_of_maximum(
    head: Head, r: Roundoffs, units: Units, at: Rows, some: list[Piece], scratch: Scratch
) -> Array:
    """|m| of some rows; in low precision a bound, from lse - log(terms) <= m <= lse."""
    if r.u_p > ROUGH:
        return np.maximum(np.abs(at.lse), np.abs(at.lse - math.log(head.seqlen_k + 1)))
    m = np.full_like(at.lse, -np.inf if head.sink is None else head.sink)
    q = units.scaled_q(head, at.rows)
    for piece in some:
        s = q[piece.here] @ units.scaled_k(head, piece.keys).T
        if (hidden := hidden_pairs(head, piece.rows, piece.keys, scratch)) is not None:
            np.copyto(s, -np.inf, where=hidden)
        np.maximum(m[piece.here], s.max(axis=1, keepdims=True), out=m[piece.here])
    return np.where(np.isfinite(m), np.abs(m), 0.0)
