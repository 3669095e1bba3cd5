"""What the probes' answers mean: a value for each question, and the emulator's knob that fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from npu_kernels.probe import sums
from npu_kernels.probe.ask import Prober
from reference.formats import Array

MOST_ULPS = 64  # a knob's number beyond this is no accuracy any more


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one question came to.

    Attributes
    ----------
    question : str
    value : str
        What was seen, in words.
    word : str or None
        The word of NPU_EMULATOR that imitates it, "" if its default does; None: no knob does.
    """

    question: str
    value: str
    word: str | None


def findings(prober: Prober) -> Iterator[Answer]:
    """The answers, one question after the other."""
    for ask in QUESTIONS:
        yield from ask(prober)


def _sums(prober: Prober) -> Iterator[Answer]:
    a, b = sums.operands()
    got = prober.answer("product", a, y=b, shape=(16, 16))
    fitting = [
        (order, truncates)
        for order in sums.ORDERS
        for truncates in (False, True)
        if np.array_equal(got, sums.product(a, b, order=order, truncates=truncates))
    ]
    if len(fitting) != 1:
        yield Answer(question="sums of the cube", value="none of the six known ways", word=None)
        return
    (order, truncates) = fitting[0]
    words = [f"mmad={order}"] if order != "sequential" else []
    words += ["truncates"] if truncates else []
    rounding = "toward zero" if truncates else "to nearest"
    yield Answer(question="sums of the cube", value=f"{order}, {rounding}", word=" ".join(words))


def _ulps(
    operation: str, x: Array, function: Callable[[Array], Array]
) -> Callable[[Prober], Iterator[Answer]]:
    def ask(prober: Prober) -> Iterator[Answer]:
        got = prober.answer(operation, x, shape=x.shape)
        exact = function(x.astype(np.float64)).astype(np.float32)
        off = np.abs(_ordered(got) - _ordered(exact))
        worst = int(off.max())
        at = float(x[off.argmax()])
        word = f"{operation}={worst}" if worst else ""
        yield Answer(
            question=f"ulps of {operation}",
            value=f"{worst}, at {at:g}" if worst else "0: each result is the nearest number",
            word=word if worst <= MOST_ULPS else None,
        )

    return ask


def _ordered(values: Array) -> Array:
    """Numbers of the same order as fp32 values, one apart for neighbours."""
    bits = values.view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(2**31) - bits, bits)


EXP_ARGUMENTS = np.linspace(-80, 80, 2048, dtype=np.float32)
LN_ARGUMENTS = np.geomspace(1e-30, 1e30, 2048).astype(np.float32)


def _saturation(prober: Prober) -> Iterator[Answer]:
    x = np.full(16, 1e6, np.float32)
    largest = prober.answer("to_half", x, shape=x.shape, dtype=np.float16)[0]
    known = {float("inf"): ("infinite", "keeps-inf-nan"), 65504.0: ("the largest number", "")}
    value, word = known.get(float(largest), (f"{largest}", None))
    yield Answer(question="fp16 of 1e6", value=value, word=word)


def _casts(prober: Prober) -> Iterator[Answer]:
    """Halfway cases: 1 + k 2^-11 with k odd lies between two fp16 numbers; of bf16, k 2^-8."""
    for operation, step, dtype in (
        ("to_half", 2.0**-11, np.float16),
        ("to_bf16", 2.0**-8, np.uint16),
    ):
        x = (1 + step * (2 * np.arange(16) + 1)).astype(np.float32)
        bits = prober.answer(operation, x, shape=x.shape, dtype=dtype).view(np.uint16)
        low = np.arange(16)  # of the lower neighbour's bits
        kinds = {"to even": low + low % 2, "away from zero": low + 1, "toward zero": low}
        ones = {"to_half": 0x3C00, "to_bf16": 0x3F80}[operation]
        fitting = [name for name, want in kinds.items() if np.array_equal(bits - ones, want)]
        value = fitting[0] if fitting else "none of the known ways"
        word = "" if value == "to even" else None
        yield Answer(
            question=f"halfway values {operation.replace('_', ' ')}", value=value, word=word
        )


def _subnormals(prober: Prober) -> Iterator[Answer]:
    x = np.full(16, 1e-40, np.float32)
    kept = prober.answer("times_one", x, shape=x.shape)[0] == x[0]
    yield Answer(
        question="subnormal fp32", value="kept" if kept else "taken as 0", word="" if kept else None
    )
    small = np.full(16, 2.0**-24, np.float32)
    half = prober.answer("to_half", small, shape=small.shape, dtype=np.float16)[0]
    kept = float(half) == 2.0**-24
    yield Answer(
        question="subnormal fp16 of Cast",
        value="kept" if kept else "taken as 0",
        word="" if kept else None,
    )
    a = np.full((16, 16), 2.0**-24, np.float16)
    ones = np.ones((16, 16), np.float16)
    kept = prober.answer("product", a, y=ones, shape=(16, 16))[0, 0] == 2.0**-20
    yield Answer(
        question="subnormal fp16 of the cube",
        value="kept" if kept else "taken as 0",
        word="" if kept else None,
    )


ROW = 5  # values of a row, which fills a block of 8


def _padding(prober: Prober) -> Iterator[Answer]:
    x = np.arange(1, 16 * ROW + 1, dtype=np.float32)
    rows = prober.answer("padded_rows", x, shape=(16, 8))
    data = x.reshape(16, ROW)
    if not np.array_equal(rows[:, :ROW], data):
        yield Answer(question="DataCopyPad", value="the rows' own values are wrong", word=None)
        return
    behind = rows[:, ROW:]
    if np.array_equal(behind, np.broadcast_to(data[:, :1], behind.shape)):
        yield Answer(question="behind a row", value="its first value", word="")
    else:
        yield Answer(question="behind a row", value="other bits", word="random-padding")


QUESTIONS: tuple[Callable[[Prober], Iterator[Answer]], ...] = (
    *(_sums, _ulps("exp", EXP_ARGUMENTS, np.exp), _ulps("ln", LN_ARGUMENTS, np.log)),
    *(_saturation, _casts, _subnormals, _padding),
)
