"""Laws about memory: what a kernel must not read, not write and not remember."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
    assert_near,
    assert_same_bits,
    make_problem,
    only,
    plus,
    sequences,
    times,
)
from reference.mask import Mask
from reference.problem import Problem, Result, Unsupported

every_format = pytest.mark.parametrize("format", FORMATS)
every_problem = pytest.mark.parametrize("options", PROBLEMS.values(), ids=PROBLEMS)


@every_problem
@every_format
def test_the_same_question_twice_has_the_same_answer(
    kernel: LoadedKernel, format: str, options: Options
) -> None:
    problem = make_problem(format, **options)
    assert_same_bits(answer(kernel, problem), answer(kernel, problem))


@every_format
def test_inputs_are_as_they_were_after_the_call(kernel: LoadedKernel, format: str) -> None:
    problem, untouched = make_problem(format), make_problem(format)
    answer(kernel, problem)
    for name in ("q", "k", "v", "dout"):
        assert np.array_equal(getattr(problem, name), getattr(untouched, name)), name


def half_scale(problem: Problem) -> Problem:
    """The same scores from q twice as large."""
    return problem.replace(q=2 * problem.q, scale=problem.scale / 2)


def unmasked(problem: Problem) -> Problem:
    """The last query first, and every pair visible: what it saw under the causal mask, too."""
    backwards = range(problem.max_seqlen_q)[::-1]
    return transform.take(problem.replace(mask=Mask()), "queries", backwards)


def shorter(problem: Problem) -> Problem:
    """The first 20 queries and keys: nothing new for these queries of a causal problem."""
    return transform.truncate(problem, 20)


def transposed(problem: Problem) -> Problem:
    """The same values with heads outside of queries in memory."""
    return transform.laid_out(problem, "bnsd")


SIBLINGS = {
    "another-scale": (half_scale, range(65), range(65), 0.5),
    "another-mask": (unmasked, [0], [64], 1.0),
    "another-shape": (shorter, range(20), range(20), 1.0),
    "another-layout": (transposed, range(65), range(65), 1.0),
}
"""What is asked in between; queries of it, and those with the same answer; the factor on dq."""


@pytest.mark.parametrize(("change", "here", "there", "factor"), SIBLINGS.values(), ids=SIBLINGS)
@every_format
def test_nothing_is_remembered_from_one_call_to_the_next(
    kernel: LoadedKernel,
    format: str,
    change: Callable[[Problem], Problem],
    here: Sequence[int],
    there: Sequence[int],
    factor: float,
) -> None:
    problem = make_problem(format, mask=CAUSAL)
    sibling = change(problem)
    first, between, last = (answer(kernel, one) for one in (problem, sibling, problem))
    assert_same_bits(last, first)

    def rows(result: Result, index: Sequence[int], **factors: float) -> Result:
        part = times(only(result, "out", "lse", "dq"), **factors)
        return transform.take_result(part, "queries", index, group=1)

    want = rows(first, there, dq=factor)
    bound = rows(allowed(kernel, problem), there, dq=factor)
    assert_near(rows(between, here), want, plus(rows(allowed(kernel, sibling), here), bound))


@pytest.mark.parametrize("layout", ["bnsd", "gapped", "every-other", "qkv"])
@every_format
def test_strides_and_nan_in_the_gaps_change_nothing(
    kernel: LoadedKernel, format: str, layout: str
) -> None:
    problem = make_problem(format)
    strided = transform.laid_out(problem, layout)
    within = allowed(kernel, problem)
    assert_near(answer(kernel, strided), answer(kernel, problem), plus(within, within))


@pytest.mark.parametrize("sequence", [0, 3, 6])
@every_format
def test_nan_in_packed_neighbours_changes_no_bit(
    kernel: LoadedKernel, format: str, sequence: int
) -> None:
    packed = transform.pack(sequences(format, CAUSAL))
    clean, poisoned = (
        transform.unpack(answer(kernel, one), packed)[sequence]
        for one in (packed, transform.poison_others(packed, sequence))
    )
    assert_same_bits(poisoned, clean)


UNSEEN = {
    "window": Mask(window=(9, -20)),
    "keep": Mask(keep=np.arange(130) % 3 != 1),
}


@pytest.mark.parametrize("mask", UNSEEN.values(), ids=UNSEEN)
@every_format
def test_nan_in_keys_that_no_query_sees_changes_no_bit(
    kernel: LoadedKernel, format: str, mask: Mask
) -> None:
    problem = make_problem(format, seqlen_k=130, mask=mask)
    if not kernel.contract(problem).ignores_masked_nan:
        raise Unsupported("its contract does not promise to ignore NaN in hidden keys")
    clean, poisoned = (answer(kernel, one) for one in (problem, transform.poison_unseen(problem)))
    assert_same_bits(poisoned, clean)
