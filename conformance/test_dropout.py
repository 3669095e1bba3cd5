"""Dropout as a black box shows it: laws on recovered masks, their statistics, the mean answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from conformance.cases import patterns
from conformance.cases.inputs import Stream
from conformance.dropout.recovery import laws, mean
from conformance.dropout.recovery.probes import (
    CAUSAL,
    P_ROUNDED,
    PROBED_FORMATS,
    SHAPES,
    Drops,
    P,
    asking,
    is_declared,
    stream,
    with_values,
)
from conformance.dropout.recovery.recover import Broken, Recovered
from conformance.dropout.shape import Shape
from conformance.dropout.statistics import sources
from conformance.dropout.statistics.battery import battery
from conformance.kernel import LoadedKernel
from conformance.plugin import run_of
from conformance.run.outcome import Outcome
from conformance.verdict.expected import Expected
from conformance.verdict.explain import explain
from conformance.verdict.verdict import judge
from reference.contract import Contract
from reference.dropout import Dropout
from reference.formats import FORMATS
from reference.problem import Unsupported

pytestmark = pytest.mark.dropout

every_shape = pytest.mark.parametrize(
    "shape",
    [
        pytest.param(shape, id=name, marks=[pytest.mark.smoke] if name == "odd" else [])
        for name, shape in SHAPES.items()
    ],
)
every_format = pytest.mark.parametrize("format", PROBED_FORMATS)


@pytest.fixture
def strict(request: pytest.FixtureRequest) -> bool:
    """Whether what is only suspicious fails."""
    return run_of(request.config).strict


@pytest.fixture
def drops(kernel: LoadedKernel, request: pytest.FixtureRequest) -> Drops:
    """Asks the kernel for the masks of a shape, in this run's stream or one that differs."""
    run = run_of(request.config)
    return asking(kernel, seed=run.seed, gradients=not run.forward, recover=run.shared.recover)


def contract(kernel: LoadedKernel, masks: Recovered) -> Contract:
    """What the kernel promises for the problem that masks come from."""
    return kernel.contract(masks.problem)


def require_declared(kernel: LoadedKernel, masks: Recovered) -> None:
    """Decline for a kernel whose mask is its own."""
    if (kind := contract(kernel, masks).dropout) != "problem":
        raise Unsupported(f"its mask is its own (dropout={kind!r})")


@every_shape
@every_format
def test_the_backward_drops_what_the_forward_dropped(
    kernel: LoadedKernel, drops: Drops, shape: Shape, format: str
) -> None:
    masks = drops(shape, format)
    if "dv" not in masks.factors:
        raise Unsupported("backward")
    laws.require_one_mask(masks, contract(kernel, masks))


@every_shape
@every_format
def test_the_mask_is_the_declared_one(
    kernel: LoadedKernel, drops: Drops, shape: Shape, format: str
) -> None:
    masks = drops(shape, format)
    require_declared(kernel, masks)
    laws.require_declared(masks)


@every_shape
@every_format
def test_kept_weights_are_multiplied_by_1_over_1_minus_p_and_dropped_ones_by_0(
    kernel: LoadedKernel, drops: Drops, shape: Shape, format: str
) -> None:
    masks = drops(shape, format)
    laws.require_scale(masks, contract(kernel, masks))


@every_format
def test_the_scale_is_that_of_p_itself_not_of_a_rounded_p(
    kernel: LoadedKernel, drops: Drops, format: str
) -> None:
    masks = drops(SHAPES["odd"], format, seeded=True, p=P_ROUNDED)
    laws.require_scale(masks, contract(kernel, masks))


@every_shape
@every_format
def test_the_row_sum_knows_nothing_of_dropout(
    kernel: LoadedKernel, drops: Drops, shape: Shape, format: str
) -> None:
    masks = drops(shape, format)
    if masks.answers[0].lse is None and masks.answers[0].softmax_sum is None:
        raise Unsupported("it gives no lse")
    laws.require_row_sum(masks, contract(kernel, masks))


@every_shape
@every_format
def test_the_answer_is_the_oracles_with_the_recovered_mask(
    kernel: LoadedKernel, drops: Drops, shape: Shape, format: str, strict: bool
) -> None:
    masks = drops(shape, format, seeded=True)
    problem = with_values(masks.problem)
    expected = Expected(problem=laws.with_decisions(problem, masks.keep))
    promised = contract(kernel, masks)
    verdict = judge(
        kernel(problem),
        expected.answer,
        expected.allowed(promised),
        problem=expected.problem,
        contract=promised,
    )
    if not verdict.passes(strict=strict):
        text = explain(verdict, expected.problem)
        raise Broken(f"with the recovered mask the answer is not the oracle's\n{text}")


@every_format
def test_the_same_seed_and_offset_draw_the_same_mask(drops: Drops, format: str) -> None:
    masks = drops(SHAPES["one-call"], format, seeded=True)
    again = drops(SHAPES["one-call"], format, seed=masks.dropout.seed)
    what = "the same seed and offset draw two masks"
    laws.require_same(again.keep, masks.keep, masks.seen, p=P, what=what)


OTHERS: dict[str, Callable[[Dropout], dict[str, Any]]] = {
    "another seed": lambda one: {"seed": one.seed ^ 1},
    "a seed with other high bits": lambda one: {"seed": one.seed ^ 2**32},
    "another offset": lambda one: {"offset": one.offset ^ 1},
    "an offset with other high bits": lambda one: {"offset": one.offset ^ 2**32},
}


@pytest.mark.parametrize("other", OTHERS)
@every_format
def test_another_seed_or_offset_draws_another_mask(drops: Drops, format: str, other: str) -> None:
    masks = drops(SHAPES["one-call"], format, seeded=True)
    changed = drops(SHAPES["one-call"], format, **OTHERS[other](masks.dropout))
    laws.require_unrelated(changed.keep, masks.keep, p=P, first=other, second="the first one")


@every_format
def test_no_two_heads_or_sequences_drop_alike(drops: Drops, format: str) -> None:
    keep = drops(SHAPES["odd"], format, seeded=True).keep
    names = {at: "head {1} of sequence {0}".format(*at) for at in np.ndindex(keep.shape[:2])}
    for a, b in combinations(names, 2):
        laws.require_unrelated(keep[b], keep[a], p=P, first=names[b], second=names[a])


ELSE: dict[str, dict[str, Any]] = {
    "whether gradients are asked for": {"backward": False},
    "head_dim, and so on the tile": {"head_dim": 128},
    "which pairs are seen": {"mask": CAUSAL},
}


@pytest.mark.parametrize("what", ELSE)
@every_format
def test_the_mask_does_not_depend_on_what_else_is_asked(
    drops: Drops, format: str, what: str
) -> None:
    masks = drops(SHAPES["odd"], format, seeded=True)
    backward = ELSE[what].get("backward", True)
    shape = replace(SHAPES["odd"], **{k: v for k, v in ELSE[what].items() if k != "backward"})
    other = drops(shape, format, backward=backward)
    laws.require_same(
        other.keep, masks.keep, other.seen & masks.seen, p=P, what=f"the mask depends on {what}"
    )


LATER: dict[str, tuple[int, dict[str, Any]]] = {
    "odd": (2, {"seqlens_q": (97,) * 3, "seqlens_k": (97,) * 3}),
    "packed": (4, {"seqlens_q": (17, 1, 64, 0, 9), "seqlens_k": (33, 9, 70, 5, 30)}),
}


@pytest.mark.parametrize("name", LATER)
@every_format
def test_the_mask_does_not_depend_on_later_sequences(
    kernel: LoadedKernel, drops: Drops, format: str, name: str
) -> None:
    masks = drops(SHAPES[name], format, seeded=True)
    require_declared(kernel, masks)
    count, lengths = LATER[name]
    other = drops(replace(SHAPES[name], **lengths), format)
    rows, keys = np.minimum(masks.keep.shape[2:], other.keep.shape[2:])
    a, b, seen = (one[:count, :, :rows, :keys] for one in (other.keep, masks.keep, masks.seen))
    laws.require_same(a, b, seen, p=P, what="the mask depends on later sequences")


@pytest.mark.parametrize("padded", [False, True], ids=["exact", "padded"])
@pytest.mark.parametrize("name", ["odd", "packed"])
@every_format
def test_packed_bits_are_the_mask(
    kernel: LoadedKernel, drops: Drops, format: str, name: str, padded: bool
) -> None:
    shape = SHAPES[name]
    bits = patterns.bits(P, shape.pairs, Stream("dropout/bits"), padded=padded)
    masks = drops(shape, format, bits=bits, backward=False)
    require_declared(kernel, masks)
    laws.require_declared(masks)


@pytest.mark.smoke
def test_no_statistic_rejects_its_masks(
    kernel: LoadedKernel,
    request: pytest.FixtureRequest,
    outcome: Outcome,
) -> None:
    run = run_of(request.config)
    proved = is_declared(kernel, run.seed, recover=run.shared.recover)
    if proved:
        findings = run.shared.findings_of_the_stream
    else:
        findings = battery(sources.of_the_kernel(kernel, run.tier, run.seed))
    remark = sources.remark(findings.bits, run.tier, proved=proved)
    outcome.remarks.append(f"{kernel.name} dropout: {remark}")
    if run.report is not None:
        for path in sources.leave(findings, run.report / "dropout", kernel.name):
            outcome.pictures.append(path.relative_to(run.report).as_posix())
    if not findings.passes:
        outcome.likely = findings.likely
        raise Broken(f"{findings.likely}\n{findings.text()}")


@pytest.mark.smoke
@every_format
def test_the_mean_answer_is_the_one_without_dropout(
    kernel: LoadedKernel, format: str, request: pytest.FixtureRequest
) -> None:
    run = run_of(request.config)
    problem = mean.make_problem(FORMATS[format], stream(run.seed), backward=not run.forward)
    try:
        mean.require_no_effect(kernel, problem)
    except Unsupported:
        mean.require_no_effect(kernel, problem.replace(dout=None))
