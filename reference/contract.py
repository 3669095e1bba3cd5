"""Contract: where a kernel rounds, and to what. A kernel declares it; the bound follows from it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from reference.formats import FP32, FP64, Format, Rounding


@dataclass(frozen=True, kw_only=True)
class Terms:
    """The figures of a contract that default to the problem's format, resolved.

    Attributes
    ----------
    compute : Format
        FP64 for FP64 problems, else FP32: accumulators, softmax, statistics.
    out, P, dS : Format
    u_acc, eta_exp : float
    """

    compute: Format
    out: Format
    P: Format
    dS: Format
    u_acc: float
    eta_exp: float


@dataclass(frozen=True, kw_only=True)
class Contract:
    """What a kernel promises about its arithmetic and its conventions.

    Attributes
    ----------
    out : Format or None
        Format of out, dq, dk, dv, dbias. None: the problem's.
    P, dS : Format or None
        Format of the weights before P V, and of dS before its products. None: the problem's.
    S, pre : Format or None
        Format in which scores, and q * scale, are stored. None: they are not rounded.
    u_acc : float or None
        Unit roundoff of accumulation. None: twice that of the compute format, which allows
        truncating accumulators.
    h : int or None
        Longest chain of additions over keys. None: seqlen_k.
    exp_rel, exp_ulps : float
        Error of a weight, all its exponentials together: relative and systematic, and in units of
        the compute format's unit roundoff.
    tanh_rel, tanh_abs : float
        Error of tanh: in unit roundoffs relative to the result, and absolute.
    eta_exp : float or None
        Below it exp may flush to 0. None: the compute format's smallest normal number.
    flushes : bool
        Products of matrices read and write subnormal numbers as 0.
    l_rounded : bool
        The row sum adds the rounded weights.
    n_out, n_out_kv : int
        Times that out and dq, and dk and dv, are rounded to the `out` format while accumulating.
    lse_base : float
        Base of the logarithm in lse.
    rounding : "even" or "away"
        What conversion to a narrower format does with ties.
    dead_rows : (float, float)
        out and lse of rows that see no key (and have no sink).
    ignores_masked_nan : bool
        NaN in a key or value that no query sees leaves no trace.
    dropout : "problem", "own" or "unseeded"
        The kernel uses the problem's decisions; or its own generator, from the problem's seed and
        offset; or a generator that cannot be seeded.

    Source: docs/numerics.md, section 1.
    """

    out: Format | None = None
    P: Format | None = None
    dS: Format | None = None
    S: Format | None = None
    pre: Format | None = None
    u_acc: float | None = None
    h: int | None = None
    exp_rel: float = 0.0
    exp_ulps: float = 4.0
    tanh_rel: float = 6.0
    tanh_abs: float = 0.0
    eta_exp: float | None = None
    flushes: bool = False
    l_rounded: bool = False
    n_out: int = 1
    n_out_kv: int = 1
    lse_base: float = math.e
    rounding: Rounding = "even"
    dead_rows: tuple[float, float] = (0.0, -math.inf)
    ignores_masked_nan: bool = False
    dropout: Literal["problem", "own", "unseeded"] = "problem"

    def terms(self, format: Format) -> Terms:
        """The contract's figures for problems in `format`, with every default filled in."""
        compute = FP64 if format == FP64 else FP32
        return Terms(
            compute=compute,
            out=self.out or format,
            P=self.P or format,
            dS=self.dS or format,
            u_acc=2 * compute.unit_roundoff if self.u_acc is None else self.u_acc,
            eta_exp=2.0**compute.min_exponent if self.eta_exp is None else self.eta_exp,
        )

    def replace(self, **changes: object) -> Contract:
        """A copy with some fields changed."""
        return replace(self, **changes)  # type: ignore[arg-type]
