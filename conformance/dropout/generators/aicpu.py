"""The older AI-CPU operator StatelessDropOutGenMask on aarch64: a bad example.

Four states of 16 bytes go through AES rounds; each of their 16-bit words keeps an element if it is
at most floor(65535 keep_prob). The offset is ignored, so all calls with one seed are the same, and
every shard that a thread is given begins again. How long a shard is depends on the threads.

Source: Ascend canndev, stateless_drop_out_gen_mask.cc. Written from it, not compared with a device.
"""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

SHARD = 4096  # elements
UNIT = 128  # elements to an iteration
CONSTANT = bytes.fromhex("BB67AE8584CAA73B9E3779B97F4A7C15")  # added to the key for two states
FIRST = (0, 1, 1, 0)  # both halves of each state
SECOND_KEY = (False, True, False, True)
# Which bit of a 16-bit lane each state decides in each of the four rounds of an iteration.
LANES = ((15, 14, 12, 13), (11, 10, 9, 8), (7, 6, 5, 4), (3, 2, 1, 0))


def _times(a: int, b: int) -> int:
    """Product in GF(2**8) modulo x**8 + x**4 + x**3 + x + 1."""
    product = 0
    while b:
        product ^= a if b & 1 else 0
        a = a << 1 ^ (0x11B if a & 0x80 else 0)
        b >>= 1
    return product


def _substitute(value: int) -> int:
    """AES's S-box: the inverse, then an affine map of its bits."""
    inverse = next((n for n in range(1, 256) if _times(value, n) == 1), 0)
    turned = (inverse << n | inverse >> (8 - n) for n in range(5))
    mapped = 0x63
    for one in turned:
        mapped ^= one & 0xFF
    return mapped


@cache
def _tables() -> tuple[Bytes, Bytes, NDArray[np.intp]]:
    """The S-box, its double in GF(2**8), and where ShiftRows takes each byte from."""
    box = np.array([_substitute(value) for value in range(256)], np.uint8)
    double = np.array([_times(value, 2) for value in range(256)], np.uint8)
    rows = np.array([(column + row) % 4 * 4 + row for column, row in product(range(4), repeat=2)])
    return box, double, rows


def aes_round(state: Bytes, key: Bytes) -> Bytes:
    """One AES round of each state, (..., 16), as the instructions aese and aesmc do it.

    Source: FIPS 197; the key comes first.
    """
    box, double, rows = _tables()
    column = np.ascontiguousarray(box[state ^ key][..., rows]).reshape(*state.shape[:-1], 4, 4)
    following = np.roll(column, -1, axis=-1)
    whole = np.bitwise_xor.reduce(column, axis=-1, keepdims=True)
    mixed: Bytes = column ^ whole ^ double[column ^ following]
    return mixed.reshape(state.shape)


@cache
def shard(p: float, seed: int, count: int) -> NDArray[np.bool_]:
    """The decisions of one shard; `count` is a multiple of 128."""
    threshold = int(np.float32(65535) * np.float32(1 - p))
    own = np.array([0, seed], np.uint64)  # seed1 is 0 from torch_npu
    keys = [own + used * np.frombuffer(CONSTANT, np.uint64) for used in SECOND_KEY]
    key = np.array(keys)
    state = np.repeat(np.array(FIRST, np.uint64), 2).reshape(4, 2).view(np.uint8)
    units = np.zeros((count // UNIT, 8), np.uint16)
    for unit in units:
        for lanes in LANES:
            state = aes_round(state, key.view(np.uint8))
            kept = state.view(np.uint16) <= threshold
            unit |= (kept.astype(np.uint16) << np.array(lanes, np.uint16)[:, None]).sum(
                axis=0, dtype=np.uint16
            )
        key[:, 0] += np.uint64(2)
    return np.unpackbits(units.view(np.uint8).reshape(-1), bitorder="little").astype(np.bool_)


def keep(shape: tuple[int, ...], *, p: float, seed: int, call: int) -> NDArray[np.bool_]:
    """Decisions of any call: they do not depend on `call`."""
    return np.resize(shard(p, seed, SHARD), shape)
