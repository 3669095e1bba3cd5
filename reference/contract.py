"""Contract: where a kernel rounds, and to what. A kernel declares it; the bound follows from it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

from reference.formats import FP32, FP64, Format, Rounding

FORMER = {
    "P": "weights",
    "dS": "dscores",
    "S": "scores",
    "pre": "scaled_q",
    "u_acc": "accumulator_roundoff",
    "h": "longest_sum",
    "eta_exp": "exp_flush_below",
    "flushes": "flushes_subnormals",
    "l_rounded": "row_sum_rounded",
    "n_out": "out_roundings",
    "n_out_kv": "dkv_roundings",
}
"""The letters of docs/numerics.md, which contracts were once declared with."""


@dataclass(frozen=True, kw_only=True)
class ResolvedContract:
    """The figures of a contract that default to the problem's format, filled in.

    Attributes
    ----------
    compute : Format
        FP64 for FP64 problems, else FP32: the format of accumulators, softmax and statistics.
    out, weights, dscores : Format
    accumulator_roundoff, exp_flush_below : float
    """

    compute: Format
    out: Format
    weights: Format
    dscores: Format
    accumulator_roundoff: float
    exp_flush_below: float


@dataclass(frozen=True, kw_only=True)
class Contract:
    """What a kernel promises about its arithmetic and its conventions.

    Attributes
    ----------
    out : Format or None
        Format of out, dq, dk, dv, dbias. None: the problem's.
    weights : Format or None
        Format of the softmax weights before they meet v. None: the problem's.
    dscores : Format or None
        Format of the scores' gradient before it meets q and k. None: the problem's.
    dweights : Format or None
        Format of the weights' gradient, dout v, before D is subtracted; None: it is
        not rounded. D may be made of the same, if `weights` is no finer.
    scores : Format or None
        Format in which scale * q k is stored, before softcap and bias. None: it is not rounded.
    scaled_q : Format or None
        Format in which scale * q is stored. None: it is not rounded.
    accumulator_roundoff : float or None
        Unit roundoff of accumulation. None: twice that of the compute format, which allows
        truncating accumulators.
    longest_sum : int or None
        Length of the longest chain of additions over keys. None: seqlen_k.
    exp_rel, exp_ulps : float
        Error of one softmax weight. exp_rel is a relative error that all weights share; exp_ulps is
        a random error, in unit roundoffs of the compute format.
    tanh_rel, tanh_abs : float
        Error of tanh: relative to the result, in unit roundoffs; and absolute.
    exp_flush_below : float or None
        exp may give 0 where its value is smaller. None: the smallest normal number of the
        compute format.
    flushes_subnormals : bool
        Matrix products read and write subnormal numbers as 0.
    row_sum_rounded : bool
        The row sum adds the rounded weights.
    out_roundings, dkv_roundings : int
        How often out and dq, and dk and dv, are rounded to the `out` format while they accumulate.
    lse_base : float
        Base of the logarithm in lse.
    rounding : "even" or "away"
        Where conversion to a narrower format takes ties.
    dead_rows : (float, float)
        out and lse of rows that see no key and have no sink.
    ignores_masked_nan : bool
        NaN in a key or value that no query sees leaves no trace.
    dropout : "problem", "own" or "unseeded"
        The kernel uses the problem's decisions; or its own generator, from the problem's seed and
        offset; or a generator that cannot be seeded.

    Raises
    ------
    TypeError
        If a field is called by its letter in docs/numerics.md; the text names the field.

    Source: docs/numerics.md, section 1, which gives each field its letter.
    """

    out: Format | None = None
    weights: Format | None = None
    dscores: Format | None = None
    dweights: Format | None = None
    scores: Format | None = None
    scaled_q: Format | None = None
    accumulator_roundoff: float | None = None
    longest_sum: int | None = None
    exp_rel: float = 0.0
    exp_ulps: float = 4.0
    tanh_rel: float = 6.0
    tanh_abs: float = 0.0
    exp_flush_below: float | None = None
    flushes_subnormals: bool = False
    row_sum_rounded: bool = False
    out_roundings: int = 1
    dkv_roundings: int = 1
    lse_base: float = math.e
    rounding: Rounding = "even"
    dead_rows: tuple[float, float] = (0.0, -math.inf)
    ignores_masked_nan: bool = False
    dropout: Literal["problem", "own", "unseeded"] = "problem"

    def __new__(cls, **fields: Any) -> Self:
        """An empty contract, if no field is called by its letter."""
        for letter in fields.keys() & FORMER.keys():
            raise TypeError(f"Contract has no field {letter!r}: it is called {FORMER[letter]!r}")
        return super().__new__(cls)

    def resolve(self, format: Format) -> ResolvedContract:
        """The contract's figures for problems in `format`, with every default filled in."""
        compute = FP64 if format == FP64 else FP32
        roundoff, flush = self.accumulator_roundoff, self.exp_flush_below
        return ResolvedContract(
            compute=compute,
            out=self.out or format,
            weights=self.weights or format,
            dscores=self.dscores or format,
            accumulator_roundoff=2 * compute.unit_roundoff if roundoff is None else roundoff,
            exp_flush_below=2.0**compute.min_exponent if flush is None else flush,
        )

    def replace(self, **changes: object) -> Contract:
        """A copy with some fields changed."""
        return replace(self, **changes)  # type: ignore[arg-type]
