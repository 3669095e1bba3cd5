"""Weights and the errors of their exponents in float32.

The float32 path serves heads without softcap, bias, ALiBi and dropout. A factor that is constant in
a row enters a product of matrices as one more column, so that a tile takes few passes over memory.

Source: docs/numerics.md, section 8.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from reference.bounds.forward import Rows
from reference.bounds.roundoffs import Roundoffs
from reference.bounds.scaling import Units
from reference.bounds.scores import tiles
from reference.formats import Array
from reference.parallel.scratch import Scratch
from reference.problem.head import Head
from reference.problem.tiling import hidden_pairs, rows_of

WEIGHT = 2.0**24  # weights are held times this, so that their squares do not underflow
MARGIN = 1 + 1e-4  # for the roundings of float32
ROUGH = 2.0**-12  # above this u_p, the rounding of weights hides what a bound on |m| adds
UNDERFLOW = 2.0**-60  # smaller eta are negligible beside the roundoff of the smallest weight
COARSE = 2.0**-6  # row constants may add this much of the variance of rounding P and dS
KEPT = 2**21  # strips of at most so many elements are kept from the forward to the backward
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


def pieces_of(head: Head, strip: range, block_k: int) -> list[Piece]:
    """The tiles of a strip of rows, without the rows at their ends that see none of their keys."""
    pieces = []
    for keys in tiles(head, strip, block_k):
        rows = strip
        while head.mask.tile(rows[:EDGE], keys) == "empty":
            rows = rows[EDGE:]
        while head.mask.tile(rows[-EDGE:], keys) == "empty":
            rows = rows[:-EDGE]
        here = slice(rows.start - strip.start, rows.stop - strip.start)
        pieces.append(Piece(rows, keys, here))
    return pieces


def with_column(matrix: Array, column: Array | float) -> Array:
    """`matrix` and one more column, float32 (rows, columns + 1)."""
    wide = np.empty((matrix.shape[0], matrix.shape[1] + 1), np.float32)
    wide[:, :-1] = matrix
    wide[:, -1:] = column
    return wide


def scaled_keys(head: Head, units: Units, keys: range, scratch: Scratch) -> tuple[Array, Array]:
    """Scaled k and v of some keys and a column of ones, their sizes, their squares.

    Each is float32 (3, keys, dimension + 1): values, sizes, squares.
    """
    pair = []
    for name, tensor, unit in (("k", head.k, units.k), ("v", head.v, units.v)):
        x = scratch.take(name, 3, len(keys), tensor.shape[1] + 1)
        np.multiply(rows_of(tensor, keys), np.float32(1 / unit), out=x[0, :, :-1])
        x[0, :, -1] = 1.0
        np.abs(x[0], out=x[1])
        np.multiply(x[0], x[0], out=x[2])
        pair.append(x)
    return pair[0], pair[1]


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
    s : (rows, head_dim + 1)
        Times (k, 1): the score - lse + log(WEIGHT).
    lse : (rows, 1)
        lse - log(WEIGHT), which `s` subtracts.
    slope : float
        The unit of worst errors.
    row : (rows, 1)
        The part of `error` that is the same for all keys.
    error : (rows, head_dim + 1)
        Times (|k|, 1): `slope` times the worst error of the exponent, plus a constant.
    variance : (rows, head_dim + 1)
        Times (k**2, 1): the variance of the exponent without the term s**2, in units of `unit`.
    largest : (rows, 1)
        Bound on the size of scores.
    coarse : (rows, 1), or None
        A bound on `variance` times (k**2, 1); None where the bound would be felt beside the
        rounding of the weights.
    unit : float
        The unit of variances.
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


def exponents_of(
    r: Roundoffs,
    units: Units,
    q: Array,
    lse: Array,
    size: Array,
    *,
    slope: float,
    extra_error: float,
) -> Exponents:
    """The left factors of `slope` times the worst error plus `extra_error`, and of the variance.

    `size` is the magnitude of what a kernel subtracts from scores.
    """
    d = q.shape[1]
    unit = (r.variance(d) + (4 * r.u) ** 2) / 3
    shifted = (lse - math.log(WEIGHT)).astype(np.float32)
    row = slope * (4 * r.u * size + r.exp) + extra_error
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
    """The part of an exponent's variance that is the same for all keys of a row: (rows, 1)."""
    return (4 * r.u) ** 2 / 3 * size**2 + (r.exp_ulps**2 / 3 + r.exp_rel**2)


def norms(x: Array) -> Array:
    """The Euclidean norm of each row: (rows, 1)."""
    return np.asarray(np.sqrt(np.square(x).sum(axis=1, keepdims=True)))


@dataclass(frozen=True, eq=False)
class Tile:
    """A piece's weights times WEIGHT, 0 where hidden, and the errors of their exponents.

    Attributes
    ----------
    k, v : as scaled_keys gives them
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
        self, head: Head, units: Units, exponents: Exponents, pieces: list[Piece], scratch: Scratch
    ) -> None:
        self.head, self.units, self.exponents, self.pieces = head, units, exponents, pieces
        self.scratch = scratch
        sizes = [len(piece.rows) * len(piece.keys) for piece in pieces]
        self._keeps = sum(sizes) <= KEPT
        self._starts = np.concatenate([[0], np.cumsum(sizes)]) if self._keeps else [0] * len(pieces)
        self._made = [False] * len(pieces)
        self._size = sum(sizes) if self._keeps else max(sizes, default=0)

    def tile(self, at: int) -> Tile:
        """The tile of one piece; the next one may take its memory."""
        piece, exponents = self.pieces[at], self.exponents
        rows, keys = piece.rows, piece.keys
        k, v = scaled_keys(self.head, self.units, keys, self.scratch)
        hidden = hidden_pairs(self.head, rows, keys, self.scratch.recall)
        p, error = (self._take(name, at) for name in ("weights", "errors"))
        variance = self._take("variances", at) if exponents.coarse is None else None
        tile = Tile(k, v, hidden, p, error, variance)
        if self._made[at]:
            return tile
        self._made[at] = self._keeps
        np.matmul(exponents.s[piece.here], k[0].T, out=p)
        if variance is not None:
            self.spread(piece, k, p, variance)
        np.exp(p, out=p)
        if hidden is not None:
            np.copyto(p, 0.0, where=hidden)
        np.matmul(exponents.error[piece.here], k[1].T, out=error)
        return tile

    def spread(self, piece: Piece, k: Array, x: Array, variance: Array) -> None:
        """Write the variance of exponents from `x`, the scores less lse."""
        s = self.scratch.take("s", *x.shape)
        np.add(x, self.exponents.lse[piece.here], out=s)
        np.multiply(s, s, out=s)
        np.matmul(self.exponents.variance[piece.here], k[2].T, out=variance)
        variance += s

    def _take(self, name: str, at: int) -> Array:
        piece, start = self.pieces[at], int(self._starts[at])
        n = len(piece.rows) * len(piece.keys)
        memory = self.scratch.take(name, self._size)
        return memory[start : start + n].reshape(len(piece.rows), len(piece.keys))


def size_of_maximum(
    head: Head, r: Roundoffs, units: Units, at: Rows, pieces: list[Piece], scratch: Scratch
) -> Array:
    """|m| of a strip, (rows, 1); in low precision a bound, from lse - log(terms) <= m <= lse."""
    if r.u_p > ROUGH:
        return np.maximum(np.abs(at.lse), np.abs(at.lse - math.log(head.seqlen_k + 1)))
    m = np.full_like(at.lse, -np.inf if head.sink is None else head.sink)
    q = units.scaled_q(head, at.rows)
    for piece in pieces:
        s = q[piece.here] @ units.scaled_k(head, piece.keys).T
        if (hidden := hidden_pairs(head, piece.rows, piece.keys, scratch.recall)) is not None:
            np.copyto(s, -np.inf, where=hidden)
        np.maximum(m[piece.here], s.max(axis=1, keepdims=True), out=m[piece.here])
    return np.where(np.isfinite(m), np.abs(m), 0.0)
