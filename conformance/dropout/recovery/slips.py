"""What a mask is, if it is not the one that it should be: the usual slips, each with its name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from reference.dropout import Dropout
from reference.formats import BF16, FP16, Array
from reference.mask import Bools
from reference.problem import Problem
from reference.problem.head import Head

Element = Callable[[Head, Array, Array], Array]

ALIKE = 0.999
"""Share of equal decisions from which a slip explains a mask, if the declared one is farther."""
OVERLAP = 512
"""Decisions that two masks must share, one moved along the other, to count as one stream."""
PERIODS = (512, 1024, 2048, 4096, 8192, 16384)
TILES = (16, 32, 64, 128, 256)
STEPS = 64
"""How far another offset is looked for; torch_npu moves it on by 10."""
SAMPLE = 512
"""Decisions by which streams are told apart before all are drawn."""


def declared(problem: Problem) -> Bools:
    """The decisions that the problem's dropout makes, (batch, heads_q, max_seqlen_q, max_seqlen_k).

    False where no pair is seen.
    """
    assert problem.dropout is not None
    return _drawn(problem, problem.dropout, _element)


def _element(head: Head, i: Array, j: Array) -> Array:
    """The number of element (i, j): the definition's, from which the others stray."""
    return _first(head) + i * head.seqlen_k + j


def _first(head: Head) -> int:
    assert head.dropout is not None
    return head.dropout.first


def _of_sequence(head: Head) -> int:
    """The number of a sequence's first element."""
    return _first(head) - head.head_q * head.seqlen_q * head.seqlen_k


def _drawn(problem: Problem, dropout: Dropout, element: Element) -> Bools:
    keep = np.zeros(problem.shape_scores, np.bool_)
    total = problem.heads_q * int(np.dot(problem.seqlens_q, problem.seqlens_k))
    for head in problem.heads():
        i, j = np.arange(head.seqlen_q)[:, None], np.arange(head.seqlen_k)
        numbers = np.broadcast_to(element(head, i, j), (head.seqlen_q, head.seqlen_k))
        if dropout.bits is not None:
            numbers = numbers % max(total, 1)
        seen = head.mask.visible(range(head.seqlen_q), range(head.seqlen_k))
        decisions = dropout.keep(numbers.ravel(), 1).reshape(seen.shape)
        keep[head.sequence, head.head_q, : head.seqlen_q, : head.seqlen_k] = seen & decisions
    return keep


def _numbers(problem: Problem) -> Array:
    """The number of every element, (batch, heads_q, max_seqlen_q, max_seqlen_k)."""
    numbers = np.zeros(problem.shape_scores, np.int64)
    for head in problem.heads():
        i, j = np.arange(head.seqlen_q)[:, None], np.arange(head.seqlen_k)
        numbers[head.sequence, head.head_q, : len(i), : len(j)] = _element(head, i, j)
    return numbers


def _elements() -> Iterator[tuple[str, Element]]:
    yield (
        "with the first head's decisions in every head of a sequence",
        lambda head, i, j: _of_sequence(head) + i * head.seqlen_k + j,
    )
    yield (
        "with the decisions of key heads, the same for the query heads that share one",
        lambda head, i, j: (
            _of_sequence(head) + (head.head_k * head.seqlen_q + i) * head.seqlen_k + j
        ),
    )
    yield (
        "with the first sequence's decisions in every sequence",
        lambda head, i, j: _element(head, i, j) - _of_sequence(head),
    )
    yield (
        "with the first head's decisions in every head of every sequence",
        lambda head, i, j: i * head.seqlen_k + j,
    )
    yield (
        "transposed: element (i, j) has the number of (j, i)",
        lambda head, i, j: _first(head) + j * head.seqlen_q + i,
    )
    yield (
        "with the bits of each byte from the most significant one",
        lambda head, i, j: _element(head, i, j) ^ 7,
    )
    for period in PERIODS:
        yield f"begun anew after every {period} elements", _restarting(period)
    for tile in TILES:
        yield f"begun anew in each tile of {tile} x {tile}", _in_tile(tile, tile)
        yield f"begun anew in each tile of {tile} keys", _in_tile(2**62, tile)
        yield f"with rows padded to a multiple of {tile} elements in each head", _padded(tile)
        yield f"with rows padded to a multiple of {tile} elements", _padded_throughout(tile)


def _restarting(period: int) -> Element:
    return lambda head, i, j: _element(head, i, j) % period


def _in_tile(rows: int, keys: int) -> Element:
    return lambda head, i, j: _element(head, i % rows, j % keys)


def _padded(multiple: int) -> Element:
    return lambda head, i, j: _first(head) + i * _up(head.seqlen_k, multiple) + j


def _padded_throughout(multiple: int) -> Element:
    return lambda head, i, j: (
        (_first(head) // max(head.seqlen_k, 1) + i) * _up(head.seqlen_k, multiple) + j
    )


def _up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple


def quantised(p: float) -> dict[str, float]:
    """What p is after the usual roundings of it, or of 1 - p; by name, one or two to a value."""
    values = {
        "p rounded to 8 bits": round(p * 256) / 256,
        "p rounded to bf16": float(BF16.round(np.asarray(p))),
        "1 - p rounded to bf16": 1 - float(BF16.round(np.asarray(1 - p))),
        "p rounded to fp16": float(FP16.round(np.asarray(p))),
        "1 - p rounded to fp16": 1 - float(FP16.round(np.asarray(1 - p))),
        "p cut to 8 bits": math.floor(p * 256) / 256,
        "1 - p cut to 8 bits": 1 - math.floor((1 - p) * 256) / 256,
        "p rounded to 255ths": round(p * 255) / 255,
        "1 - p cut to 255ths": 1 - math.floor((1 - p) * 255) / 255,
        "a byte compared with 255 (1 - p)": 1 - (math.floor((1 - p) * 255) + 1) / 256,
        "p rounded to 16 bits": round(p * 65536) / 65536,
    }
    alike: dict[float, list[str]] = {}
    for name, value in values.items():
        alike.setdefault(value, []).append(name)
    return {
        f"{' or '.join(names[:2])} ({value:.8g} for {p:.8g})": value
        for value, names in alike.items()
        if 0 <= value < 1
    }


def _streams(dropout: Dropout) -> Iterator[tuple[str, Dropout]]:
    """The same generator asked for something else."""
    seed, offset = dropout.seed, dropout.offset
    for name, p in quantised(dropout.p).items():
        yield f"with {name}", replace(dropout, p=p)
    if dropout.p > 0:
        yield "with p and 1 - p exchanged", replace(dropout, p=1 - dropout.p)
    for step in range(-STEPS, STEPS + 1):
        yield f"at its offset {step:+d}", replace(dropout, offset=(offset + step) % 2**64)
    yield "at offset 0", replace(dropout, offset=0)
    yield "at the low 32 bits of the offset", replace(dropout, offset=offset % 2**32)
    yield "from seed 0", replace(dropout, seed=0)
    yield "from the low 32 bits of the seed", replace(dropout, seed=seed % 2**32)
    yield "with seed and offset exchanged", replace(dropout, seed=offset, offset=seed)


def name_of(keep: Bools, seen: Bools, problem: Problem) -> str:
    """What a mask is of the problem's own; a phrase that goes on after "it is ..."."""
    assert problem.dropout is not None
    want, p = declared(problem), problem.dropout.p
    every = [(name, _drawn(problem, problem.dropout, number)) for name, number in _elements()]
    if problem.dropout.bits is None:
        numbers, kept = (one[seen] for one in (_numbers(problem), keep))
        sample = slice(None, None, max(1, len(numbers) // SAMPLE))
        for name, other in _streams(problem.dropout):
            if np.mean(other.keep(numbers[sample], 1)[:, 0] == kept[sample]) > 0.95:
                every.append((name, _drawn(problem, other, _element)))
    shares = [
        (agreement(keep, drawn, seen), name)
        for name, drawn in every
        if agreement(want, drawn, seen) < 1
    ]
    share, name = max(shares, default=(0.0, ""), key=lambda one: one[0])
    if share >= ALIKE and 1 - share <= (1 - agreement(keep, want, seen)) / 10:
        return f"the declared one {name}"
    more, fewer = (int(np.count_nonzero(one)) for one in (keep & ~want & seen, want & ~keep & seen))
    if not more or not fewer:
        share = 1 - float(np.mean(keep[seen]))
        return (
            f"the declared one at another p: it drops {share:.4g} of the weights, for p = {p:.4g}"
        )
    return unlike(keep, want, seen, p)


def agreement(a: Bools, b: Bools, seen: Bools) -> float:
    """The share of the seen pairs at which two masks decide the same."""
    return float(np.mean((a == b)[seen])) if seen.any() else 1.0


def unlike(a: Bools, b: Bools, seen: Bools, p: float) -> str:
    """How two masks that differ are related."""
    if shift := shift_of(a[seen], b[seen]):
        return f"the other one moved along by {shift} elements: their streams overlap"
    share, chance = agreement(a, b, seen), p * p + (1 - p) * (1 - p)
    near = is_near(share, chance, int(np.count_nonzero(seen)))
    likeness = f"equal to it at {share:.1%} of the pairs"
    return (
        f"{likeness}, as unrelated masks are: from another seed, offset or place"
        if near
        else likeness
    )


def is_near(share: float, chance: float, count: int) -> bool:
    """Whether a share of `count` decisions is within 8 sigma of its chance."""
    return abs(share - chance) <= 8 * math.sqrt(0.25 / max(count, 1))


def shift_of(a: Bools, b: Bools) -> int:
    """By how many elements `a` is `b` moved along: a[t] = b[t + shift]; 0 if by none."""
    size = len(a)
    x, y = (one - one.mean() for one in (a.astype(np.float64), b.astype(np.float64)))
    spread = float(x.std() * y.std()) if size > OVERLAP else 0.0
    if spread == 0:
        return 0
    spectrum = np.conj(np.fft.rfft(x, 2 * size)) * np.fft.rfft(y, 2 * size)
    products = np.fft.irfft(spectrum, 2 * size)  # [s]: sum of a[t] b[t + s], s modulo 2 size
    shifts = np.concatenate([np.arange(size), np.arange(-size, 0)])
    shared = size - np.abs(shifts)
    like = np.where(shared >= OVERLAP, products / np.maximum(shared, 1) / spread, 0.0)
    like[0] = 0.0
    at = int(np.argmax(like))
    return int(shifts[at]) if like[at] > 0.9 else 0
