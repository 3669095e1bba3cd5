"""What our kernel declines, what the library refuses by name, and what a name says."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from injections.injection import Injection, faulty
from support import every_feature

import npu_kernels
from conformance.laws.assertions import make_problem
from kernels.refusals import LEGAL, REFUSED, Altered
from npu_kernels.ascend_c.binding import CheckFailed
from npu_kernels.emulator import build
from npu_kernels.emulator.options import parse
from reference.problem import Problem, Unsupported

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def kernel():
    return npu_kernels.ascend


def forward(format: str, **features: object) -> Problem:
    return make_problem(format, **features).replace(dout=None)


DECLINED = {
    "fp32": forward("fp32"),
    "fp64": forward("fp64"),
    "head_dim 264 > 256": forward("fp16", head_dim=264),
    "head_dim_v 264 > 256": every_feature.wide(8, 264, "fp16"),
}


@pytest.mark.parametrize("words", DECLINED)
def test_what_is_declined_is_said(kernel, words):
    with pytest.raises(Unsupported, match=words):
        kernel(DECLINED[words])


@pytest.mark.parametrize("text", REFUSED)
def test_a_bad_argument_is_refused_by_name_before_the_launch(kernel, text):
    altered = replace(kernel, library=Altered(kernel.library, REFUSED[text]))
    with pytest.raises((ValueError, Unsupported), match=f"^{text}"):
        altered(every_feature.everything("fp16"))


@pytest.mark.parametrize("change", LEGAL.values(), ids=LEGAL)
def test_the_largest_numbers_are_legal(kernel, change):
    altered = replace(kernel, library=Altered(kernel.library, change))
    assert np.isfinite(altered(every_feature.everything("fp16")).out).all()


@pytest.mark.parametrize("name", ["softcap", "scale"])
def test_a_number_beyond_fp32_is_refused(kernel, name):
    with pytest.raises(ValueError, match=f"^{name}: "):
        kernel(forward("fp16", **{name: 1e39}))


WRITES_BESIDE = Injection(
    file="host/forward.cpp",
    old="flash::run(*forward, memory);",
    new="flash::run(*forward, memory), forward->softmax_sum[-1] = 1.0f;",
    says=("softmax_sum: 4 bytes before it were written, the nearest 1 B away",),
)


def test_what_is_written_beside_a_tensor_is_noticed(tmp_path):
    with pytest.raises(CheckFailed, match=f"^{WRITES_BESIDE.says[0]}$"):
        faulty(WRITES_BESIDE, tmp_path)(WRITES_BESIDE.problem())


def test_names_say_where_a_kernel_runs_and_which_knobs_are_turned(monkeypatch):
    assert (npu_kernels.ascend.name, npu_kernels.emulated.name) == ("ascend[emulated]", "emulated")
    monkeypatch.setenv("NPU_EMULATOR", "exp=4 fast mmad=exact cores=24")
    assert npu_kernels.ascend.name == "ascend[emulated,fast,mmad=exact,exp=4]"
    assert npu_kernels.emulated.name == "emulated[fast,mmad=exact,exp=4]"
    assert npu_kernels.ascend.contract(forward("fp16")).exp_ulps == 9


@pytest.mark.parametrize(
    "words", ["slow", "fast=1", "mmad", "mmad=random", "exp=-1", "cores=0", "cores=65", "seed=x"]
)
def test_a_wrong_knob_is_named(words):
    with pytest.raises(build.Unavailable, match=f"^NPU_EMULATOR: '{words}'"):
        parse(words)


def suite(**environment: str) -> tuple[int, str]:
    """Exit code of the suite on npu_kernels:ascend, and what it writes to stderr."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "conformance.plugin",
        "-p",
        "no:hypothesispytest",
        "conformance",
    ]
    done = subprocess.run(
        [*command, "--kernel", "npu_kernels:ascend", "--collect-only", "-q"],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("environment", "text"),
    [
        ({"NPU_REQUIRE_DEVICE": "1"}, "NPU_REQUIRE_DEVICE is set, and there is no "),
        ({"CXX": "no-such-compiler"}, "CXX=no-such-compiler: there is no such command"),
        ({"NPU_EMULATOR": "quick"}, "NPU_EMULATOR: 'quick' is no knob: give words of fast"),
        ({"NPU_BUILD_DIR": "/dev/null/x"}, "NPU_BUILD_DIR=/dev/null/x cannot be written to"),
    ],
)
def test_what_is_missing_is_one_line_and_not_a_skip(environment, text):
    code, said = suite(**environment)
    assert code == 2
    assert said.startswith(f"ERROR: kernel 'npu_kernels:ascend': ascend: {text}")
    assert said.count("\n") == 1


def test_a_device_that_is_insisted_on_does_not_concern_the_emulator(monkeypatch):
    monkeypatch.setenv("NPU_REQUIRE_DEVICE", "1")
    assert npu_kernels.emulated.name == "emulated"
