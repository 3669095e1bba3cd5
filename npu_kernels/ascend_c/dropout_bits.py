"""Dropout's keep bits by the mask kernel, in the tiles that the attention kernels read."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from npu_kernels.ascend_c import binding, structs, tile_bits
from npu_kernels.ascend_c.encoded import ANCHORS, side_of
from npu_kernels.ascend_c.guard import guarded
from npu_kernels.ascend_c.places import Placed, address, used_bytes
from npu_kernels.ascend_c.tile_bits import TILE, TileBits
from npu_kernels.emulator.options import EmulatorOptions
from npu_kernels.on_device.memory import OnDevice
from reference.dropout import Dropout
from reference.formats import Array
from reference.mask import Mask
from reference.problem import Problem

FUNCTION = "npu_dropout_mask"


@dataclass(frozen=True, eq=False, kw_only=True)
class DropoutBits:
    """What the mask kernel gave.

    Attributes
    ----------
    bits : TileBits
        The heads of a sequence side by side; pairs beyond a sequence are 0.
    remarks, counters : as in binding.CallReport
        visible=None if visible is None else ctypes.addressof(visible),
    """

    bits: TileBits
    remarks: tuple[str, ...]
    counters: tuple[binding.CoreCounters, ...]


def bits_of(
    library: ctypes.CDLL | OnDevice, problem: Problem, *, options: EmulatorOptions
) -> TileBits | None:
    """The decisions of a problem's dropout: drawn by the kernel, or those that it gives.

    None if it drops nothing.

    Raises
    ------
    ValueError, Declined, CheckFailed
        As `keep_bits`.
    """
    if problem.dropout is None or not problem.drops:
        return None
    if problem.dropout.bits is not None:
        return tile_bits.of_heads(
            head.dropout.keep(range(head.mask.seqlen_q), range(head.mask.seqlen_k))
            for head in problem.heads()
            if head.dropout is not None
        )
    return keep_bits(
        library,
        problem.dropout,
        seqlens_q=problem.seqlens_q,
        seqlens_k=problem.seqlens_k,
        heads_q=problem.heads_q,
        packed=problem.is_packed,
        options=options,
        mask=problem.mask,
    ).bits


def keep_bits(
    library: ctypes.CDLL | OnDevice,
    dropout: Dropout,
    *,
    seqlens_q: Sequence[int],
    seqlens_k: Sequence[int],
    heads_q: int,
    packed: bool,
    options: EmulatorOptions,
    mask: Mask | None = None,
) -> DropoutBits:
    """Launch the mask kernel: what a Philox stream decides for every pair of a problem.

    Parameters
    ----------
    library : a library that `loading.load` gave
    dropout : Dropout
        Without bits of its own.
    seqlens_q, seqlens_k : lengths of each sequence; all alike unless packed
    heads_q : int
    packed : bool
    mask : Mask, or None
        Decisions are made for its tiles of 128 x 128 that show a pair. None: for all.

    Raises
    ------
    ValueError
        If an argument cannot be; the text begins with its name.
    Declined
        If there are more pairs than the kernel can count.
    CheckFailed
        If the emulator refuses what the kernel does, or it wrote where it may not.
    """
    if dropout.bits is not None:
        raise ValueError("dropout: it has bits of its own: give a seed and an offset")
    offsets = {
        "cu_seqlens_q": _offsets(seqlens_q) if packed else None,
        "cu_seqlens_k": _offsets(seqlens_k) if packed else None,
    }
    shape = (heads_q * tiles_of(seqlens_q, seqlens_k), TILE, TILE // 8)
    bits = guarded("bits", shape, np.uint8, library=library)
    prefix = None if mask is None else prefix_of(mask, seqlens_k)
    visible = None if mask is None else visible_struct(mask.window, mask.anchor, prefix)
    report = binding.call(
        library,
        FUNCTION,
        mask_struct(
            dropout,
            bits.target,
            seqlens_q=seqlens_q,
            seqlens_k=seqlens_k,
            heads_q=heads_q,
            visible=visible,
            **offsets,
        ),
        batch=len(seqlens_q),
        reads=offsets,
        writes=[bits],
        options=options,
    )
    return DropoutBits(
        bits=TileBits(tiles=bits.array), remarks=report.remarks, counters=report.counters
    )


def tiles_of(seqlens_q: Sequence[int], seqlens_k: Sequence[int]) -> int:
    """Tiles of one head, over all sequences."""
    return sum(-(-q // TILE) * -(-k // TILE) for q, k in zip(seqlens_q, seqlens_k, strict=True))


def mask_struct(
    dropout: Dropout,
    bits: Placed,
    *,
    seqlens_q: Sequence[int],
    seqlens_k: Sequence[int],
    heads_q: int,
    cu_seqlens_q: Array | None,
    cu_seqlens_k: Array | None,
    visible: structs.VisibleStruct | None = None,
) -> structs.DropoutMaskStruct:
    """NpuDropoutMask, which points to bits, offsets and `visible`; they must outlive it."""
    return structs.DropoutMaskStruct(
        batch=len(seqlens_q),
        heads_q=heads_q,
        seqlen_q=max(seqlens_q, default=0),
        seqlen_k=max(seqlens_k, default=0),
        cu_seqlens_q=address(cu_seqlens_q),
        cu_seqlens_k=address(cu_seqlens_k),
        visible=None if visible is None else ctypes.addressof(visible),
        seed=dropout.seed,
        offset=dropout.offset,
        keep_prob=float(np.float32(1.0 - dropout.p)),
        bits=address(bits),
        bits_bytes=used_bytes(bits),
    )


def prefix_of(mask: Mask, seqlens_k: Sequence[int]) -> Array | None:
    """Keys that all queries of each sequence see, (batch,) int64; None without a prefix."""
    if mask.prefix is None:
        return None
    given = mask.prefix if isinstance(mask.prefix, tuple) else (mask.prefix,) * len(seqlens_k)
    longest = max(seqlens_k, default=0)  # a prefix beyond it says no more
    return np.array([min(length, longest) for length in given], np.int64)


def visible_struct(
    window: tuple[int | None, int | None], anchor: str, prefix: Array | None
) -> structs.VisibleStruct:
    """NpuVisible, which points to `prefix`; it must outlive it."""
    left, right = (side_of(side) for side in window)
    return structs.VisibleStruct(
        window_left=left,
        window_right=right,
        prefix=address(prefix),
        anchor=ANCHORS.index(anchor),
    )


def _offsets(seqlens: Sequence[int]) -> Array:
    return np.cumsum([0, *seqlens], dtype=np.int64)
