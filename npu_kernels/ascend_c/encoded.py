"""A problem as the kernels' library takes it: NpuProblem over arrays or tensors."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from npu_kernels.ascend_c import structs
from npu_kernels.ascend_c.places import Placed, address, strides, used_bytes
from npu_kernels.ascend_c.tile_bits import TileBits
from reference.formats import BF16, FP16, Array, Format

FORMATS = (FP16, BF16)  # numbered as in abi.h
ANCHORS = ("bottom-right", "top-left")  # the same
FARTHEST = 2**62  # what an integer of abi.h holds, and far beyond any sequence


@dataclass(frozen=True, eq=False, kw_only=True)
class EncodedProblem:
    """The inputs of a launch. Arrays may have any strides that are not negative.

    What kernels read may be tensors of torch in the place of arrays, all of one device: values of
    16 bits then have a type of any name. The library itself reads prefix and cu_seqlens, which are
    arrays of the host.

    Shapes and types have been checked: those of a Problem by reference.problem, those of torch
    tensors by npu_kernels.flash_attn. The library checks sizes, offsets and memory again.

    Attributes
    ----------
    q : (batch, seqlen_q, heads_q, head_dim) uint16, packed (total_q, heads_q, head_dim)
    k : (batch, seqlen_k, heads_k, head_dim) uint16, packed (total_k, heads_k, head_dim)
    v : (batch, seqlen_k, heads_k, head_dim_v) uint16, packed (total_k, heads_k, head_dim_v)
        The innermost stride is 1.
    format : FP16 or BF16
    scale : float
    window : (left, right), each an integer or None
    anchor : "bottom-right" or "top-left"
    prefix : (batch,) int64, or None
    bias : (1 or batch, 1 or heads_q, 1 or seqlen_q, 1 or seqlen_k) uint16, or None
        The innermost stride is 1.
    keep : TileBits, or None
    dropout : TileBits, or None
    keep_prob : float
        1 without dropout.
    slopes : (heads_q,) or (batch, heads_q) float32, or None
    sink : (heads_q,) float32, or None
    softcap : float that is positive in fp32, or None
    cu_seqlens_q, cu_seqlens_k : (batch + 1,) int64, or None

    Raises
    ------
    ValueError
        If the softcap rounds to 0 in fp32, which the library would read as none.
    """

    q: Placed
    k: Placed
    v: Placed
    format: Format
    scale: float
    window: tuple[int | None, int | None] = (None, None)
    anchor: Literal["bottom-right", "top-left"] = "bottom-right"
    prefix: Array | None = None
    bias: Placed | None = None
    keep: TileBits | None = None
    dropout: TileBits | None = None
    keep_prob: float = 1.0
    slopes: Placed | None = None
    sink: Placed | None = None
    softcap: float | None = None
    cu_seqlens_q: Array | None = None
    cu_seqlens_k: Array | None = None

    def __post_init__(self) -> None:
        if self.softcap is not None and ctypes.c_float(self.softcap).value == 0:
            raise ValueError(
                f"softcap: {self.softcap} rounds to 0 in fp32: give a larger number, or none"
            )

    @property
    def is_packed(self) -> bool:
        """Whether sequences lie end to end."""
        return self.cu_seqlens_q is not None

    @property
    def batch(self) -> int:
        """Number of sequences."""
        return int(self.q.shape[0] if self.cu_seqlens_q is None else len(self.cu_seqlens_q) - 1)

    @property
    def seqlen_q(self) -> int:
        """Queries of the longest sequence."""
        return _longest(self.q, self.cu_seqlens_q)

    @property
    def seqlen_k(self) -> int:
        """Keys of the longest sequence."""
        return _longest(self.k, self.cu_seqlens_k)

    @property
    def shape_out(self) -> tuple[int, ...]:
        """Shape of out: like q, with head_dim_v."""
        return (*self.q.shape[:-1], self.v.shape[-1])

    @property
    def shape_lse(self) -> tuple[int, ...]:
        """Shape of lse: (batch, heads_q, seqlen_q), packed (heads_q, total_q)."""
        rows, heads = self.q.shape[-3], self.q.shape[-2]
        return (heads, rows) if self.is_packed else (self.batch, heads, rows)

    def placed_by(self, place: Callable[[Array], Placed]) -> EncodedProblem:
        """The same problem where `place` puts each array that a kernel reads."""
        moved: dict[str, Any] = {}
        for name in ("keep", "dropout"):
            if (bits := getattr(self, name)) is not None:
                moved[name] = replace(bits, tiles=place(bits.tiles))
        for name in ("q", "k", "v", "bias", "slopes", "sink"):
            if (array := getattr(self, name)) is not None:
                moved[name] = place(array)
        return replace(self, **moved)

    def arrays(self) -> Mapping[str, Placed | None]:
        """What the library reads, by name."""
        return {
            **{name: getattr(self, name) for name in ("q", "k", "v", "bias", "slopes", "sink")},
            **{name: getattr(self, name) for name in ("prefix", "cu_seqlens_q", "cu_seqlens_k")},
            "keep": None if self.keep is None else self.keep.tiles,
            "dropout": None if self.dropout is None else self.dropout.tiles,
        }

    def struct(self) -> structs.ProblemStruct:
        """NpuProblem; it points into the arrays of this problem, which must outlive it."""
        left, right = (side_of(side) for side in self.window)
        return structs.ProblemStruct(
            batch=self.batch,
            heads_q=self.q.shape[-2],
            heads_k=self.k.shape[-2],
            seqlen_q=self.seqlen_q,
            seqlen_k=self.seqlen_k,
            head_dim=self.q.shape[-1],
            head_dim_v=self.v.shape[-1],
            cu_seqlens_q=address(self.cu_seqlens_q),
            cu_seqlens_k=address(self.cu_seqlens_k),
            prefix=address(self.prefix),
            window_left=left,
            window_right=right,
            anchor=ANCHORS.index(self.anchor),
            format=FORMATS.index(self.format),
            scale=self.scale,
            softcap=self.softcap or 0.0,
            keep_prob=self.keep_prob,
            q=tensor_struct(self.q),
            k=tensor_struct(self.k),
            v=tensor_struct(self.v),
            bias=_pairs_struct(self.bias),
            keep=_bits_struct(self.keep),
            dropout=_bits_struct(self.dropout),
            slopes=address(self.slopes),
            slopes_stride_batch=0
            if self.slopes is None or self.slopes.ndim == 1
            else self.q.shape[-2],
            sink=address(self.sink),
        )


def tensor_struct(tensor: Placed) -> structs.TensorStruct:
    """NpuTensor of (batch, seqlen, heads, dim), or packed of (total, heads, dim)."""
    steps = strides(tensor)[:-1]
    batch = () if len(steps) == 3 else (0,)
    return structs.TensorStruct(address(tensor), used_bytes(tensor), *batch, *steps)


def _pairs_struct(bias: Placed | None) -> structs.PairsStruct:
    if bias is None:
        return structs.PairsStruct()
    sized = zip(strides(bias), bias.shape, strict=True)
    steps = (stride if size > 1 else 0 for stride, size in sized)
    return structs.PairsStruct(address(bias), used_bytes(bias), *steps)


def _bits_struct(bits: TileBits | None) -> structs.BitsStruct:
    if bits is None:
        return structs.BitsStruct()
    batch = structs.UNBOUNDED if bits.stride_batch is None else bits.stride_batch
    tiles = bits.tiles
    return structs.BitsStruct(
        address(tiles), used_bytes(tiles), batch, bits.stride_head, bits.stride_row
    )


def side_of(side: int | None) -> int:
    """A side of a window in the library's terms."""
    return structs.UNBOUNDED if side is None else max(-FARTHEST, min(int(side), FARTHEST))


def _longest(tensor: Placed, cu_seqlens: Array | None) -> int:
    if cu_seqlens is None:
        return int(tensor.shape[1])
    return int(np.diff(cu_seqlens).max(initial=0))
