"""From a Problem to what the kernels' library is given: values in 16 bits, decisions in tiles."""

from __future__ import annotations

import numpy as np

from npu_kernels.ascend_c import tile_bits
from npu_kernels.ascend_c.bits16 import encode
from npu_kernels.ascend_c.dropout_bits import prefix_of
from npu_kernels.ascend_c.encoded import EncodedProblem
from npu_kernels.ascend_c.tile_bits import TileBits
from reference.formats import Array
from reference.problem import Problem

LESS_THAN_ONE = float(np.nextafter(np.float32(1), np.float32(0)))


def encode_problem(problem: Problem, *, dropout: TileBits | None = None) -> EncodedProblem:
    """What the library is given; tensors keep their strides, broadcast axes stay broadcast.

    `dropout` holds the decisions of the problem's dropout: see dropout_bits.bits_of.
    """
    return EncodedProblem(
        q=encode(problem.q, problem.format),
        k=encode(problem.k, problem.format),
        v=encode(problem.v, problem.format),
        format=problem.format,
        scale=problem.scale,
        window=problem.mask.window,
        anchor=problem.mask.anchor,
        prefix=prefix_of(problem.mask, problem.seqlens_k),
        bias=_bias(problem),
        keep=_keep(problem),
        dropout=dropout,
        keep_prob=_keep_prob(problem),
        slopes=_contiguous(problem.slopes),
        sink=_contiguous(problem.sink),
        softcap=problem.softcap,
        cu_seqlens_q=np.array(problem.offsets_q) if problem.is_packed else None,
        cu_seqlens_k=np.array(problem.offsets_k) if problem.is_packed else None,
    )


def _bias(problem: Problem) -> Array | None:
    """The bias in bits, with four axes; values that share memory are pulled apart."""
    if problem.bias is None:
        return None
    bits = encode(_four_axes(problem.bias), problem.format)
    step = bits.strides[2] // bits.itemsize
    overlap = bits.shape[2] > 1 and 0 < step < bits.shape[3]
    # Each has a gradient of its own; only an axis of size 1 stands for one value.
    sized = zip(bits.strides, bits.shape, strict=True)
    overlap |= any(stride == 0 and size > 1 for stride, size in sized)
    return bits.copy() if overlap else bits


def _keep(problem: Problem) -> TileBits | None:
    """Bits have no strides within a tile: queries and keys are expanded."""
    if problem.mask.keep is None:
        return None
    keep = _four_axes(problem.mask.keep)
    return tile_bits.of_pairs(
        np.broadcast_to(keep, (*keep.shape[:2], problem.max_seqlen_q, problem.max_seqlen_k))
    )


def _keep_prob(problem: Problem) -> float:
    """1 - p in float32; below 1 if there are decisions, as the library asks."""
    if problem.dropout is None or not problem.drops:
        return 1.0
    return min(float(np.float32(1.0 - problem.dropout.p)), LESS_THAN_ONE)


def _four_axes(array: Array) -> Array:
    return array.reshape((1,) * (4 - array.ndim) + array.shape)


def _contiguous(array: Array | None) -> Array | None:
    return None if array is None else np.ascontiguousarray(array)
