"""What the backward refuses before anything is launched, by the argument's name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import npu_kernels
from conformance.laws.assertions import make_problem
from reference.problem import Unsupported


@pytest.fixture(scope="module")
def kernel():
    return npu_kernels.ascend


class Altered:
    """A library that is given another struct than Python makes."""

    def __init__(self, library, change):
        self.library, self.change = library, change

    def npu_flash_backward_workspace(self, pointer):
        """As the library's."""
        return self.library.npu_flash_backward_workspace(pointer)

    def npu_flash_backward(self, pointer):
        """As the library's, after the change."""
        self.change(pointer._obj)
        return self.library.npu_flash_backward(pointer)


def fields(**changes: object):
    """Changes fields; `dq__data` is the field `data` of dq, a callable is given the struct."""

    def change(backward):
        for name, value in changes.items():
            *path, field = name.split("__")
            target = backward
            for step in path:
                target = getattr(target, step)
            setattr(target, field, value(backward) if callable(value) else value)

    return change


REFUSED = {
    "lse: null pointer$": fields(lse=None),
    "out: null pointer$": fields(out__data=None),
    "dout: null pointer$": fields(dout__data=None),
    r"out: of 100 B is too small": fields(out__bytes=100),
    r"dout: stride_head is negative$": fields(dout__stride_head=-1),
    r"dq: of 8 B is too small": fields(dq__bytes=8),
    r"dk: its strides make rows overlap$": fields(dk__stride_seqlen=1),
    r"dv: overlaps dk$": fields(dv__data=lambda b: b.dk.data),
    r"dq: overlaps q$": fields(dq__data=lambda b: b.problem.q.data),
    r"dk: overlaps lse$": fields(lse=lambda b: b.dk.data),
    r"workspace: \d+ B, needs \d+ B$": fields(launch__workspace_bytes=1024),
    r"workspace: null pointer$": fields(launch__workspace=None),
    r"groups: 65 is not in 1\.\.64$": fields(launch__groups=65),
    r"dbias: asked for, while there is no bias$": fields(dbias=lambda b: b.lse),
    r"dsink: asked for, while there is no sink$": fields(dsink=lambda b: b.lse),
    r"softcap: .* must be positive": fields(problem__softcap=-1.0),
    r"heads_k: 3 does not divide heads_q 2$": fields(problem__heads_k=3),
    r"keep_prob: .* is not in \(0, 1\]$": fields(problem__keep_prob=0.0),
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_bad_argument_is_refused_by_its_name(kernel, text):
    problem = make_problem("fp16")
    forward = kernel(problem)
    altered = replace(kernel, library=Altered(kernel.library, REFUSED[text]))
    with pytest.raises(ValueError, match=f"^{text}"):
        altered.backward(problem, forward.out, forward.lse)


def huge(backward):
    """A bias for 2^30 queries and keys; nothing of that length is there."""
    backward.problem.batch = 1
    backward.problem.seqlen_q = backward.problem.seqlen_k = 2**30
    for name in ("q", "k", "v"):
        getattr(backward.problem, name).stride_seqlen = 0
    backward.out.stride_seqlen = backward.dout.stride_seqlen = 0
    for name in ("dq", "dk", "dv"):
        getattr(backward, name).bytes = 2**40
    backward.problem.bias = type(backward.problem.bias)(backward.lse, 2, 0, 0, 0, 0)
    backward.dbias = backward.lse


BEYOND = {
    "head_dim: 264 is above 256": fields(problem__head_dim=264),
    "head_dim_v: 264 is above 256": fields(problem__head_dim_v=264),
    r"batch: times heads_k is above 2\^31 - 1": fields(
        problem__batch=2**20, problem__heads_q=0, problem__heads_k=2**20
    ),
    "dbias: needs more than 2\\^40 B of workspace": huge,
}


class AlteredFromTheStart(Altered):
    """Altered before it is asked for the workspace."""

    def npu_flash_backward_workspace(self, pointer):
        """As the library's, after the change."""
        self.change(pointer._obj)
        return self.library.npu_flash_backward_workspace(pointer)


@pytest.mark.parametrize("text", BEYOND)
def test_what_is_too_large_is_declined_by_its_name(kernel, text):
    problem = make_problem("fp16")
    forward = kernel(problem)
    altered = replace(kernel, library=AlteredFromTheStart(kernel.library, BEYOND[text]))
    with pytest.raises(Unsupported, match=f"^{text}"):
        altered.backward(problem, forward.out, forward.lse)


LSE = np.zeros((2, 2, 65))
STATISTICS = {
    r"lse: shape \(2, 65, 2\): give \(2, 2, 65\)": {"lse": LSE.swapaxes(1, 2)},
    r"lse: NaN at 133: ": {"lse": np.where(np.arange(260).reshape(LSE.shape) == 133, np.nan, LSE)},
    r"out: shape \(2, 65, 2, 31\): give \(2, 65, 2, 32\)": {"out": np.zeros((2, 65, 2, 31))},
}


@pytest.mark.parametrize("text", STATISTICS)
def test_statistics_that_are_not_the_forwards_are_refused_by_name(kernel, text):
    problem = make_problem("fp16")
    statistics = {"out": problem.q, "lse": LSE} | STATISTICS[text]
    with pytest.raises(ValueError, match=f"^{text}"):
        kernel.backward(problem, **statistics)


def test_statistics_may_have_any_type_and_strides(kernel):
    problem = make_problem("bf16", seqlen_q=20, seqlen_k=20)
    got = kernel(problem)
    out, lse = (np.asfortranarray(array, np.float64) for array in (got.out, got.lse))
    assert np.array_equal(kernel.backward(problem, out, lse).dq, got.dq)
