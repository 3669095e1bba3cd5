"""Generators with one fault each, which the battery has to find, or is told that it cannot."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from conformance.dropout.generators.known import PER_CALL, Bits, Generator, Shape, philox, stream
from conformance.dropout.statistics.rates import readings
from reference.dropout import Dropout

PERIOD = 4096


def off(p: float) -> float:
    """A probability that is 0.001 away from p, and is one."""
    return p + 0.001 if p <= 0.5 else p - 0.001


def p_off(shape: Shape, *, p: float, seed: int, call: int) -> Bits:
    """Drops a little more or less often than it should."""
    return philox(shape, p=off(p), seed=seed, call=call)


def p_bf16(shape: Shape, *, p: float, seed: int, call: int) -> Bits:
    """Rounds p to bf16."""
    return philox(shape, p=readings(p)["bf16"], seed=seed, call=call)


def p_8bit(shape: Shape, *, p: float, seed: int, call: int) -> Bits:
    """Rounds p to a multiple of 1/256."""
    return philox(shape, p=readings(p)["8 bits"], seed=seed, call=call)


def shared_heads(shape: Shape, *, p: float, seed: int, call: int) -> Bits:
    """Draws one mask for all heads."""
    batch, _, seqlen_q, seqlen_k = shape
    one = philox((batch, 1, seqlen_q, seqlen_k), p=p, seed=seed, call=call)
    return np.broadcast_to(one.reshape(batch, 1, seqlen_q, seqlen_k), shape).copy()


@cache
def _orbit() -> NDArray[np.uint16]:
    x, orbit = 0, np.empty(2**16, np.uint16)
    for n in range(2**16):
        orbit[n] = x
        x = (25173 * x + 13849) % 2**16
    return orbit


def lcg16(shape: Shape, *, p: float, seed: int, call: int) -> Bits:
    """A linear congruential generator of 16 bits, x -> 25173 x + 13849, of full period."""
    count = int(np.prod(shape))
    first = (seed + call * count) % 2**16
    return np.resize(np.roll(_orbit() < round((1 - p) * 2**16), -first), shape)


def restart(shape: Shape, *, p: float, seed: int, call: int) -> Bits:
    """Begins again after 4096 elements."""
    return np.resize(philox((1, 1, 1, PERIOD), p=p, seed=seed, call=call), shape)


def overlap(shape: Shape, *, p: float, seed: int, call: int) -> Bits:
    """The offset counts blocks of four words, yet a call moves it by 10 only."""
    first = 4 * PER_CALL * call
    return stream(Dropout(p=p, seed=seed), first, int(np.prod(shape)))


def transposed(shape: Shape, *, p: float, seed: int, call: int) -> Bits:
    """Numbers the elements of a plane along its columns."""
    batch, heads, seqlen_q, seqlen_k = shape
    turned = philox(shape, p=p, seed=seed, call=call).reshape(batch, heads, seqlen_k, seqlen_q)
    return np.ascontiguousarray(turned.swapaxes(2, 3))


def msb_first(shape: Shape, *, p: float, seed: int, call: int) -> Bits:
    """Takes the highest bit of each packed byte first."""
    keep = philox(shape, p=p, seed=seed, call=call)
    turned = np.unpackbits(np.packbits(keep, bitorder="little"), count=keep.size)
    return turned.astype(np.bool_)


FAULTY = {
    "p-off-0.001": Generator(what="p is off by 0.001", keep=p_off),
    "p-bf16": Generator(what="p is rounded to bf16", keep=p_bf16),
    "p-8bit": Generator(what="p is rounded to a multiple of 1/256", keep=p_8bit),
    "shared-heads": Generator(what="one mask for all heads", keep=shared_heads),
    "lcg16": Generator(what="a 16-bit linear congruential generator", keep=lcg16),
    "restart-4096": Generator(what="begins again every 4096 elements", keep=restart),
    "overlap": Generator(what="each call begins 40 elements into the one before", keep=overlap),
    "transposed": Generator(what="elements numbered along columns", keep=transposed),
    "msb-first": Generator(what="the highest bit of each byte first", keep=msb_first),
}
