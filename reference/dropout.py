"""Which attention weights dropout keeps: a Philox4x32-10 stream, or packed bits."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from reference.formats import Array, describe

Words = NDArray[np.uint32]
Wide = NDArray[np.uint64]

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_WORD = np.uint64(32)


def philox4x32(counter: Words, key: tuple[int, int], *, rounds: int = 10) -> Words:
    """Four random 32-bit words for each 128-bit counter, (..., 4) uint32: Philox4x32.

    Parameters
    ----------
    counter : (..., 4) uint32
    key : two 32-bit integers, low word first

    Source: Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3".
    """
    c0, c1, c2, c3 = (np.array(counter[..., word], np.uint64) for word in range(4))
    return np.stack(philox_rounds(c0, c1, c2, c3, key, rounds=rounds), axis=-1).astype(np.uint32)


def philox_rounds(
    c0: Wide, c1: Wide, c2: Wide, c3: Wide, key: tuple[int, int], *, rounds: int = 10
) -> tuple[Wide, Wide, Wide, Wide]:
    """The four words of Philox4x32 for counters c0 ... c3, each uint64 and written over its input.

    Fast while the four arrays and a spare one fit into a core's cache.
    """
    k0, k1 = key
    high = np.empty_like(c0)
    for _ in range(rounds):
        c0 *= _MULTIPLIERS[0]  # the product's high half is mixed in, its low half is a word
        c2 *= _MULTIPLIERS[1]
        for product, word, step in ((c2, c1, k0), (c0, c3, k1)):
            np.right_shift(product, _WORD, out=high)
            word ^= high
            word ^= np.uint64(step)
            word &= _LOW
        c0, c1, c2, c3 = c1, c2, c3, c0
        k0, k1 = (k0 + _KEY_STEPS[0]) & 0xFFFFFFFF, (k1 + _KEY_STEPS[1]) & 0xFFFFFFFF
    c1 &= _LOW
    c3 &= _LOW
    return c0, c1, c2, c3


@cache
def keep_threshold(p: float) -> int:
    """The number of 32-bit words that keep their element: words below it keep, others drop.

    A word's place in [0, 1), ``float32(word) 2**-32 + 2**-33``, does not fall as the word rises, so
    the words below ``float32(1 - p)`` are the lowest ones.
    """
    keep = np.float32(1.0 - p)

    def is_dropped(word: int) -> bool:
        return not np.float32(word) * np.float32(2.0**-32) + np.float32(2.0**-33) < keep

    return bisect_left(range(2**32), True, key=is_dropped)


@dataclass(frozen=True, eq=False, kw_only=True)
class Dropout:
    """Dropout of attention weights: each is kept or zeroed, and the kept are scaled by 1/(1-p).

    Attributes
    ----------
    p : float in [0, 1)
        Probability of dropping; 0 draws nothing and drops nothing.
    seed, offset : int, unsigned 64-bit
        The Philox key and the upper half of its counter.
    bits : uint8 array, or None
        Explicit decisions instead of the stream: LSB first, 1 = keep, flat over the elements.

    Element t of a problem is ``((b heads_q + n) seqlen_q + i) seqlen_k + j``; of a packed problem
    ``heads_q sum_{c<b} seqlen_q_c seqlen_k_c + (n seqlen_q_b + i) seqlen_k_b + j``. It is kept iff
    ``float32(word) 2**-32 + 2**-33 < float32(1 - p)``, in float32, with word ``t % 4`` of the
    Philox block whose counter is ``(t // 4, offset)``.

    Raises
    ------
    ValueError
        If p is outside [0, 1), seed or offset no unsigned 64-bit integer, or bits not uint8.

    Source: docs/architecture.md, "Dropout elements".
    """

    p: float
    seed: int = 0
    offset: int = 0
    bits: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.p < 1:
            raise ValueError(f"dropout p is {self.p}: give a probability in [0, 1)")
        for name in ("seed", "offset"):
            if not 0 <= getattr(self, name) < 2**64:
                raise ValueError(
                    f"dropout {name} is {getattr(self, name)}: give an unsigned 64-bit integer"
                )
        bits = self.bits
        if bits is not None and (
            not isinstance(bits, np.ndarray) or bits.dtype != np.uint8 or bits.ndim != 1
        ):
            raise ValueError(
                f"dropout bits are {describe(bits)}: give a flat uint8 array, "
                "as np.packbits(keep, bitorder='little') makes it"
            )

    @property
    def scale(self) -> float:
        """What kept weights are multiplied by: 1 / (1 - p)."""
        return 1.0 / (1.0 - self.p)

    def keep(self, first: Array, count: int) -> NDArray[np.bool_]:
        """Decisions for elements first[r], ..., first[r] + count - 1, one row for each r.

        Parameters
        ----------
        first : (rows,) int64
            Flat element indices.
        count : int
            Elements to a row.

        Returns
        -------
        (rows, count) bool
        """
        first = np.asarray(first, np.int64)
        if self.bits is not None:
            t = first[:, None] + np.arange(count)
            return np.asarray(
                (self.bits[t >> 3] >> (t & 7).astype(np.uint8)) & np.uint8(1), np.bool_
            )
        blocks = ((first >> 2)[:, None] + np.arange((count + 6) // 4)).astype(np.uint64)
        c2 = np.full_like(blocks, self.offset & 0xFFFFFFFF)
        c3 = np.full_like(blocks, self.offset >> 32)
        key = (self.seed & 0xFFFFFFFF, self.seed >> 32)
        kept = np.empty((*blocks.shape, 4), np.bool_)
        for lane, word in enumerate(philox_rounds(blocks & _LOW, blocks >> _WORD, c2, c3, key)):
            np.less(word, np.uint64(keep_threshold(self.p)), out=kept[..., lane])
        by_word = kept.reshape(len(first), 4 * blocks.shape[1])
        decisions = np.empty((len(first), count), np.bool_)
        for lane in range(4):
            rows = first & 3 == lane
            decisions[rows] = by_word[rows, lane : lane + count]
        return decisions


@dataclass(frozen=True, eq=False, kw_only=True)
class HeadDropout:
    """The dropout decisions of one query head of one sequence.

    Attributes
    ----------
    dropout : Dropout
    first : int
        Flat index of element (0, 0).
    seqlen_k : int
        Elements to a row.
    """

    dropout: Dropout
    first: int
    seqlen_k: int

    @property
    def scale(self) -> float:
        """What kept weights are multiplied by: 1 / (1 - p)."""
        return self.dropout.scale

    def keep(self, rows: range, keys: range) -> NDArray[np.bool_]:
        """Decisions for a tile, (len(rows), len(keys)) bool; `rows` and `keys` step by 1."""
        first = self.first + np.arange(rows.start, rows.stop) * self.seqlen_k + keys.start
        return self.dropout.keep(first, len(keys))
