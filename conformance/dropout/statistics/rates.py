"""Keep rates: of all decisions, and of each row, column, head and batch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from conformance.dropout.statistics.masks import CallMasks, Totals
from conformance.dropout.statistics.z_scores import Draw, Test, any_rate, binomial, family, one
from reference.formats import BF16, FP16

AXES = {"batch": 0, "head": 1, "row": 2, "column": 3}


def readings(p: float) -> dict[str, float]:
    """What becomes of p in kernels that keep it, or the keep rate, in fewer bits.

    "8 bits" is the nearest multiple of 1/256. "8 bits (cut)" keeps where a random byte is at most
    floor(255 (1 - p)), as FlashAttention-2 does.
    """
    exact = np.array([p, 1 - p], np.float32)
    fp16, bf16 = FP16.round(exact).tolist(), BF16.round(exact).tolist()
    return {
        "nominal": p,
        "fp16": fp16[0],
        "bf16": bf16[0],
        "8 bits": round(256 * p) / 256,
        "8 bits (cut)": 1 - (int(255 * (1 - p)) + 1) / 256,
        "1 - p in fp16": 1 - fp16[1],
        "1 - p in bf16": 1 - bf16[1],
    }


def score(rare: int, bits: int, chance: float, draw: Draw) -> float:
    """How far the number of rare decisions is from its chance."""
    return float(binomial(rare, bits, chance, draw))


def judge_all(totals: Totals, draw: Draw) -> Test:
    """The keep rate against the nominal p; with p = 0.5 this is the monobit test."""
    z = score(totals.rare, totals.bits, totals.chance, draw)
    return Test(
        name="keep rate",
        compares="all decisions (monobit) with p",
        statistic=z,
        p_value=one(z),
        bits=totals.bits,
        effect=totals.rate - totals.chance,
    )


def count(call: CallMasks) -> NDArray[np.int64]:
    """Rare decisions of each batch, head, row and column, one after the other."""
    rows = call.rare.sum(axis=3, dtype=np.int64)
    columns = call.rare.sum(axis=(0, 1, 2), dtype=np.int64)
    by_axis = [rows.sum((1, 2)), rows.sum((0, 2)), rows.sum((0, 1)), columns]
    return np.concatenate(by_axis)


def split(counts: NDArray[np.int64], shape: tuple[int, ...]) -> dict[str, NDArray[np.int64]]:
    """What `count` put together, by the name of the axis."""
    parts = np.split(counts, np.cumsum(shape)[:-1])
    return dict(zip(AXES, parts, strict=True))


def judge(counts: NDArray[np.int64], totals: Totals, draw: Draw) -> list[Test]:
    """Each axis: its places together, and the worst of them."""
    tests: list[Test] = []
    for name, rare in split(counts, totals.shape).items():
        if rare.size > 1:
            each = totals.bits // rare.size
            tests += family(
                f"{name} rates",
                f"each {name} with the rate of all",
                any_rate(binomial(rare, each, totals.rate, draw), 1.0, draw),
                bits=totals.bits,
                place=f"{name} {{}}".format,
                effects=rare / each - totals.rate,
            )
    return tests
