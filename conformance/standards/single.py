"""The vendor's published accuracy standards, beside our verdict: users must hand these figures in.

They look at a tensor's error and its size alone, not at how the tensor came about:
docs/standards.md says what that lets through, and what it keeps out. By one rule for all of them:

- An element that is NaN or infinite where the golden answer, rounded to the tensor's format, is
  not the same is wrong without measure: the figures that it enters are infinite, and no standard
  accepts the tensor. The texts are silent here, but for the dual benchmark's. No figure is NaN.
- An empty tensor has no error: every figure is 0.
- A format for which a text has no limits (fp64) gets no figures, and no verdict.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from conformance.verdict.error import equal
from reference.formats import Array, Format

TINY = 1e-7  # beside |golden|, and beside the benchmark's error, in denominators
BLOCK = 8192  # elements at a time: what is in between stays in the cache


class Standard(NamedTuple):
    """A column of the report: its title, its meaning in a sentence, and the text it comes from."""

    title: str
    meaning: str
    source: str


_EXPERIMENTAL = "opbase, docs/zh/ops_precision_standard/experimental_standard.md"
_DUAL = "opbase, docs/zh/ops_precision_standard/commercial_standard.md"
_RATIOS = "MARE, MERE and RMSE are at most {}, {} and {} times those of a run in the same format."

STANDARDS: Mapping[str, Standard] = {
    "ecosystem A": Standard(
        "Ecosystem standard, version A (MERE / MARE)",
        "The mean relative error is below T, and the largest is below 10 T.",
        f"{_EXPERIMENTAL}, until mid-2026",
    ),
    "mixed tolerance": Standard(
        "Ecosystem standard, version B (mixed tolerance)",
        "99 % of the elements are within atol + rtol |golden|, and none is far off.",
        f"{_EXPERIMENTAL}, since 2026-07-15",
    ),
    "double thousandth": Standard(
        "Double thousandth (fp32: double ten-thousandth)",
        "At most a share t of the elements is off by more than t + t |golden|.",
        "READMEs of several operator libraries",
    ),
    "error balance": Standard(
        "Error balance (EB)",
        "The error has no bias, and its mean, its largest and its root mean square are small.",
        "test helpers of CANN operators, single golden (COMPUTE_FLOAT)",
    ),
    "dual L0": Standard("Dual benchmark, L0", _RATIOS.format(10, 2, 2), _DUAL),
    "dual L1": Standard("Dual benchmark, L1", _RATIOS.format(5, 1.5, 1.5), _DUAL),
    "dual L2": Standard("Dual benchmark, L2", _RATIOS.format(2, 1.2, 1.2), _DUAL),
}
"""In the order of the report's columns."""

ECOSYSTEM_A = {"fp16": 2.0**-10, "bf16": 2.0**-7, "fp32": 2.0**-13}
MIXED = {
    "fp16": (2.0**-9, 2.0**-9, 0.1),
    "bf16": (2.0**-6, 2.0**-6, 1.0),
    "fp32": (2.0**-10, 2.0**-16, 0.01),
}
"""rtol, atol, largest error."""

UNMATCHED, ULPS = 0.01, 32.0
THOUSANDTH = {"fp16": 1e-3, "bf16": 1e-3, "fp32": 1e-4}
BALANCE = {
    "fp16": (2.0**-10, 2.0**-8),
    "bf16": (2.0**-7, 2.0**-7),
    "fp32": (2.0**-14, 2.0**-11),
}
"""|EB|, and the err of the sizes beside it."""


@dataclass(frozen=True)
class Figure:
    """What a standard says of one tensor.

    Attributes
    ----------
    figures : name -> float
        Finite or inf, never NaN; the smaller, the better.
    limits : name -> float
        The same names.
    accepts : bool or None
        None: the standard has no limits for this format, so there are no figures either.
    """

    figures: Mapping[str, float] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    accepts: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Sums and maxima of the errors of a tensor, or of a part of it.

    Attributes
    ----------
    elements : how many
    relative, mare : sum and maximum of |got - golden| / (|golden| + 1e-7)
    squares : sum of (got - golden)**2
    largest : of |got - golden|; inf if, and only if, an element is wrong without measure
    balance : sum of (got - golden) / max(1, |golden|)
    ulps : largest |got - golden|, in units in the last place of the golden answer
    unmatched, beyond : how many are off by more than the tolerance of MIXED, of THOUSANDTH
    """

    elements: float = 0.0
    relative: float = 0.0
    mare: float = 0.0
    squares: float = 0.0
    largest: float = 0.0
    balance: float = 0.0
    ulps: float = 0.0
    unmatched: float = 0.0
    beyond: float = 0.0

    def __add__(self, other: Totals) -> Totals:
        pairs = {one.name: (getattr(self, one.name), getattr(other, one.name)) for one in FIELDS}
        return Totals(**{name: max(x) if name in MAXIMA else sum(x) for name, x in pairs.items()})

    @property
    def mere(self) -> float:
        """Mean relative error."""
        return self.relative / max(self.elements, 1.0)

    @property
    def rmse(self) -> float:
        """Root mean square of the error, which is absolute."""
        return math.sqrt(self.squares / max(self.elements, 1.0))

    def share(self, count: float) -> float:
        """`count` as a share of the elements; inf if one is wrong without measure."""
        return count / max(self.elements, 1.0) if math.isfinite(self.largest) else math.inf


FIELDS = fields(Totals)
MAXIMA = ("mare", "largest", "ulps")


class Errors(NamedTuple):
    """The error of a block of a tensor.

    `signed` is got - golden, inf where an element is wrong without measure; `golden` is |golden|,
    0 where that is not finite.
    """

    signed: Array
    golden: Array

    def where(self, chosen: NDArray[np.bool_]) -> Errors:
        """Those of some of the elements."""
        return Errors(self.signed[chosen], self.golden[chosen])


def evaluate(got: Array, want: Array, format: Format) -> dict[str, Figure]:
    """Every standard that takes one golden answer.

    Parameters
    ----------
    got : (...)
        A kernel's tensor, numbers of `format`.
    want : (...)
        The oracle's, float64.

    Returns
    -------
    name of STANDARDS -> Figure, in their order
    """
    if format.name not in LIMITED:
        return {name: Figure() for name in SINGLE}
    parts = (errors(block, golden, format) for block, golden in blocks(got, want))
    total = sum((totals(part, format) for part in parts), Totals())
    return {name: standard(total, format) for name, standard in SINGLE.items()}


def blocks(*tensors: Array) -> Iterator[tuple[Array, ...]]:
    """Tensors of one shape, float64, flat, a piece of each at a time."""
    flat = [np.asarray(tensor).reshape(-1) for tensor in tensors]
    for first in range(0, flat[0].size, BLOCK):
        yield tuple(np.asarray(one[first : first + BLOCK], np.float64) for one in flat)


def errors(got: Array, want: Array, format: Format) -> Errors:
    """How far a float64 block, numbers of `format`, is from the golden answer's."""
    with np.errstate(invalid="ignore"):
        signed = got - want
        total = signed.sum()
    golden = np.abs(want)
    if not math.isfinite(total):
        right = equal(got, want) | (np.isinf(got) & (got == format.round(want)))
        signed = np.where(right, 0.0, np.where(np.isfinite(signed), signed, np.inf))
        golden = np.where(np.isfinite(want), golden, 0.0)
    return Errors(signed, golden)


def totals(error: Errors, format: Format) -> Totals:
    """What the standards count over a block of errors in this format."""
    signed, golden = error
    absolute = np.abs(signed)
    relative = absolute / (golden + TINY)
    rtol, atol, _ = MIXED[format.name]
    t = THOUSANDTH[format.name]
    return Totals(
        elements=float(signed.size),
        relative=float(relative.sum()),
        mare=float(relative.max(initial=0.0)),
        squares=float(np.square(signed).sum()),
        largest=float(absolute.max(initial=0.0)),
        balance=float((signed / np.maximum(1.0, golden)).sum()),
        ulps=float((absolute / _ulp(golden, format)).max(initial=0.0)),
        unmatched=float(np.count_nonzero(absolute > atol + rtol * golden)),
        beyond=float(np.count_nonzero(absolute > t + t * golden)),
    )


def _ulp(golden: Array, format: Format) -> Array:
    """The distance of numbers of `format` around non-negative float64 numbers."""
    exponents = golden.view(np.int64) & np.int64(0x7FF << 52)  # 2**floor(log2(golden))
    power = np.maximum(exponents.view(np.float64), 2.0**format.min_exponent)
    return np.asarray(power * 2.0 ** (1 - format.precision))


def ecosystem_a(total: Totals, format: Format) -> Figure:
    """MERE < T and MARE < 10 T, of |got - golden| / (|golden| + 1e-7).

    T is 2**-10 for fp16, 2**-7 for bf16 and 2**-13 for fp32. Source: experimental_standard.md,
    version A.
    """
    limit = ECOSYSTEM_A[format.name]
    return _below({"MERE": (total.mere, limit), "MARE": (total.mare, 10 * limit)})


def mixed_tolerance(total: Totals, format: Format) -> Figure:
    """At least 99 % within atol + rtol |golden|, and the largest error within its limit.

    rtol, atol and the limit are 2**-9, 2**-9, 0.1 for fp16; 2**-6, 2**-6, 1 for bf16; 2**-10,
    2**-16, 0.01 for fp32. The largest error may be beyond the limit if no element is off by more
    than 32 units in the last place. Source: experimental_standard.md, version B; it says 0.99
    matched, so here 0.01 unmatched.
    """
    limit = MIXED[format.name][2]
    unmatched = total.share(total.unmatched)
    near = total.largest <= limit or total.ulps <= ULPS
    return Figure(
        {"unmatched": unmatched, "max error": total.largest, "max error in ulps": total.ulps},
        {"unmatched": UNMATCHED, "max error": limit, "max error in ulps": ULPS},
        unmatched <= UNMATCHED and near,
    )


def double_thousandth(total: Totals, format: Format) -> Figure:
    """At most a share t of the elements off by more than t + t |golden|.

    t is 1e-3 for fp16 and bf16, 1e-4 for fp32. Of the variants in circulation this is the one with
    rtol = atol = share. Source: READMEs of several operator libraries.
    """
    t, share = THOUSANDTH[format.name], total.share(total.beyond)
    return Figure({"share": share}, {"share": t}, share <= t)


def error_balance(total: Totals, format: Format) -> Figure:
    """|EB| < its limit, where EB = mean((got - golden) / max(1, |golden|)); jointly the sizes.

    |EB| < 2**-10 for fp16, 2**-7 for bf16, 2**-14 for fp32; MARE < 15 err, MERE < err, RMSE < err
    with err 2**-8, 2**-7, 2**-11. Source: test helpers of CANN operators, COMPUTE_FLOAT.
    """
    limit, err = BALANCE[format.name]
    bias = abs(total.balance) / max(total.elements, 1.0)
    sizes = {"MARE": (total.mare, 15 * err), "MERE": (total.mere, err), "RMSE": (total.rmse, err)}
    return _below({"|EB|": (bias, limit), **sizes})


def _below(pairs: Mapping[str, tuple[float, float]]) -> Figure:
    figures = {name: figure for name, (figure, _) in pairs.items()}
    limits = {name: limit for name, (_, limit) in pairs.items()}
    return Figure(figures, limits, all(figure < limit for figure, limit in pairs.values()))


SINGLE: Mapping[str, Callable[[Totals, Format], Figure]] = {
    "ecosystem A": ecosystem_a,
    "mixed tolerance": mixed_tolerance,
    "double thousandth": double_thousandth,
    "error balance": error_balance,
}
LIMITED = tuple(ECOSYSTEM_A)
