"""A problem knows its shapes and what an answer to it looks like."""

from __future__ import annotations

import numpy as np
import pytest

from reference.formats import BF16, FP16, Array
from reference.problem import Problem, Result


def ones(*shape: int, dtype: type = np.float32) -> Array:
    """An array of ones, which every format holds."""
    return np.ones(shape, dtype)


DENSE = {"q": ones(2, 3, 4, 8), "k": ones(2, 5, 2, 8), "v": ones(2, 5, 2, 6), "format": FP16}
PACKED = {
    "q": ones(5, 4, 8),
    "k": ones(6, 2, 8),
    "v": ones(6, 2, 6),
    "format": BF16,
    "cu_seqlens_q": np.array([0, 2, 2, 5]),
    "cu_seqlens_k": np.array([0, 1, 4, 6], np.int32),
}


def test_the_scale_is_one_over_the_root_of_head_dim_unless_given() -> None:
    assert Problem(**DENSE).scale == 8**-0.5
    assert Problem(**DENSE, scale=0.0).scale == 0.0


def test_a_changed_copy_is_checked_anew() -> None:
    problem = Problem(**DENSE)
    assert problem.replace(softcap=2.0).softcap == 2.0 and problem.softcap is None
    with pytest.raises(ValueError, match=r"^softcap is -1\.0"):
        problem.replace(softcap=-1.0)


def test_a_dense_problem_knows_its_lengths() -> None:
    problem = Problem(**DENSE)
    assert (problem.batch, problem.heads_q, problem.heads_k, problem.group) == (2, 4, 2, 2)
    assert (problem.head_dim, problem.head_dim_v) == (8, 6)
    assert (problem.seqlens_q, problem.seqlens_k) == ((3, 3), (5, 5))
    assert (problem.shape_lse, problem.shape_scores) == ((2, 4, 3), (2, 4, 3, 5))


def test_a_packed_problem_knows_its_lengths() -> None:
    problem = Problem(**PACKED)
    assert (problem.batch, problem.is_packed) == (3, True)
    assert (problem.seqlens_q, problem.seqlens_k) == ((2, 0, 3), (1, 3, 2))
    assert (problem.shape_lse, problem.shape_scores) == ((4, 5), (3, 4, 3, 3))


def test_a_result_lists_the_tensors_that_are_there() -> None:
    out = ones(2)
    assert dict(Result(out=out, dsink=out).tensors()) == {"out": out, "dsink": out}


ASKED = {
    "forward": ({}, "out lse"),
    "backward": ({"dout": ones(2, 3, 4, 6)}, "out lse dq dk dv"),
    "backward, bias and sink": (
        {"dout": ones(2, 3, 4, 6), "bias": ones(5), "sink": ones(4)},
        "out lse dq dk dv dbias dsink",
    ),
}


@pytest.mark.parametrize("what", ASKED)
def test_an_answer_has_every_tensor_asked_for(what: str) -> None:
    fields, names = ASKED[what]
    answer = Problem(**DENSE, **fields).zeros()
    assert [name for name, _ in answer.tensors()] == names.split()
