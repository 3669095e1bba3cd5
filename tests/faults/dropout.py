"""Broken kernels for conformance.cases.faults.dropout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

import faults.host_kernel as host
from faults.host_kernel import F32, Host, Tile
from faults.misreading import takes_head
from reference.dropout import Dropout
from reference.formats import BF16, Array
from reference.problem.head import Head

Decide = Callable[[Head, Array, Array], Array]


@dataclass(frozen=True)
class Other:
    """Stands in for a HeadDropout: decisions by a function of the head, i and j."""

    head: Head
    decide: Decide

    @property
    def scale(self) -> float:
        """That of the problem's p."""
        return self.head.dropout.scale

    def keep(self, rows: range, keys: range) -> Array:
        """As HeadDropout."""
        i, j = np.arange(rows.start, rows.stop)[:, None], np.arange(keys.start, keys.stop)
        return self.decide(self.head, i, j)


def draws(decide: Decide) -> Host:
    """A kernel with decisions of its own."""
    return takes_head(lambda head, problem: replace(head, dropout=Other(head, decide)))


def _number(head: Head, i: Array, j: Array) -> Array:
    return head.dropout.first + i * head.seqlen_k + j


def _drawn(dropout: Dropout, numbers: Array) -> Array:
    return dropout.keep(numbers.ravel(), 1).reshape(numbers.shape)


def counts(number: Callable[[Head, Array, Array], Array]) -> Host:
    """A kernel that gives its elements other numbers."""
    return draws(lambda head, i, j: _drawn(head.dropout.dropout, number(head, i, j)))


def asks(change: Callable[[Dropout], Dropout]) -> Host:
    """A kernel that asks the stream for something else, and scales as the problem says."""
    return draws(lambda head, i, j: _drawn(change(head.dropout.dropout), _number(head, i, j)))


def _scaled_down(tile: Tile) -> Array:
    whole = 1 - tile.head.dropout.dropout.p if tile.head.dropout is not None else 1
    return (host.drop(tile) > 0) * F32(whole)


@cache
def _lcg() -> Array:
    """One period of x -> 25173 x + 13849 modulo 65536."""
    words, x = np.empty(65536), 0
    for place in range(len(words)):
        words[place] = x = (25173 * x + 13849) % 65536
    return words


def _by_lcg(head: Head, i: Array, j: Array) -> Array:
    dropout = head.dropout.dropout
    words = _lcg()[(_number(head, i, j) + dropout.seed % 65536) % 65536]
    return words < 65536 * (1 - dropout.p)


def _few_blocks_on(head: Head, i: Array, j: Array) -> Array:
    dropout = head.dropout.dropout
    numbers = _number(head, i, j) + 4 * (dropout.offset % 2**32)
    return _drawn(replace(dropout, offset=0), numbers)


DROPOUT = {
    "dropout-scaled-by-1-minus-p": Host(drop=_scaled_down),
    "dropout-p-off": asks(lambda one: replace(one, p=one.p + 0.001)),
    "dropout-p-of-8-bits": asks(lambda one: replace(one, p=round(one.p * 256) / 256)),
    "dropout-p-in-bf16": asks(
        lambda one: replace(one, p=1 - float(BF16.round(np.asarray(1 - one.p))))
    ),
    "dropout-restarts-after-4096": counts(lambda head, i, j: _number(head, i, j) % 4096),
    "dropout-lcg-of-16-bits": draws(_by_lcg),
    "dropout-transposed": counts(lambda head, i, j: head.dropout.first + j * head.seqlen_q + i),
    "dropout-stream-from-the-top": counts(lambda head, i, j: _number(head, i, j) ^ 7),
    "dropout-offset-too-little": draws(_few_blocks_on),
}
