"""Isolated kernels: whatever one does to its process, only its own call fails."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from conformance.kernel.isolate import Isolated, IsolatedFailure
from conformance.strides import with_steps
from reference.formats import FP32
from reference.problem import Problem, Unsupported

SUBJECTS = Path(__file__).parents[1] / "support" / "sample_kernels.py"


def problem() -> Problem:
    tensors = {name: np.ones((1, 3, 2, 8), np.float32) for name in ("q", "k", "v", "dout")}
    return Problem(**tensors, format=FP32)


@pytest.fixture
def isolated():
    """Makes isolated kernels, and ends their processes."""
    made = []

    def make(name: str, *, seconds: float = 60.0) -> Isolated:
        made.append(Isolated(f"{SUBJECTS}:{name}", seconds=seconds, gib=2.0))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def test_an_isolated_kernel_answers_as_it_would_here(isolated):
    kernel = isolated("right")
    asked = problem()
    forward = kernel("forward", asked)
    gradients = kernel("backward", asked, forward.out, forward.lse)
    assert np.array_equal(forward.out, asked.v)
    assert gradients.out is None and np.array_equal(gradients.dq, forward.dq)


def test_steps_between_elements_reach_the_kernel(isolated):
    asked = problem()
    gapped = asked.replace(q=with_steps(asked.q, (96, 32, 16, 1)))
    assert np.array_equal(isolated("right")("forward", gapped).out, asked.v)


def test_a_declined_problem_is_declined(isolated):
    with pytest.raises(Unsupported, match="head_dim 16 > 8"):
        isolated("declines")("forward", problem())


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        (
            "raises",
            ["the kernel raised RuntimeError", "tile 3 is not aligned", "sample_kernels.py"],
        ),
        ("crashes", ["died of SIGABRT", "sample_kernels.py", "in crashes"]),
        ("exits", ["ended with exit code 7"]),
        ("eats_memory", ["Unable to allocate", "--kernel-memory is 2 GiB"]),
        ("overwrites", ["the kernel changed its input dout"]),
    ],
)
def test_a_failure_in_the_child_says_what_happened_and_the_next_call_goes_on(name, texts, isolated):
    kernel = isolated(name)
    for _ in range(2):
        with pytest.raises(IsolatedFailure) as error:
            kernel("forward", problem())
        assert all(text in str(error.value) for text in texts), str(error.value)


def test_a_kernel_remembers_its_calls_until_its_process_dies(isolated):
    kernel = isolated("counts")
    seen = []
    for _ in range(4):
        with suppress(IsolatedFailure):
            seen.append(int(kernel("forward", problem()).out.max()))
    assert seen == [1, 2, 1]


def test_a_kernel_that_hangs_is_stopped_and_the_next_call_goes_on(isolated):
    kernel = isolated("hangs", seconds=0.5)
    for _ in range(2):
        with pytest.raises(IsolatedFailure, match=r"did not return within 0\.5 s"):
            kernel("forward", problem())


def test_a_kernel_whose_module_cannot_be_loaded_there_says_why(tmp_path):
    kernel = Isolated(f"{tmp_path}/nothing.py:f", seconds=60.0, gib=2.0)
    with pytest.raises(IsolatedFailure, match="there is no file"):
        kernel("forward", problem())
