"""A kernel that failed is asked again, and the text says whether its answer changes."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.laws.assertions import make_problem
from conformance.verdict.again import again
from reference.problem import Problem, Result


def constant(problem: Problem) -> Result:
    return Result(out=np.zeros(problem.q.shape, np.float32))


def counting():
    calls = []

    def kernel(problem: Problem) -> Result:
        calls.append(problem)
        out = np.zeros(problem.q.shape, np.float32)
        out.flat[:3] = len(calls)
        return Result(out=out)

    return kernel


def keyed_by_address():
    """It takes a tensor at the same address for the one it has seen."""
    seen: dict[int, int] = {}

    def kernel(problem: Problem) -> Result:
        value = seen.setdefault(problem.q.ctypes.data, len(seen))
        return Result(out=np.full(problem.q.shape, value, np.float32))

    return kernel


def dying(problem: Problem) -> Result:
    raise RuntimeError("tile 3")


SIZE = 2 * 65 * 2 * 32
KERNELS = {
    "constant": (lambda: constant, "asked again: the same again"),
    "counting": (counting, "differs from call to call: 3 elements of out."),
    "keyed-by-address": (keyed_by_address, f"differs from call to call: {SIZE} elements of out."),
}


@pytest.mark.parametrize(("make", "text"), KERNELS.values(), ids=KERNELS)
def test_the_text_says_whether_the_answer_comes_again(make, text):
    kernel, problem = make(), make_problem("fp32")
    assert text in again(kernel, problem, kernel(problem))


def test_a_kernel_that_raises_when_asked_again_is_told():
    problem = make_problem("fp32")
    text = again(dying, problem, constant(problem))
    assert text == "asked again, the kernel raised RuntimeError: tile 3"


def test_nan_is_the_same_again():
    problem = make_problem("fp32")
    nan = Result(out=np.full(problem.q.shape, np.nan, np.float32))
    assert again(lambda problem: nan, problem, nan) == "asked again: the same again"
