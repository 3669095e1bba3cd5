"""The definition again, one element at a time in plain Python and mpmath: it shares no code."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from mpmath import mp, mpf

from reference.dropout import Dropout
from reference.formats import Array
from reference.problem import Problem

DIGITS = 50
STEP = mpf(10) ** -17  # central differences then err by about 1e-34: far below 2**-53
WORD = 0xFFFFFFFF
INPUTS = ("q", "k", "v", "bias", "sink")

Position = tuple[int, int]  # (sequence, index in it)
Row = tuple[Position, int, list[int]]
Tensors = dict[str, Array]


def philox(counter: tuple[int, ...], key: tuple[int, int]) -> tuple[int, ...]:
    """Philox4x32-10 in Python integers, as Random123's philox.h states it."""
    (c0, c1, c2, c3), (k0, k1) = counter, key
    for _ in range(10):
        first, second = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (
            (second >> 32) ^ c1 ^ k0,
            second & WORD,
            (first >> 32) ^ c3 ^ k1,
            first & WORD,
        )
        k0, k1 = (k0 + 0x9E3779B9) & WORD, (k1 + 0xBB67AE85) & WORD
    return c0, c1, c2, c3


def word(dropout: Dropout, t: int) -> int:
    """The random word of element t."""
    low, high = t // 4, dropout.offset
    counter = (low & WORD, low >> 32, high & WORD, high >> 32)
    return philox(counter, (dropout.seed & WORD, dropout.seed >> 32))[t % 4]


def keeps(dropout: Dropout, t: int) -> bool:
    """Whether dropout keeps element t."""
    if dropout.bits is not None:
        return bool(int(dropout.bits[t // 8]) >> (t % 8) & 1)
    with mp.workprec(24):  # float32, one rounding to an operation
        threshold = mpf(1.0 - dropout.p) + 0
        return bool(mpf(word(dropout, t)) * mpf(2) ** -32 + mpf(2) ** -33 < threshold)


def element(problem: Problem, b: int, n: int, i: int, j: int) -> int:
    """The number of a pair among the dropout elements."""
    lengths_q, lengths_k = lengths(problem)
    if not problem.is_packed:
        return ((b * problem.q.shape[2] + n) * lengths_q[b] + i) * lengths_k[b] + j
    before = sum(x * y for x, y in zip(lengths_q[:b], lengths_k[:b], strict=True))
    return problem.q.shape[1] * before + (n * lengths_q[b] + i) * lengths_k[b] + j


def lengths(problem: Problem) -> tuple[list[int], list[int]]:
    """Queries and keys of each sequence."""
    if problem.cu_seqlens_q is None or problem.cu_seqlens_k is None:
        batch = problem.q.shape[0]
        return [problem.q.shape[1]] * batch, [problem.k.shape[1]] * batch
    cu_q, cu_k = [int(x) for x in problem.cu_seqlens_q], [int(x) for x in problem.cu_seqlens_k]
    return (
        [b - a for a, b in pairwise(cu_q)],
        [b - a for a, b in pairwise(cu_k)],
    )


def vector(problem: Problem, name: str, at: Position, head: int) -> tuple[int, ...]:
    """Index of one vector in q, k, v or out."""
    cu_seqlens = problem.cu_seqlens_q if name in ("q", "out") else problem.cu_seqlens_k
    if cu_seqlens is None:
        return (*at, head)
    return (int(cu_seqlens[at[0]]) + at[1], head)


def statistic(problem: Problem, at: Position, head: int) -> tuple[int, ...]:
    """Index of one row in lse."""
    if problem.cu_seqlens_q is None:
        return (at[0], head, at[1])
    return (head, int(problem.cu_seqlens_q[at[0]]) + at[1])


def pair(array: Array, b: int, n: int, i: int, j: int) -> tuple[int, ...]:
    """Index of one pair in bias or keep, which broadcast."""
    where = (b, n, i, j)[4 - array.ndim :]
    return tuple(0 if size == 1 else at for size, at in zip(array.shape, where, strict=True))


def shift(problem: Problem, b: int) -> int:
    """The key at which query 0 of a sequence stands."""
    lengths_q, lengths_k = lengths(problem)
    return lengths_k[b] - lengths_q[b] if problem.mask.anchor == "bottom-right" else 0


def sees(problem: Problem, b: int, n: int, i: int, j: int) -> bool:
    """Whether query i sees key j."""
    mask, at = problem.mask, i + shift(problem, b)
    left, right = mask.window
    prefix = mask.prefix[b] if isinstance(mask.prefix, tuple) else mask.prefix
    inside = (left is None or at - left <= j) and (right is None or j <= at + right)
    if prefix is not None and j < prefix:
        inside = True
    if mask.keep is not None and not mask.keep[pair(mask.keep, b, n, i, j)]:
        return False
    if problem.bias is not None and problem.bias[pair(problem.bias, b, n, i, j)] == -np.inf:
        return False
    return inside


def rows(problem: Problem) -> Iterator[Row]:
    """Every query as ((sequence, index), query head, keys that it sees)."""
    lengths_q, lengths_k = lengths(problem)
    for b, length in enumerate(lengths_q):
        for n in range(problem.q.shape[-2]):
            for i in range(length):
                yield (b, i), n, [j for j in range(lengths_k[b]) if sees(problem, b, n, i, j)]


def multiprecise(problem: Problem) -> Tensors:
    """The inputs that have gradients, as arrays of mpf."""
    convert = np.vectorize(lambda x: mpf(float(x)), otypes=[object])
    given = {name: getattr(problem, name) for name in INPUTS}
    return {name: convert(x) if x.size else x for name, x in given.items() if x is not None}


def score(problem: Problem, tensors: Tensors, at: Position, n: int, j: int) -> mpf:
    """What one query gives one key, before the softmax."""
    (b, i), group = at, problem.q.shape[-2] // problem.k.shape[-2]
    q = tensors["q"][vector(problem, "q", at, n)]
    k = tensors["k"][vector(problem, "k", (b, j), n // group)]
    x = mpf(problem.scale) * mp.fdot(q, k)
    if problem.softcap is not None:
        x = mpf(problem.softcap) * mp.tanh(x / mpf(problem.softcap))
    if "bias" in tensors:
        x += tensors["bias"][pair(tensors["bias"], b, n, i, j)]
    if problem.slopes is not None:
        slope = problem.slopes[n] if problem.slopes.ndim == 1 else problem.slopes[b, n]
        x -= mpf(float(slope)) * abs(i + shift(problem, b) - j)
    return x


def attention(
    problem: Problem, tensors: Tensors, seen: list[Row] | None = None
) -> tuple[Array, Array]:
    """Out and lse; `tensors` stand for the problem's own, `seen` for its rows."""
    out = np.full((*problem.q.shape[:-1], problem.v.shape[-1]), mpf(0), object)
    lse = np.full(problem.shape_lse, -mp.inf, object)
    group = problem.q.shape[-2] // problem.k.shape[-2]
    for at, n, keys in seen or rows(problem):
        e = {j: mp.exp(score(problem, tensors, at, n, j)) for j in keys}
        total = mp.fsum(e.values())
        if "sink" in tensors:
            total += mp.exp(tensors["sink"][n])
        for j in keys:
            z = mpf(1)
            if problem.dropout is not None and problem.dropout.p > 0:
                t = element(problem, at[0], n, at[1], j)
                z = keeps(problem.dropout, t) / (1 - mpf(problem.dropout.p))
            v = tensors["v"][vector(problem, "v", (at[0], j), n // group)]
            out[vector(problem, "out", at, n)] += v * (e[j] / total * z)
        if total:
            lse[statistic(problem, at, n)] = mp.log(total)
    return out, lse


def loss(problem: Problem, tensors: Tensors, seen: list[Row]) -> mpf:
    """What the gradients are of: the sum of out dout + lse dlse over rows that see anything."""
    out, lse = attention(problem, tensors, seen)
    total = mp.fsum(a * mpf(float(b)) for a, b in zip(out.flat, problem.dout.flat, strict=True))
    if problem.dlse is None:
        return total
    live = [(a, b) for a, b in zip(lse.flat, problem.dlse.flat, strict=True) if mp.isfinite(a)]
    return total + mp.fsum(a * mpf(float(b)) for a, b in live)


def gradients(problem: Problem) -> Tensors:
    """Gradients of the loss by central differences, named dq, dk, dv, dbias, dsink."""
    tensors, seen = multiprecise(problem), list(rows(problem))
    answer = {}
    for name, tensor in tensors.items():
        slope = np.full(tensor.shape, mpf(0), object)
        for at in np.ndindex(tensor.shape):
            if mp.isfinite(was := tensor[at]):
                ends = []
                for tensor[at] in (was + STEP, was - STEP):
                    ends.append(loss(problem, tensors, seen))
                tensor[at] = was
                slope[at] = (ends[0] - ends[1]) / (2 * STEP)
        answer[f"d{name}"] = slope
    return answer
