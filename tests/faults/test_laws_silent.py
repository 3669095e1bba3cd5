"""A law rejects a kernel whose answers agree because there is nothing in them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from conformance import test_laws as laws
from conformance.kernel import BadAnswer
from faults.test_laws_catch import BROKEN, CAUGHT, HONEST, loaded, says
from reference.problem import Problem, Result

GRADIENTS = ("dq", "dk", "dv", "dbias", "dsink")


def filled_with(value: float) -> Callable[[], Callable]:
    """A kernel that fills every tensor with one number."""
    return says(
        lambda problem, result: {
            name: np.full_like(tensor, value) for name, tensor in result.tensors()
        }
    )


SILENT = {
    "nothing": says(lambda problem, result: dict.fromkeys(dict(result.tensors()))),
    "no-gradients": says(lambda problem, result: dict.fromkeys(GRADIENTS)),
    "nan": filled_with(np.nan),
    "zeros": filled_with(0.0),
}
"""Kernels whose answers are alike because there is nothing in them."""

FORWARD_ALONE = {"merge-by-lse"}  # its problem asks for no gradients


@pytest.mark.parametrize("silent", SILENT)
@pytest.mark.parametrize("name", CAUGHT)
def test_a_law_rejects_a_kernel_that_answers_nothing(name, silent):
    law, options, _ = CAUGHT[name]
    kernel = loaded(SILENT[silent]())
    if silent == "no-gradients" and name in FORWARD_ALONE:
        law(kernel, "fp32", **options)
        return
    with pytest.raises((BROKEN, BadAnswer)):
        law(kernel, "fp32", **options)


def with_statistics(problem: Problem) -> Result:
    """The honest kernel, with a maximum that is one number wherever a row sees a key."""
    result = HONEST(problem)
    dead = np.isneginf(result.lse)
    largest = np.where(dead, -np.inf, 3.0).astype(np.float32)
    total = np.where(dead, 0.0, np.exp(result.lse - 3.0)).astype(np.float32)
    return replace(result, softmax_max=largest, softmax_sum=total)


@pytest.mark.parametrize("name", CAUGHT)
def test_statistics_that_are_constant_are_no_silence(name):
    law, options, _ = CAUGHT[name]
    law(loaded(with_statistics), "fp32", **options)


def test_rows_that_see_no_key_are_no_silence():
    mask = laws.MASKS["band-left-of-the-diagonal"]
    law = laws.test_a_mask_and_the_keep_array_that_says_the_same_are_one
    for seqlen_k in (40, 65, 100):
        law(loaded(HONEST), "fp32", mask=mask, seqlen_k=seqlen_k)


def test_a_law_says_where_two_answers_differ():
    law, options, broken = CAUGHT["order-of-sequences"]
    with pytest.raises(BROKEN) as failure:
        law(loaded(broken()), "fp32", **options)
    text = str(failure.value)
    assert re.match(r"out: \d+ of 12480 elements differ between two answers", text)
    assert re.search(r"worst at batch \d, row \d+, head \d, channel \d+: got .*, expected ", text)
    assert "where: batches all 3; rows" in text
