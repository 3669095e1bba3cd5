"""Where the tiles are rounded: nowhere in the exact oracle, or where a Contract says."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from reference.contract import Contract
from reference.formats import BF16, FP16, Array, Format, Rounding

_BF16_CLASS, _FP16_CLASS = 2.0**-9, 2.0**-12


@dataclass(frozen=True, kw_only=True)
class RoundingPoints:
    """The type that tiles are computed in, and the formats that their values are rounded to.

    Attributes
    ----------
    dtype : np.dtype
        float64, or float32 to simulate a kernel on a problem that is not FP64.
    is_exact : bool
        Nothing is rounded, so the order of operations is free.
    scaled_q, scores, weights, dweights, dscores : Format or None
        As in Contract; None: not rounded.
    acc : Format or None
        What out, dq, dk and dv are rounded to after each tile, as a narrow accumulator does.
    out : Format or None
        Of out, dq, dk, dv and dbias.
    out_running, kv_running : bool
        Whether out and dq, and dk and dv, are rounded to `out` before each further tile is added.
    row_sum_rounded : bool
        The row sum adds the rounded weights.
    exp_factor : float
        What each weight's exponential is multiplied by.
    log_base : float
        Natural logarithm of the base of lse.
    dead_rows : (float, float)
    rounding : "even" or "away"
    """

    dtype: np.dtype[Any]
    is_exact: bool = False
    scaled_q: Format | None = None
    scores: Format | None = None
    weights: Format | None = None
    dweights: Format | None = None
    dscores: Format | None = None
    acc: Format | None = None
    out: Format | None = None
    out_running: bool = False
    kv_running: bool = False
    row_sum_rounded: bool = False
    exp_factor: float = 1.0
    log_base: float = 1.0
    dead_rows: tuple[float, float] = (0.0, -math.inf)
    rounding: Rounding = "even"

    def round(self, x: Array, format: Format | None) -> None:
        """Round `x` to `format` in place; None leaves it."""
        if format is not None:
            x[...] = format.round(x, rounding=self.rounding)


EXACT = RoundingPoints(dtype=np.dtype(np.float64), is_exact=True)


def simulated(contract: Contract, format: Format) -> RoundingPoints:
    """Where a kernel that keeps `contract` rounds, on problems in `format`."""
    terms = contract.resolve(format)

    def narrower(target: Format | None) -> Format | None:
        return target if target and target.precision < terms.compute.precision else None

    acc = (
        BF16
        if terms.accumulator_roundoff >= _BF16_CLASS
        else FP16
        if terms.accumulator_roundoff >= _FP16_CLASS
        else None
    )
    return RoundingPoints(
        dtype=terms.compute.dtype,
        scaled_q=narrower(contract.scaled_q),
        scores=narrower(contract.scores),
        weights=narrower(terms.weights),
        dweights=narrower(contract.dweights),
        dscores=narrower(terms.dscores),
        acc=acc,
        out=narrower(terms.out),
        out_running=contract.out_roundings > 1,
        kv_running=contract.dkv_roundings > 1,
        row_sum_rounded=contract.row_sum_rounded,
        exp_factor=1.0 + contract.exp_rel,
        log_base=math.log(contract.lse_base),
        dead_rows=contract.dead_rows,
        rounding=contract.rounding,
    )
