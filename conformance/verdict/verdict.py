"""The judge: whether an answer is as near to the oracle's as its contract allows."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from conformance.verdict.chance import Chance, chance
from conformance.verdict.conventions import dead_rows, per_nat, rows_of_out, written
from conformance.verdict.error import (
    Compared,
    equal,
    proportion,
    ratio_of,
    signed_error,
)
from reference.bounds import Allowed
from reference.contract import Contract
from reference.formats import Array, Format
from reference.problem import Problem, Result

UNBOUNDED_LIMIT = 0.01  # of a tensor; beyond it, the case would say nothing

STATISTICS = ("softmax_max", "softmax_sum")
IN_COMPUTE_FORMAT = ("lse", "dsink", *STATISTICS)


@dataclass(frozen=True, eq=False, kw_only=True)
class TensorVerdict:
    """How far one tensor is from the oracle.

    Attributes
    ----------
    name : str
        The tensor; "softmax_max, softmax_sum" for the pair, judged as the lse they stand for.
    ratio : float
        max |error| / allowed: at most 1 passes. 0 where the error is 0, inf where it is infinite,
        NaN or not allowed at all.
    z_max, z_rms, slope_z : float or None
        As in conformance.verdict.statistics; None for what was not computed.
    not_computed : str
        Which of these were not computed, and why; empty if all were.
    elements : int
    worst : index of the element of `ratio`, or None for a tensor without elements
    got, want, allowed : float
        There.
    failing : like the tensor, bool, or None
        Elements beyond the bound; None where there is nothing to compare.
    factor : float
        got / want, if one number explains the failing elements; else NaN.
    nan, inf : int
        How many elements of the answer are NaN, and infinite.
    reason : str
        Why the tensor fails; empty if it does not.
    suspicion : str
        Which statistics are beyond their limit; empty if none.
    compared : Compared, or None
        The arrays; None where there is nothing to compare.
    """

    name: str
    reason: str = ""
    suspicion: str = ""
    ratio: float = math.inf
    z_max: float | None = math.inf
    z_rms: float | None = math.inf
    slope_z: float | None = math.inf
    not_computed: str = ""
    elements: int = 0
    worst: tuple[int, ...] | None = None
    got: float = math.nan
    want: float = math.nan
    allowed: float = math.nan
    failing: NDArray[np.bool_] | None = None
    factor: float = math.nan
    nan: int = 0
    inf: int = 0
    compared: Compared | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Verdict:
    """What the judge says of one answer.

    Attributes
    ----------
    tensors : one for each tensor that was asked for and given, and each missing one that must be
    absent : names of tensors that were not given and need not be: lse
    got, contract : what was judged, and as what
    """

    tensors: tuple[TensorVerdict, ...]
    absent: tuple[str, ...]
    got: Result
    contract: Contract

    @property
    def failures(self) -> tuple[TensorVerdict, ...]:
        """Tensors beyond their bound, or malformed."""
        return tuple(score for score in self.tensors if score.reason)

    @property
    def suspicions(self) -> tuple[TensorVerdict, ...]:
        """Tensors within their bound, but improbable under the contract."""
        return tuple(score for score in self.tensors if score.suspicion and not score.reason)

    def passes(self, *, strict: bool = False) -> bool:
        """Whether nothing failed; with `strict`, whether nothing is suspicious either."""
        return not self.failures and not (strict and self.suspicions)


def judge(
    got: Result,
    want: Result,
    allowed: Allowed,
    *,
    problem: Problem,
    contract: Contract | None = None,
) -> Verdict:
    """Compare an answer with the oracle's.

    Parameters
    ----------
    got : Result
        The kernel's, in the contract's conventions (`lse_base`, `dead_rows`).
    want : Result
        The oracle's, float64: natural logarithms, dead rows 0 and -inf. Every tensor that it has
        must be in `got`, except lse.
    allowed : Allowed
        From reference.bounds.error_bound, for the same problem and contract.

    Source: docs/numerics.md, section 9.
    """
    contract = contract or Contract()
    terms = contract.resolve(problem.format)
    truth, scores, absent = want, [], []
    errors = chance(problem, contract, truth, allowed)
    if want.lse is not None:
        want = written(truth, contract)
        allowed = _as_written(truth, allowed, contract, terms.compute)
    for name, expected in want.tensors():
        if name in STATISTICS:
            continue
        given = getattr(got, name)
        if given is None and name == "lse":
            absent.append(name)
            continue
        format = terms.compute if name in IN_COMPUTE_FORMAT else terms.out
        scores.append(
            _malformed(name, given, expected.shape, format)
            or _score(name, given, expected, allowed, format=format, errors=errors)
        )
    if truth.lse is not None:
        scores += _pair(got, truth, want, allowed, terms.compute, errors)
    return Verdict(tensors=tuple(scores), absent=tuple(absent), got=got, contract=contract)


def _as_written(truth: Result, allowed: Allowed, contract: Contract, compute: Format) -> Allowed:
    """What is allowed of out and lse in the contract's conventions; dead rows are exact."""
    worst, sigma = allowed.worst, allowed.sigma
    assert truth.lse is not None and worst.lse is not None and sigma.lse is not None
    assert worst.out is not None and sigma.out is not None
    dead, times = dead_rows(truth), per_nat(contract)
    # another base costs two roundings: the constant's and the product's
    drift = 0.0 if times == 1 else 2 * compute.unit_roundoff * times
    drifts = drift * np.abs(np.where(dead, 0.0, truth.lse))
    rows = rows_of_out(dead)
    return Allowed(
        worst=replace(
            worst,
            out=np.where(rows, 0.0, worst.out),
            lse=np.where(dead, 0.0, worst.lse * times + drifts),
        ),
        sigma=replace(
            sigma,
            out=np.where(rows, 0.0, sigma.out),
            lse=np.where(dead, 0.0, np.hypot(sigma.lse * times, drifts / math.sqrt(3))),
        ),
    )


def _pair(
    got: Result,
    truth: Result,
    want: Result,
    allowed: Allowed,
    compute: Format,
    errors: Chance,
) -> list[TensorVerdict]:
    """softmax_max + log(softmax_sum), under lse's bound: any maximum is legal."""
    m, total = got.softmax_max, got.softmax_sum
    if m is None and total is None:
        return []
    assert want.lse is not None
    for name, tensor in (("softmax_max", m), ("softmax_sum", total)):
        if tensor is None:
            return [
                TensorVerdict(
                    name=name, reason="missing: give softmax_max and softmax_sum, or neither"
                )
            ]
        if fault := _malformed(name, tensor, want.lse.shape, compute):
            return [fault]
    assert m is not None and total is not None
    with np.errstate(all="ignore"):
        lse = m.astype(np.float64) + np.log(total.astype(np.float64)) * per_nat(errors.contract)
    true = dead_rows(truth) & np.isneginf(lse)  # legal whatever the contract says of lse
    expected = np.where(true, -np.inf, want.lse)
    score = _score("lse", lse, expected, allowed, format=compute, errors=errors)
    return [replace(score, name=", ".join(STATISTICS))]


def _malformed(
    name: str, tensor: object, shape: tuple[int, ...], format: Format
) -> TensorVerdict | None:
    if tensor is None:
        reason = "missing: the problem asks for it (a kernel without it raises Unsupported)"
    elif not isinstance(tensor, np.ndarray):
        reason = f"is a {type(tensor).__name__}: give a NumPy array"
    elif tensor.shape != shape:
        reason = f"has shape {tensor.shape}: give {shape}"
    elif tensor.dtype != format.dtype:
        reason = f"is {tensor.dtype}: give {format.dtype} ({format.name} values, unchanged)"
    elif not format.holds(tensor):
        wrong = np.count_nonzero(~equal(format.round(tensor), tensor))
        reason = (
            f"has {wrong} of {tensor.size} values that are not exact in {format.name}: "
            f"round it, or declare its format in the contract"
        )
    else:
        return None
    return TensorVerdict(name=name, reason=reason)


def _score(
    name: str,
    got: Array,
    want: Array,
    allowed: Allowed,
    *,
    format: Format,
    errors: Chance,
) -> TensorVerdict:
    worst = np.asarray(getattr(allowed.worst, name), np.float64)
    sigma = np.asarray(getattr(allowed.sigma, name), np.float64)
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    if not got.size:
        return TensorVerdict(name=name, ratio=0.0, z_max=0.0, z_rms=0.0, slope_z=0.0)
    error = signed_error(got, want, format)
    ratio = ratio_of(error, want, worst)
    failing = ~(ratio <= 1)  # written so that NaN fails
    figures = errors.statistics(name, error, want, worst, sigma, format=format)
    ratio = np.where(np.isnan(ratio), np.inf, ratio)
    at = np.unravel_index(int(np.argmax(ratio)), ratio.shape)
    return TensorVerdict(
        name=name,
        reason=_reason(failing, worst),
        suspicion=figures.suspicion,
        ratio=float(ratio[at]),
        z_max=figures.z_max,
        z_rms=figures.z_rms,
        slope_z=figures.slope_z,
        not_computed=figures.not_computed,
        elements=got.size,
        worst=tuple(int(index) for index in at),
        got=float(got[at]),
        want=float(want[at]),
        allowed=float(worst[at]),
        failing=failing,
        factor=proportion(got, want, failing),
        nan=int(np.count_nonzero(np.isnan(got))),
        inf=int(np.count_nonzero(np.isinf(got))),
        compared=Compared(format=format, got=got, want=want, error=error, ratio=ratio, sigma=sigma),
    )


def _reason(failing: NDArray[np.bool_], worst: Array) -> str:
    if count := int(np.count_nonzero(failing)):
        return f"{count} of {failing.size} elements are beyond the bound"
    unbounded = np.count_nonzero(np.isposinf(worst)) / worst.size
    if unbounded > UNBOUNDED_LIMIT:
        return (
            f"the bound is infinite for {unbounded:.1%} of the elements: under this contract the "
            "case says nothing; declare a tighter one, or decline such problems"
        )
    return ""
