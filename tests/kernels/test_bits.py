"""Values of 16 bits, and decisions by tiles of bits: each comes back as it went."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from conformance.cases.patterns import LAYOUTS
from npu_kernels.ascend_c import tile_bits
from npu_kernels.ascend_c.bits16 import decode, encode
from npu_kernels.ascend_c.tile_bits import TileBits
from reference.formats import BF16, FORMATS, FP16

ALL_BITS = np.arange(1 << 16).astype(np.uint16)


@pytest.mark.parametrize("layout", sorted(set(LAYOUTS) - {"every-other"}))
def test_values_keep_their_strides(layout):
    values = np.arange(240, dtype=np.float32).reshape(2, 5, 4, 6)
    laid = LAYOUTS[layout]({name: values.copy() for name in "qkv"})["k"]
    bits = encode(laid, FP16)
    assert [step // 2 for step in bits.strides] == [step // 4 for step in laid.strides]


@pytest.mark.parametrize(("format", "dtype"), [("fp16", np.float16), ("bf16", ml_dtypes.bfloat16)])
def test_every_value_of_16_bits_goes_there_and_back(format, dtype):
    values = decode(ALL_BITS, FORMATS[format])
    assert np.array_equal(values, ALL_BITS.view(dtype).astype(np.float32), equal_nan=True)
    numbers = ~np.isnan(values)
    assert np.array_equal(encode(values, FORMATS[format])[numbers], ALL_BITS[numbers])
    assert np.isnan(decode(encode(values[~numbers], FORMATS[format]), FORMATS[format])).all()


def test_a_nan_with_low_bits_alone_stays_one():
    narrow = np.array([0x7F800001, 0xFF800001], np.uint32).view(np.float32)
    assert np.isnan(decode(encode(narrow, BF16), BF16)).all()
    assert np.isnan(decode(encode(narrow, FP16), FP16)).all()


def bit(tiles: np.ndarray, i: int, j: int) -> int:
    """Of query i and key j, as abi.h says it; `tiles` are one head's, (rows, columns, 128, 16)."""
    byte = tiles[i // 128, j // 128, i % 128, j % 128 // 8]
    return int(byte) >> (j % 8) & 1


@pytest.mark.parametrize("shape", [(1, 1), (128, 128), (129, 127), (5, 300)])
def test_every_decision_has_its_bit_and_what_is_beyond_is_0(shape):
    keep = np.random.default_rng(0).random((2, 3, *shape)) < 0.5
    packed = tile_bits.of_pairs(keep)
    rows, columns = (-(-size // 128) for size in shape)
    tiles = packed.tiles.reshape(2, 3, rows, columns, 128, 16)
    pairs = [[bit(tiles[1, 2], i, j) for j in range(shape[1])] for i in range(shape[0])]
    assert np.array_equal(pairs, keep[1, 2])
    assert np.unpackbits(packed.tiles).sum() == keep.sum()


def strides(bits: TileBits) -> tuple[int | None, int, int]:
    return bits.stride_batch, bits.stride_head, bits.stride_row


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((2, 3), (18, 6, 3)), ((1, 3), (0, 6, 3)), ((2, 1), (6, 0, 3)), ((1, 1), (0, 0, 3))],
)
def test_a_broadcast_axis_is_repeated_by_a_stride_of_0(shape, expected):
    assert strides(tile_bits.of_pairs(np.ones((*shape, 200, 300), np.bool_))) == expected


def test_heads_lie_side_by_side_whatever_their_lengths():
    lengths = [(1, 1), (0, 5), (129, 300), (128, 128)]
    heads = [np.full(length, True) for length in lengths]
    packed = tile_bits.of_heads(heads)
    assert strides(packed) == (None, 0, 0)
    assert packed.tiles.shape == (1 + 0 + 6 + 1, 128, 16)
    assert [int(np.unpackbits(tile).sum()) for tile in packed.tiles[[0, 7]]] == [1, 128 * 128]


def test_no_head_has_no_tile():
    assert tile_bits.of_heads([]).tiles.shape == (0, 128, 16)
