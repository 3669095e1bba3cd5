"""Dropout's keep bits by the mask kernel, in the tiles that the attention kernels read."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from npu_kernels import binding, structs
from npu_kernels.guard import guarded
from npu_kernels.knobs import Knobs
from npu_kernels.question import address
from npu_kernels.tile_bits import TILE, TileBits
from reference.dropout import Dropout


@dataclass(frozen=True, eq=False, kw_only=True)
class KeepBits:
    """What the mask kernel gave.

    Attributes
    ----------
    bits : TileBits
        The heads of a sequence side by side; pairs beyond a sequence are 0.
    said : binding.Said
    """

    bits: TileBits
    said: binding.Said


def keep_bits(
    library: ctypes.CDLL,
    dropout: Dropout,
    *,
    seqlens_q: Sequence[int],
    seqlens_k: Sequence[int],
    heads_q: int,
    packed: bool,
    knobs: Knobs,
) -> KeepBits:
    """Launch the mask kernel: the decisions of a Philox stream for every pair of a problem.

    Parameters
    ----------
    library : a library that `binding.load` gave
    dropout : Dropout
        Without explicit bits.
    seqlens_q, seqlens_k : lengths of each sequence; all alike unless packed
    heads_q : int
    packed : bool

    Raises
    ------
    ValueError
        If an argument cannot be; the text begins with its name.
    Declined
        If the pairs are too many for the kernel's counter.
    CheckFailed
        If the emulator refuses what the kernel does, or it wrote where it may not.
    """
    if dropout.bits is not None:
        raise ValueError("dropout: its bits are explicit: give a seed and an offset")
    ends = {
        "cu_seqlens_q": _offsets(seqlens_q) if packed else None,
        "cu_seqlens_k": _offsets(seqlens_k) if packed else None,
    }
    tiles = sum(-(-q // TILE) * -(-k // TILE) for q, k in zip(seqlens_q, seqlens_k, strict=True))
    bits = guarded("bits", (heads_q * tiles, TILE, TILE // 8), np.uint8)
    asked = structs.DropoutMask(
        batch=len(seqlens_q),
        heads_q=heads_q,
        seqlen_q=max(seqlens_q, default=0),
        seqlen_k=max(seqlens_k, default=0),
        **{name: address(offsets) for name, offsets in ends.items()},
        seed=dropout.seed,
        offset=dropout.offset,
        keep_prob=float(np.float32(1.0 - dropout.p)),
        bits=address(bits.array),
        bits_bytes=bits.array.nbytes,
    )
    said = binding.call(library, "npu_dropout_mask", asked, reads=ends, writes=[bits], knobs=knobs)
    return KeepBits(bits=TileBits(tiles=bits.array), said=said)


def _offsets(seqlens: Sequence[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.cumsum([0, *seqlens], dtype=np.int64)
