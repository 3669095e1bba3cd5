"""Our Ascend C kernel on the emulator: its contract, its knobs, what it declines and refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import npu_kernels
from conformance.compare import Verdict, judge
from conformance.laws import CAUSAL, question
from conformance.transform import laid_out
from npu_kernels import ascend_c, build
from npu_kernels.knobs import MMAD_ORDERS, Knobs, parse
from reference import dense
from reference.bounds import error_bound
from reference.mask import Mask
from reference.problem import Problem, Unsupported

ROOT = Path(__file__).parents[1]
FORMATS = ("fp16", "bf16")


@pytest.fixture(scope="module")
def kernel():
    return npu_kernels.ascend


def forward(format: str, **asked: object) -> Problem:
    return question(format, **asked).replace(dout=None)


def rough(format: str, **asked: object) -> Problem:
    """Values whose sums round, unlike those of the grid."""
    problem, random = forward(format, **asked), np.random.default_rng(0)
    normal = {name: random.normal(size=getattr(problem, name).shape) for name in "qkv"}
    return problem.replace(**{name: problem.format.round(x) for name, x in normal.items()})


def verdict(kernel: ascend_c.AscendKernel, problem: Problem) -> Verdict:
    got, contract = kernel(problem), kernel.contract(problem)
    want = dense.attention(problem)
    allowed = error_bound(problem, contract, result=want)
    return judge(got, want, allowed, problem=problem, contract=contract)


ASKED = {
    "plain": {},
    "causal": {"mask": CAUSAL},
    "one-query": {"seqlen_q": 1, "seqlen_k": 257, "mask": CAUSAL},
    "one-key": {"seqlen_q": 130, "seqlen_k": 1},
    "causal-long-q": {"seqlen_q": 300, "seqlen_k": 150, "mask": CAUSAL},
    "causal-long-k": {"seqlen_q": 129, "seqlen_k": 513, "mask": CAUSAL},
    "last-row-alone": {"seqlen_q": 257, "seqlen_k": 129},
    "gqa": {"heads_q": 6, "heads_k": 2, "mask": CAUSAL},
    "mqa": {"heads_q": 3, "heads_k": 1},
    "scale": {"scale": -0.4},
    "no-keys": {"seqlen_k": 0},
    "no-queries": {"seqlen_q": 0},
    "no-sequences": {"batch": 0},
}


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
@pytest.mark.parametrize("format", FORMATS)
def test_the_kernel_keeps_its_contract(kernel, format, asked):
    assert not verdict(kernel, forward(format, **asked)).failures


@pytest.mark.parametrize("head_dim", [1, 7, 16, 40, 64, 127, 128, 129, 192, 250, 256])
def test_any_head_dim_will_do(kernel, head_dim):
    problem = forward("bf16", head_dim=head_dim, seqlen_q=70, seqlen_k=140, mask=CAUSAL)
    assert not verdict(kernel, problem).failures


@pytest.mark.parametrize("layout", ["bnsd", "gapped", "every-other", "qkv", "expanded"])
def test_strided_tensors_give_the_same_bits(kernel, layout):
    strided = laid_out(forward("fp16", seqlen_q=40, seqlen_k=40), layout)
    close = strided.replace(**{name: getattr(strided, name).copy() for name in "qkv"})
    assert np.array_equal(kernel(strided).out, kernel(close).out)


TURNED = [
    *(f"mmad={order}" for order in MMAD_ORDERS),
    *("exp=1 seed=5", "exp=4 seed=6", "keeps-inf-nan"),
    "mmad=tree16 exp=4 seed=7 keeps-inf-nan",
]


@pytest.mark.parametrize("words", TURNED)
def test_no_knob_breaks_the_contract(kernel, words):
    turned = replace(kernel, knobs=parse(words))
    for format in FORMATS:
        problem = rough(format, seqlen_q=129, seqlen_k=300, head_dim=64, mask=CAUSAL)
        assert not verdict(turned, problem).failures


def same(kernel: ascend_c.AscendKernel, problem: Problem, *knobs: Knobs) -> bool:
    answers = [
        [tensor.tobytes() for _, tensor in replace(kernel, knobs=turned)(problem).tensors()]
        for turned in knobs
    ]
    return all(answer == answers[0] for answer in answers)


@pytest.mark.parametrize("format", FORMATS)
def test_bits_do_not_depend_on_the_number_of_cores_nor_on_checking(kernel, format):
    problem = rough(format, seqlen_q=300, seqlen_k=300, mask=CAUSAL)
    knobs = [Knobs(cores=cores, fast=fast) for cores in (1, 3, 20, 24) for fast in (True, False)]
    assert same(kernel, problem, *knobs)


def test_knobs_change_bits(kernel):
    problem = rough("fp16", seqlen_k=300, head_dim=128)
    assert not same(kernel, problem, Knobs(), Knobs(mmad="tree16"))
    assert not same(kernel, problem, Knobs(exp=4, seed=1), Knobs(exp=4, seed=2))


def test_counters_tell_what_the_cube_multiplied(kernel):
    launch = kernel.launch(
        forward("fp16", batch=1, heads_q=1, heads_k=1, seqlen_q=128, seqlen_k=256, head_dim=64)
    )
    cube = next(core for core in launch.counters if core.core == "AIC")
    assert cube.macs["M"] == 2 * 128 * 256 * 64
    assert [core.core for core in launch.counters] == ["AIC", "AIV0", "AIV1"]


DECLINED = {
    "backward": question("fp16"),
    "fp32": forward("fp32"),
    "window": forward("fp16", mask=Mask(window=(3, 0))),
    "top_left": forward("fp16", seqlen_k=40, mask=Mask(window=(None, 0), anchor="top-left")),
    "softcap": forward("fp16", softcap=5.0),
    "head_dim 264 > 256": forward("fp16", head_dim=264),
}


@pytest.mark.parametrize("words", DECLINED)
def test_what_is_declined_is_said(kernel, words):
    with pytest.raises(Unsupported, match=words):
        kernel(DECLINED[words])


class Altered:
    """A library that is given another struct than Python makes."""

    def __init__(self, library, change):
        self.library, self.change = library, change

    def npu_flash_forward_workspace(self, pointer):
        """As the library's."""
        return self.library.npu_flash_forward_workspace(pointer)

    def npu_flash_forward(self, pointer):
        """As the library's, after the change."""
        self.change(pointer._obj)
        return self.library.npu_flash_forward(pointer)


REFUSED = {
    "q: null pointer": lambda f: setattr(f.q, "data", None),
    "lse: null pointer": lambda f: setattr(f, "lse", None),
    "workspace: null pointer": lambda f: setattr(f, "workspace", None),
    "workspace: \\d+ B, needs \\d+ B": lambda f: setattr(f, "workspace_bytes", 31),
    "out: overlaps k": lambda f: setattr(f.out, "data", f.k.data),
    "lse: overlaps out": lambda f: setattr(f, "lse", f.out.data + 8),
    "batch: -1 is negative": lambda f: setattr(f, "batch", -1),
    "seqlen_k: -5 is negative": lambda f: setattr(f, "seqlen_k", -5),
    "heads_k: 3 does not divide heads_q 2": lambda f: setattr(f, "heads_k", 3),
    "groups: 0 is not in": lambda f: setattr(f, "groups", 0),
    "v: of \\d+ B is too small": lambda f: setattr(f.v, "stride_batch", 1 << 40),
    "q: stride_head is negative": lambda f: setattr(f.q, "stride_head", -32),
    "out: its strides make rows overlap": lambda f: setattr(f.out, "stride_seqlen", 0),
    "scale: must be finite": lambda f: setattr(f, "scale", float("nan")),
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_bad_argument_is_refused_by_name_before_the_launch(kernel, text):
    altered = replace(kernel, library=Altered(kernel.library, REFUSED[text]))
    with pytest.raises(ValueError, match=f"^{text}"):
        altered(forward("fp16"))


def test_what_the_library_does_not_do_is_declined(kernel):
    altered = Altered(kernel.library, lambda f: setattr(f, "head_dim_v", 16))
    with pytest.raises(Unsupported, match=r"^head_dim_v: 16 is not head_dim"):
        replace(kernel, library=altered)(forward("fp16"))


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
    command = [sys.executable, "-m", "pytest", "-p", "conformance.plugin", "conformance"]
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
        ({"NPU_REQUIRE_DEVICE": "1"}, "NPU_REQUIRE_DEVICE is set, and there is no build for a "),
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


def test_sanitizers_find_nothing_in_emulator_and_kernel():
    """The interpreter itself is not instrumented: it needs the library of the sanitizers first."""
    runtime = subprocess.run(
        [*build.compiler(), "-print-file-name=libasan.so"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    preloaded = {"LD_PRELOAD": runtime, "ASAN_OPTIONS": "detect_leaks=0", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "sanitized_run.py")],
        env=os.environ | preloaded,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
