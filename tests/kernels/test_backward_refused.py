"""What the backward refuses before anything is launched, by the argument's name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import npu_kernels
from conformance.laws.assertions import make_problem
from npu_kernels.ascend_c.backward import flash_backward
from npu_kernels.ascend_c.bits16 import encode
from npu_kernels.ascend_c.encode import encode_problem
from npu_kernels.emulator.options import EmulatorOptions
from reference.problem import Problem, Unsupported


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
    forward = kernel.launch(problem)
    altered = replace(kernel, library=Altered(kernel.library, REFUSED[text]))
    with pytest.raises(ValueError, match=f"^{text}"):
        altered.gradients(problem, forward.out, forward.lse)


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
    forward = kernel.launch(problem)
    altered = replace(kernel, library=AlteredFromTheStart(kernel.library, BEYOND[text]))
    with pytest.raises(Unsupported, match=f"^{text}"):
        altered.gradients(problem, forward.out, forward.lse)


ARGUMENTS = {
    "lse: float64 of shape": {"lse": np.zeros((2, 2, 65))},
    "lse: float32 of shape": {"lse": np.zeros((2, 65, 2), np.float32)},
    "dlse: float32 of shape": {"dlse": np.zeros((2, 2, 64), np.float32)},
    "out: shape": {"out": np.zeros((2, 65, 2, 31), np.uint16)},
    "dout: float32 of shape": {"dout": np.zeros((2, 65, 2, 32), np.float32)},
    "dout: the innermost stride": {"dout": np.zeros((2, 65, 2, 64), np.uint16)[..., ::2]},
}


def arguments(problem: Problem) -> dict:
    bits = np.zeros(problem.q.shape, np.uint16)
    return {"out": bits, "dout": bits, "lse": np.zeros(problem.shape_lse, np.float32)}


@pytest.mark.parametrize("text", ARGUMENTS)
def test_an_array_of_another_shape_is_refused_by_its_name(kernel, text):
    problem = make_problem("fp16")
    given = arguments(problem) | ARGUMENTS[text]
    with pytest.raises(ValueError, match=f"^{text}"):
        flash_backward(kernel.library, encode_problem(problem), **given, options=EmulatorOptions())


def test_statistics_that_are_nan_are_refused_however_they_come(kernel):
    problem = make_problem("fp16")
    lse = np.zeros(problem.shape_lse)
    lse[1, 0, 3] = np.nan
    with pytest.raises(ValueError, match=r"^lse: NaN at 133: "):
        kernel.backward(problem, problem.q, lse)


def test_out_is_taken_as_it_is_stored(kernel):
    problem = make_problem("bf16", seqlen_q=20, seqlen_k=20)
    launch = kernel.launch(problem)
    stored = kernel.gradients(problem, launch.out, launch.lse)
    given = kernel.backward(problem, kernel(problem).out, launch.lse.astype(np.float64))
    assert np.array_equal(encode(given.dq, problem.format), stored.dq)
