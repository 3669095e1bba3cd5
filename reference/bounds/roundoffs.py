"""Roundoffs: every figure of a contract that the bound needs, as numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

from reference.contract import Contract
from reference.formats import Format

KEYS_TO_A_RISE = 16  # a row's running maximum rises at most once in so many keys


@dataclass(frozen=True, kw_only=True)
class Roundoffs:
    """Unit roundoffs, underflow quanta and function errors of a kernel under its contract.

    Attributes
    ----------
    u, eta : float
        Unit roundoff of the compute format, and half its smallest subnormal number. Where products
        flush, this eta and that of every format that a product reads or writes is the smallest
        normal number.
    u_acc : float
        Unit roundoff of accumulation.
    exp, exp_ulps, exp_rel : float
        Relative error of exp: the whole, its random part and its systematic part.
    tanh, tanh_abs : float
        Error of tanh, relative and absolute.
    eta_exp : float
        Below it exp may give 0.
    u_out, eta_out, u_p, eta_p, u_ds, eta_ds, u_dp, eta_dp, u_s, eta_s, u_pre, eta_pre : float
        Unit roundoff and eta of the formats of out, P, dS, dP, S and q * scale; 0 where one of the
        last three is not rounded.
    limit_s, limit_ds, limit_dp, limit_pre : float
        The smallest magnitudes that round to infinity in the formats of S, dS, dP and q * scale.
    u_l, eta_l : float
        u_p and eta_p where the row sum adds rounded weights, else 0.
    n_out, n_out_kv : int
        How often out and dq, and dk and dv, are rounded.
    h : int or None
        Longest chain of additions over keys; None: seqlen_k.

    Source: docs/numerics.md, section 1, which gives the field of Contract for each letter.
    """

    u: float
    eta: float
    u_acc: float
    exp_ulps: float
    exp_rel: float
    tanh: float
    tanh_abs: float
    eta_exp: float
    u_out: float
    eta_out: float
    u_p: float
    eta_p: float
    u_ds: float
    eta_ds: float
    u_dp: float
    eta_dp: float
    u_s: float
    eta_s: float
    u_pre: float
    eta_pre: float
    limit_s: float
    limit_ds: float
    limit_dp: float
    limit_pre: float
    u_l: float
    eta_l: float
    n_out: int
    n_out_kv: int
    h: int | None

    @property
    def exp(self) -> float:
        """Largest relative error of exp: its random part plus its systematic part."""
        return self.exp_ulps + self.exp_rel

    def gamma(self, n: float) -> float:
        """Relative error of `n` accumulated operations: n u / (1 - n u), or infinity."""
        nu = n * self.u_acc
        return nu / (1 - nu) if nu < 1 else math.inf

    def chain(self, seqlen_k: int) -> int:
        """Additions that the longest chain over `seqlen_k` keys makes."""
        return seqlen_k if self.h is None else self.h

    def over_keys(self, seqlen_k: int) -> float:
        """Relative error of a sum over keys that is rescaled whenever the maximum rises."""
        h = self.chain(seqlen_k)
        rises = min(-(-seqlen_k // KEYS_TO_A_RISE), h)
        return self.gamma(h + 4) + rises * (self.exp_ulps + self.u)

    def variance(self, n: float) -> float:
        """Relative variance of `n` accumulated operations, each uniform within u_acc."""
        return self.u_acc**2 * n / 3


def roundoffs(contract: Contract, format: Format) -> Roundoffs:
    """Every figure of `contract` for problems in `format`, as a number."""
    terms = contract.resolve(format)
    u = terms.compute.unit_roundoff
    quantum = _smallest_normal if contract.flushes_subnormals else _half_subnormal
    return Roundoffs(
        u=u,
        eta=quantum(terms.compute),
        u_acc=terms.accumulator_roundoff,
        exp_ulps=contract.exp_ulps * u,
        exp_rel=contract.exp_rel,
        tanh=contract.tanh_rel * u,
        tanh_abs=contract.tanh_abs,
        eta_exp=terms.exp_flush_below,
        u_out=terms.out.unit_roundoff,
        eta_out=max(_half_subnormal(terms.out), quantum(terms.compute)),
        u_p=terms.weights.unit_roundoff,
        eta_p=quantum(terms.weights),
        u_ds=terms.dscores.unit_roundoff,
        eta_ds=quantum(terms.dscores),
        u_dp=contract.dweights.unit_roundoff if contract.dweights else 0.0,
        eta_dp=quantum(contract.dweights) if contract.dweights else 0.0,
        u_s=contract.scores.unit_roundoff if contract.scores else 0.0,
        eta_s=quantum(contract.scores) if contract.scores else 0.0,
        u_pre=contract.scaled_q.unit_roundoff if contract.scaled_q else 0.0,
        eta_pre=quantum(contract.scaled_q) if contract.scaled_q else 0.0,
        limit_s=contract.scores.overflow_threshold if contract.scores else math.inf,
        limit_ds=terms.dscores.overflow_threshold,
        limit_dp=contract.dweights.overflow_threshold if contract.dweights else math.inf,
        limit_pre=contract.scaled_q.overflow_threshold if contract.scaled_q else math.inf,
        u_l=terms.weights.unit_roundoff if contract.row_sum_rounded else 0.0,
        eta_l=quantum(terms.weights) if contract.row_sum_rounded else 0.0,
        n_out=contract.out_roundings,
        n_out_kv=contract.dkv_roundings,
        h=contract.longest_sum,
    )


def _half_subnormal(format: Format) -> float:
    return format.half_subnormal or 2.0**-1074  # FP64's half is itself no float64


def _smallest_normal(format: Format) -> float:
    return 2.0**format.min_exponent
