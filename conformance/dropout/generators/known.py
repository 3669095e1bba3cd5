"""Generators: where masks come from when no kernel is asked."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from conformance.dropout.generators import aicpu
from conformance.dropout.statistics.masks import Masks
from reference.dropout import Dropout, philox4x32, philox_rounds
from reference.formats import BF16, FP32, Format

Bits = NDArray[np.bool_]
Shape = tuple[int, int, int, int]
SHAPE = (2, 4, 256, 512)  # 2**20 elements, as many as meet their like at every distance

PIECE = 2**15  # elements at a time: their counters fit into a core's cache
PER_CALL = 10  # what torch_npu adds to the offset at each call, whatever the mask's size


@dataclass(frozen=True, kw_only=True)
class Generator:
    """A way to make the masks of consecutive calls.

    Attributes
    ----------
    what : str
        One line.
    keep : function (shape, *, p, seed, call) -> bool array of that shape
        Decisions of call number `call`, from 0.
    """

    what: str
    keep: Callable[..., Bits]

    def calls(
        self, count: int, *, p: float, shape: Shape = SHAPE, seed: int = 0
    ) -> Iterator[Masks]:
        """Masks of `count` consecutive calls."""
        for call in range(count):
            yield Masks(keep=self.keep(shape, p=p, seed=seed, call=call).reshape(shape), p=p)


def stream(dropout: Dropout, first: int, count: int) -> Bits:
    """Decisions of elements first, ..., first + count - 1, drawn piece by piece."""
    keep = np.empty(count, np.bool_)
    for start in range(0, count, PIECE):
        part = keep[start : start + PIECE]
        part[:] = dropout.keep(np.array([first + start]), part.size)[0]
    return keep


def philox(shape: Shape, *, p: float, seed: int, call: int) -> Bits:
    """Philox as docs/architecture.md, "Dropout elements", has it; torch_npu's offsets."""
    return stream(Dropout(p=p, seed=seed, offset=PER_CALL * call), 0, int(np.prod(shape)))


def pcg64(shape: Shape, *, p: float, seed: int, call: int) -> Bits:
    """NumPy's PCG64, which has nothing in common with Philox."""
    words = np.random.default_rng([seed, call]).integers(0, 2**32, shape, np.uint32)
    return words >= np.uint32(round(p * 2**32))


def ascend950(
    count: int, *, keep_prob: float, seed: int, offset: int, prob_format: Format = FP32
) -> Bits:
    """The Ascend950 operator stateless_drop_out_gen_mask, written as its NumPy golden describes it.

    Parameters
    ----------
    prob_format : Format
        Of the tensor that `keep_prob` is given in.

    Source: cann/ops-math, random/stateless_drop_out_gen_mask. Not compared with a device; whether
    the attention operator of that chip draws the same bits is not published.
    """
    blocks = np.arange(-(-count // 4), dtype=np.uint64)
    counter = np.empty((blocks.size, 4), np.uint32)
    counter[:, 0], counter[:, 1] = blocks & np.uint64(0xFFFFFFFF), blocks >> np.uint64(32)
    counter[:, 2], counter[:, 3] = offset & 0xFFFFFFFF, offset >> 32
    words = philox4x32(counter, (seed & 0xFFFFFFFF, seed >> 32)).reshape(-1)[:count]
    u = words.astype(np.float32) * np.float32(2.0**-32) + np.float32(2.0**-33)
    return np.asarray(u < prob_format.round(np.array(keep_prob, np.float32)))


def _ascend950(prob_format: Format) -> Callable[..., Bits]:
    def keep(shape: Shape, *, p: float, seed: int, call: int) -> Bits:
        count, offset = int(np.prod(shape)), PER_CALL * call
        return ascend950(count, keep_prob=1 - p, seed=seed, offset=offset, prob_format=prob_format)

    return keep


@cache
def _dropped_words(p: float) -> int:
    """How many of the 2**32 words are at most p as curand makes floats of them."""
    limit = np.float32(p)
    return bisect_left(
        range(2**32),
        True,
        key=lambda word: bool(
            np.float32(word) * np.float32(2.0**-32) + np.float32(2.0**-33) > limit
        ),
    )


def torch_mem_efficient(shape: Shape, *, p: float, seed: int, call: int) -> Bits:
    """PyTorch's memory-efficient attention on CUDA.

    Element t is word offset + t of curand's Philox stream (seed, subsequence 0), kept if its float
    is above p. A call moves the offset by its elements, in whole fours.

    Source: pytorch, aten/src/ATen/native/transformers/cuda/attention.cu, rand_uniform_kernel, and
    kernel_forward.h. Its flash attention, which follows the layout of tensor-core fragments, is not
    written here. Not compared with a device.
    """
    count = int(np.prod(shape))
    keep = np.empty(count, np.bool_)
    offset = call * -(-count // 4) * 4
    for start in range(0, count, PIECE):
        part = keep[start : start + PIECE]
        blocks = (offset + start) // 4 + np.arange(-(-part.size // 4), dtype=np.uint64)
        low, high = blocks & np.uint64(0xFFFFFFFF), blocks >> np.uint64(32)
        key = (seed & 0xFFFFFFFF, seed >> 32)
        words = np.stack(
            philox_rounds(low, high, np.zeros_like(low), np.zeros_like(low), key), axis=-1
        )
        part[:] = words.reshape(-1)[: part.size] >= np.uint64(_dropped_words(p))
    return keep


GENERATORS = {
    "philox": Generator(what="this project's Philox4x32-10", keep=philox),
    "ascend950": Generator(what="the Ascend950 operator, keep rate in fp32", keep=_ascend950(FP32)),
    "ascend950-bf16": Generator(
        what="the same, keep rate given in bf16, which rounds it", keep=_ascend950(BF16)
    ),
    "aicpu": Generator(
        what="the older AI-CPU operator: AES rounds, shards of 4096 that repeat, no offset",
        keep=aicpu.keep,
    ),
    "torch-mem-efficient": Generator(
        what="PyTorch's memory-efficient attention on CUDA", keep=torch_mem_efficient
    ),
    "pcg64": Generator(what="NumPy's PCG64", keep=pcg64),
}
