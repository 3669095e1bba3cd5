"""Which attention weights dropout keeps: a Philox4x32-10 stream, or packed bits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reference.formats import Array, describe

Words = NDArray[np.uint32]

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_WORD = np.uint64(32)


def philox4x32(counter: Words, key: tuple[int, int], *, rounds: int = 10) -> Words:
    """Philox4x32: four random 32-bit words for each 128-bit counter.

    Parameters
    ----------
    counter : (..., 4) uint32
    key : two 32-bit integers, low word first

    Source: Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3".
    """
    c0, c1, c2, c3 = (counter[..., word].astype(np.uint64) for word in range(4))
    k0, k1 = key
    for _ in range(rounds):
        first, second = _MULTIPLIERS[0] * c0, _MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (
            (second >> _WORD) ^ c1 ^ np.uint64(k0),
            second & _LOW,
            (first >> _WORD) ^ c3 ^ np.uint64(k1),
            first & _LOW,
        )
        k0, k1 = (k0 + _KEY_STEPS[0]) & 0xFFFFFFFF, (k1 + _KEY_STEPS[1]) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], axis=-1).astype(np.uint32)


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
        blocks = (first >> 2)[:, None] + np.arange((count + 6) // 4)
        counter = np.empty((*blocks.shape, 4), np.uint32)
        counter[..., 0], counter[..., 1] = blocks & 0xFFFFFFFF, blocks >> 32
        counter[..., 2], counter[..., 3] = self.offset & 0xFFFFFFFF, self.offset >> 32
        words = philox4x32(counter, (self.seed & 0xFFFFFFFF, self.seed >> 32))
        u = words.astype(np.float32) * np.float32(2.0**-32) + np.float32(2.0**-33)
        kept = (u < np.float32(1.0 - self.p)).reshape(len(first), 4 * blocks.shape[1])
        decisions: NDArray[np.bool_] = np.take_along_axis(
            kept, (first & 3)[:, None] + np.arange(count), axis=1
        )
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
