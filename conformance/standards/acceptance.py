"""How often each acceptance rule in use rejects an answer: ours, the vendor's and two others.

Every rule sees the same answers of the same kernels. A rule is good if it rejects each broken
kernel and no right one; docs/faults.md has the counts over all known faults.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from conformance.kernel import LoadedKernel
from conformance.standards.single import evaluate
from conformance.verdict.ask import ask
from conformance.verdict.error import Compared
from conformance.verdict.expected import Expected
from conformance.verdict.verdict import Verdict
from reference import blockwise
from reference.contract import Contract
from reference.formats import Array, Format
from reference.problem import Problem, Result, Unsupported

OURS = "derived bound"
STRICT = "derived bound and statistics"
TWICE = "twice a baseline's error"
CLOSE = "assert_close"

RULES: Mapping[str, str] = {
    OURS: "ours: no element is beyond the error that the kernel's contract allows",
    STRICT: "ours with `--kernel-fail-suspicious`: nor is any statistic suspicious",
    "mixed tolerance": "the vendor's ecosystem standard, version B",
    "double thousandth": "operator libraries of the vendor",
    "ecosystem A": "the vendor's ecosystem standard, version A (MERE and MARE)",
    "error balance": "test helpers of the vendor's operators",
    TWICE: "flash-attention's own tests",
    CLOSE: "torch.testing.assert_close with its default tolerances",
}
"""Name of a rule -> what it asks, or who uses it."""

BASELINE_FACTOR = 2.0
JUDGED_BY_BASELINE = ("out", "dq", "dk", "dv")
CLOSENESS = {
    "fp16": (1e-3, 1e-5),
    "bf16": (1.6e-2, 1e-5),
    "fp32": (1.3e-6, 1e-5),
    "fp64": (1e-7, 1e-7),
}
"""Format -> rtol, atol. Source: PyTorch's documentation of torch.testing.assert_close."""


class Rejections(NamedTuple):
    """How many answers a rule rejected, of how many."""

    rejected: int = 0
    answers: int = 0

    def plus(self, other: Rejections) -> Rejections:
        """Both together."""
        return Rejections(self.rejected + other.rejected, self.answers + other.answers)


def count_rejections(kernels: Iterable[LoadedKernel], expected: Expected) -> dict[str, Rejections]:
    """Name of a rule -> how many of the kernels' answers to one problem it rejects.

    A kernel is judged by its own contract. One that declines the problem is not counted.
    """
    baseline = baseline_of(expected.problem)
    counts = dict.fromkeys(RULES, Rejections())
    for kernel in kernels:
        try:
            verdict = ask(kernel, expected)
        except Unsupported:
            continue
        for rule, accepted in accepts(verdict, expected, baseline).items():
            counts[rule] = counts[rule].plus(Rejections(int(not accepted), 1))
    return counts


def accepts(verdict: Verdict, expected: Expected, baseline: Result) -> dict[str, bool]:
    """Name of a rule -> whether it accepts the answer: every tensor of it that the rule looks at.

    A tensor that is missing, or of a wrong shape or dtype, is accepted by no rule.

    Parameters
    ----------
    baseline : Result
        From `baseline_of`.
    """
    broken = any(tensor.reason and tensor.compared is None for tensor in verdict.tensors)
    compared = [tensor.compared for tensor in verdict.tensors if tensor.compared is not None]
    figures = [evaluate(each.got, each.want, each.format) for each in compared]
    vendors = {
        rule: all(figure[rule].accepts is not False for figure in figures)
        for rule in RULES
        if rule not in (OURS, STRICT, TWICE, CLOSE)
    }
    others = vendors | {
        TWICE: _within_twice(verdict.got, expected, baseline),
        CLOSE: all(map(is_close, compared)),
    }
    return {
        OURS: verdict.passes(),
        STRICT: verdict.passes(strict=True),
        **{rule: accepted and not broken for rule, accepted in others.items()},
    }


def baseline_of(problem: Problem) -> Result:
    """The answer of plain attention in the problem's format, as flash-attention's tests have it.

    Scaled queries, scores, weights, their gradient and results are each rounded to the format.

    Source: attention_ref(upcast=False, reorder_ops=True) of flash-attention's tests, which is torch
    code; the oracle imitates its rounding.
    """
    rounded = Contract(scaled_q=problem.format, scores=problem.format)
    return blockwise.attention(problem, contract=rounded)


def within_twice(got: Array, want: Array, baseline: Array, format: Format) -> bool:
    """Whether max |got - want| <= 2 max |baseline - want|; `want` is rounded to the format first.

    NaN anywhere is no error of at most anything, so it is rejected.

    Source: flash-attention, tests/test_flash_attn.py: "FlashAttention's numerical error is at most
    twice the numerical error of a Pytorch implementation". Newer versions of those tests allow
    three times for gradients, or add a constant.
    """
    want = format.round(want).astype(np.float64)
    with np.errstate(invalid="ignore"):
        errors = [float(np.abs(one - want).max(initial=0.0)) for one in (got, baseline)]
    return errors[0] <= BASELINE_FACTOR * errors[1]


def is_close(compared: Compared) -> bool:
    """Whether |got - want| <= atol + rtol |want| everywhere; `want` is rounded to the format first.

    Equal infinities are close, NaN is close to nothing.

    Source: torch.testing.assert_close, whose default tolerances depend on the dtype.
    """
    rtol, atol = CLOSENESS[compared.format.name]
    want = compared.format.round(compared.want)
    return bool(np.isclose(compared.got, want, rtol=rtol, atol=atol).all())


def _within_twice(got: Result, expected: Expected, baseline: Result) -> bool:
    wanted = dict(expected.answer.tensors())
    return all(
        within_twice(given, wanted[name], getattr(baseline, name), expected.problem.format)
        for name in JUDGED_BY_BASELINE
        if name in wanted and (given := getattr(got, name)) is not None
    )
