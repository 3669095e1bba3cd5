"""A law rejects a kernel whose answers agree because there is nothing in them."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

from conformance.kernel import BadAnswer
from faults.test_laws_catch import BROKEN, CAUGHT, loaded, says

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


def test_a_law_says_where_two_answers_differ():
    law, options, broken = CAUGHT["order-of-sequences"]
    with pytest.raises(BROKEN) as failure:
        law(loaded(broken()), "fp32", **options)
    text = str(failure.value)
    assert re.match(r"out: \d+ of 12480 elements differ between two answers", text)
    assert re.search(r"worst at batch \d, row \d+, head \d, channel \d+: got .*, expected ", text)
    assert "where: batches all 3; rows" in text
