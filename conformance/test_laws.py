"""Laws that need no oracle: how a kernel's answers to related questions belong together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from conformance.kernel import LoadedKernel
from conformance.laws import transform
from conformance.laws.assertions import (
    CAUSAL,
    FORMATS,
    PROBLEMS,
    Options,
    allowed,
    answer,
    answer_with_gradients,
    assert_near,
    assert_same_bits,
    grid,
    make_problem,
    merge,
    only,
    plus,
    sequences,
    times,
)
from reference.formats import FP16
from reference.mask import Mask
from reference.problem import Result, Unsupported

every_format = pytest.mark.parametrize("format", FORMATS)
every_problem = pytest.mark.parametrize("options", PROBLEMS.values(), ids=PROBLEMS)


@every_problem
@every_format
def test_the_order_of_sequences_does_not_matter(
    kernel: LoadedKernel, format: str, options: Options
) -> None:
    problem = make_problem(format, **options)
    order = np.roll(range(problem.batch), 1).tolist()
    moved = answer(kernel, transform.take(problem, "batch", order))
    here = transform.take_result(answer(kernel, problem), "batch", order, group=problem.group)
    assert_same_bits(moved, here)


@every_problem
@every_format
def test_the_order_of_heads_does_not_matter(
    kernel: LoadedKernel, format: str, options: Options
) -> None:
    problem = make_problem(format, **options)
    order = range(problem.heads_k)[::-1]
    moved = answer(kernel, transform.take(problem, "heads", order))
    here = transform.take_result(answer(kernel, problem), "heads", order, group=problem.group)
    assert_same_bits(moved, here)


@pytest.mark.parametrize("name", ["plain", "cross-length"])
@every_format
def test_the_order_of_keys_does_not_matter(kernel: LoadedKernel, format: str, name: str) -> None:
    problem = make_problem(format, **PROBLEMS[name])
    order = np.argsort(grid("order of keys", (problem.max_seqlen_k,)), kind="stable").tolist()
    shuffled = transform.take(problem, "keys", order)

    def move(result: Result) -> Result:
        return transform.take_result(result, "keys", order, group=problem.group)

    assert_near(
        answer(kernel, shuffled),
        move(answer(kernel, problem)),
        plus(allowed(kernel, shuffled), move(allowed(kernel, problem))),
    )


@every_problem
@every_format
def test_what_other_sequences_hold_changes_no_bit(
    kernel: LoadedKernel, format: str, options: Options
) -> None:
    problem = make_problem(format, **options)
    here, there = (
        transform.take_result(answer(kernel, one), "batch", [1], group=problem.group)
        for one in (problem, transform.negate_others(problem, 1))
    )
    assert_same_bits(there, here)


@every_problem
@every_format
def test_a_sequence_alone_has_the_answer_that_it_has_in_a_batch(
    kernel: LoadedKernel, format: str, options: Options
) -> None:
    problem = make_problem(format, **options)
    alone = transform.take(problem, "batch", [1])

    def second(result: Result) -> Result:
        return transform.take_result(result, "batch", [1], group=problem.group)

    assert_near(
        answer(kernel, alone),
        second(answer(kernel, problem)),
        plus(allowed(kernel, alone), second(allowed(kernel, problem))),
    )


@every_problem
@every_format
def test_a_constant_added_to_every_key_moves_lse_and_nothing_else(
    kernel: LoadedKernel, format: str, options: Options
) -> None:
    problem = make_problem(format, **options)
    constant = grid("constant", (1, 1, *problem.k.shape[2:])).astype(problem.k.dtype)
    shifted = problem.replace(k=problem.k + constant)
    before, after = answer(kernel, problem), answer(kernel, shifted)
    if before.lse is not None:
        each_head = np.repeat(constant[0, 0], problem.group, axis=0).astype(np.float64)
        logits = problem.scale * np.einsum("bihd,hd->bhi", problem.q, each_head)
        before = replace(before, lse=before.lse + logits)
    assert_near(after, before, plus(allowed(kernel, problem), allowed(kernel, shifted)))


@every_problem
@every_format
def test_the_answer_is_affine_in_v(kernel: LoadedKernel, format: str, options: Options) -> None:
    problem = make_problem(format, **options)
    constant = grid("constant", (1, 1, *problem.v.shape[2:])).astype(problem.v.dtype)
    other = problem.replace(v=constant - 2 * problem.v)
    before = times(answer(kernel, problem), out=-2, dq=-2, dk=-2)
    each_head = np.repeat(constant, problem.group, axis=2)
    within = plus(allowed(kernel, other), times(allowed(kernel, problem), out=2, dq=2, dk=2))
    assert_near(answer(kernel, other), replace(before, out=before.out + each_head), within)


@pytest.mark.parametrize("length", [1, 31, 64])
@every_format
def test_later_keys_and_queries_change_nothing_under_a_causal_mask(
    kernel: LoadedKernel, format: str, length: int
) -> None:
    problem = make_problem(format, mask=CAUSAL)
    early = np.arange(problem.max_seqlen_q) < length
    problem = transform.with_dout(problem, lambda dout: dout * early[:, None, None])
    short = transform.truncate(problem, length)

    def first(result: Result) -> Result:
        for axis in ("queries", "keys"):
            result = transform.take_result(result, axis, range(length), group=1)
        return result

    assert_near(
        answer(kernel, short),
        first(answer(kernel, problem)),
        plus(allowed(kernel, short), first(allowed(kernel, problem))),
    )


MASKS = {
    "causal": Mask(window=(None, 0)),
    "causal-top-left": Mask(window=(None, 0), anchor="top-left"),
    "window": Mask(window=(9, 3)),
    "band-left-of-the-diagonal": Mask(window=(70, -40)),
    "prefix": Mask(window=(None, 0), prefix=50),
}


@pytest.mark.parametrize("seqlen_k", [40, 65, 100])
@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@every_format
def test_a_mask_and_the_keep_array_that_says_the_same_are_one(
    kernel: LoadedKernel, format: str, mask: Mask, seqlen_k: int
) -> None:
    problem = make_problem(format, batch=1, seqlen_k=seqlen_k, mask=mask)
    explicit = transform.with_keep(problem)
    assert_near(
        answer(kernel, explicit),
        answer(kernel, problem),
        plus(allowed(kernel, explicit), allowed(kernel, problem)),
    )


@pytest.mark.parametrize(("heads_q", "heads_k"), [(4, 2), (6, 2), (5, 1), (7, 1)])
@every_format
def test_a_shared_key_head_and_its_copies_are_one(
    kernel: LoadedKernel, format: str, heads_q: int, heads_k: int
) -> None:
    problem = make_problem(format, heads_q=heads_q, heads_k=heads_k)
    copies = transform.repeat_kv(problem)

    def gather(result: Result) -> Result:
        return transform.sum_copies(result, problem.group)

    assert_near(
        answer(kernel, problem),
        gather(answer(kernel, copies)),
        plus(allowed(kernel, problem), gather(allowed(kernel, copies))),
    )


@pytest.mark.parametrize("mask", [Mask(), CAUSAL], ids=["plain", "causal"])
@every_format
def test_packed_sequences_have_the_answers_that_they_have_alone(
    kernel: LoadedKernel, format: str, mask: Mask
) -> None:
    alone = sequences(format, mask)
    packed = transform.pack(alone)
    together = transform.unpack(answer(kernel, packed), packed)
    within = transform.unpack(allowed(kernel, packed), packed)
    for one, part, bound in zip(alone, together, within, strict=True):
        assert_near(part, answer(kernel, one), plus(allowed(kernel, one), bound))


@pytest.mark.parametrize("split", [1, 64, 100])
@every_format
def test_two_sets_of_keys_merge_by_their_lse(kernel: LoadedKernel, format: str, split: int) -> None:
    problem = make_problem(format, seqlen_k=130).replace(dout=None)
    halves = [transform.take(problem, "keys", keys) for keys in (range(split), range(split, 130))]
    parts = [answer(kernel, half) for half in halves]
    if any(part.lse is None for part in parts):
        raise Unsupported("it gives no lse")
    merged, off = merge(parts, [allowed(kernel, half) for half in halves])
    assert_near(merged, answer(kernel, problem), plus(off, allowed(kernel, problem)))


@every_problem
@every_format
def test_gradients_scale_with_dout(kernel: LoadedKernel, format: str, options: Options) -> None:
    problem = make_problem(format, **options)
    louder = transform.with_dout(problem, lambda dout: 4 * dout)
    factors = {"dq": 4.0, "dk": 4.0, "dv": 4.0}
    got = only(answer_with_gradients(kernel, louder), *factors)
    want = times(only(answer_with_gradients(kernel, problem), *factors), **factors)
    if problem.format != FP16:
        assert_same_bits(got, want)
    within = plus(allowed(kernel, louder), times(allowed(kernel, problem), **factors))
    assert_near(got, want, within)  # in fp16 small dS are subnormal, and round differently


@every_problem
@every_format
def test_gradients_of_a_sum_are_the_sum_of_gradients(
    kernel: LoadedKernel, format: str, options: Options
) -> None:
    first = make_problem(format, **options)
    second, both = (
        transform.with_dout(first, change)
        for change in (np.flip, lambda dout: dout + np.flip(dout))
    )
    got = only(answer_with_gradients(kernel, both), "dq", "dk", "dv")
    want = only(
        plus(*(answer_with_gradients(kernel, one) for one in (first, second))), "dq", "dk", "dv"
    )
    assert_near(got, want, plus(*(allowed(kernel, one) for one in (first, second, both))))
