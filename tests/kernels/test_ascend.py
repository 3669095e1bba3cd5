"""Our Ascend C kernel on the emulator: its contract with every feature, its knobs, its bits."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import every_feature

import npu_kernels
from conformance.laws.assertions import CAUSAL, make_problem
from conformance.laws.transform import laid_out
from conformance.verdict.verdict import Verdict, judge
from npu_kernels.ascend_c.encode import encode_problem
from npu_kernels.ascend_c.forward import ForwardAnswer, flash_forward
from npu_kernels.ascend_c.kernel import AscendKernel
from npu_kernels.emulator import build
from npu_kernels.emulator.options import MMAD_ORDERS, EmulatorOptions, parse
from reference import dense
from reference.bounds import error_bound
from reference.mask import Mask
from reference.problem import Problem

ROOT = Path(__file__).parents[2]
FORMATS = ("fp16", "bf16")


@pytest.fixture(scope="module")
def kernel():
    return npu_kernels.ascend


def forward(format: str, **features: object) -> Problem:
    return make_problem(format, **features).replace(dout=None)


def verdict(kernel: AscendKernel, problem: Problem) -> Verdict:
    got, contract = kernel(problem), kernel.contract(problem)
    want = dense.attention(problem)
    allowed = error_bound(problem, contract, result=want)
    return judge(got, want, allowed, problem=problem, contract=contract)


PROBLEMS = {
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


@pytest.mark.parametrize("features", PROBLEMS.values(), ids=PROBLEMS)
@pytest.mark.parametrize("format", FORMATS)
def test_the_kernel_keeps_its_contract(kernel, format, features):
    assert not verdict(kernel, forward(format, **features)).failures


@pytest.mark.parametrize("name", every_feature.FEATURES)
@pytest.mark.parametrize("format", FORMATS)
def test_no_feature_breaks_the_contract(kernel, format, name):
    assert not verdict(kernel, every_feature.featured(name, format)).failures


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("format", FORMATS)
def test_all_features_go_together(kernel, format, packed):
    problem = every_feature.everything(format, packed=packed)
    assert not verdict(kernel, problem).failures


@pytest.mark.parametrize("head_dim", [1, 7, 16, 40, 64, 127, 128, 129, 192, 250, 256])
def test_any_head_dim_will_do(kernel, head_dim):
    problem = forward("bf16", head_dim=head_dim, seqlen_q=70, seqlen_k=140, mask=CAUSAL)
    assert not verdict(kernel, problem).failures


@pytest.mark.parametrize(("head_dim", "head_dim_v"), every_feature.HEAD_DIMS)
@pytest.mark.parametrize("format", FORMATS)
def test_values_may_have_a_length_of_their_own(kernel, format, head_dim, head_dim_v):
    assert not verdict(kernel, every_feature.wide(head_dim, head_dim_v, format)).failures


def test_rows_that_see_nothing_have_defined_results(kernel):
    hidden = {"mask": every_feature.FEATURES["window-turned-round"]["mask"]}
    got = kernel(forward("fp16", **hidden))
    assert (got.out == 0).all()
    assert (got.lse == -np.inf).all()
    sink = np.array([-3, 2], np.float32)
    got = kernel(forward("fp16", sink=sink, **hidden))
    assert (got.out == 0).all()
    assert (got.lse == sink[:, None]).all()


@pytest.mark.parametrize("layout", ["bnsd", "gapped", "every-other", "qkv", "expanded"])
def test_strided_tensors_give_the_same_bits(kernel, layout):
    strided = laid_out(forward("fp16", seqlen_q=40, seqlen_k=40), layout)
    close = strided.replace(**{name: getattr(strided, name).copy() for name in "qkv"})
    assert np.array_equal(kernel(strided).out, kernel(close).out)


def test_rows_further_apart_than_the_chip_counts_give_the_same_bits(kernel):
    wide = np.zeros((1, 40, 2, 33000), np.float32)  # 66000 elements to a row, which u16 cannot say
    near = forward("fp16", batch=1, seqlen_q=40, seqlen_k=40)
    far = {}
    for name in "qkv":
        far[name] = wide.copy()[..., :32]
        far[name][:] = getattr(near, name)
    bias = np.zeros((40, 70000), np.float32)[:, :40]
    assert np.array_equal(kernel(near.replace(**far, bias=bias)).out, kernel(near).out)


@pytest.mark.parametrize("name", ["bias-of-queries", "bias-of-keys", "bias-of-heads"])
def test_a_repeated_bias_gives_the_bits_of_an_expanded_one(kernel, name):
    small = every_feature.featured(name, "fp16")
    large = small.replace(bias=np.broadcast_to(small.bias, small.shape_scores).copy())
    assert same([kernel(small), kernel(large)])


TURNED = [
    *(f"mmad={order}" for order in MMAD_ORDERS),
    *("exp=1 seed=5", "exp=4 seed=6", "keeps-inf-nan"),
    *("truncates", "mmad=tree16 truncates", "ln=1 seed=5", "ln=4 seed=6"),
    "mmad=tree16 truncates exp=4 ln=4 random-padding seed=7 keeps-inf-nan",
]


@pytest.mark.parametrize("words", TURNED)
def test_no_knob_breaks_the_contract(kernel, words):
    turned = replace(kernel, options=parse(words))
    for format in FORMATS:
        assert not verdict(turned, every_feature.everything(format, head_dim=64)).failures


def same(results: list) -> bool:
    answers = [[tensor.tobytes() for _, tensor in result.tensors()] for result in results]
    return all(answer == answers[0] for answer in answers)


def with_options(kernel: AscendKernel, problem: Problem, *options: EmulatorOptions) -> list:
    return [replace(kernel, options=turned)(problem) for turned in options]


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("format", FORMATS)
def test_bits_do_not_depend_on_the_number_of_cores_nor_on_checking(kernel, format, packed):
    problem = every_feature.everything(format, packed=packed)
    options = [
        EmulatorOptions(cores=cores, fast=fast)
        for cores in (1, 3, 20, 24)
        for fast in (True, False)
    ]
    assert same(with_options(kernel, problem, *options))


@pytest.mark.parametrize("name", ["bias", "bias-of-keys", "bias-of-queries"])
def test_only_a_bias_of_queries_uses_what_a_copy_leaves_behind_a_row(kernel, name):
    """It spreads the row's only value over 32 B: the documentation says that it is repeated."""
    problem = every_feature.featured(name, "fp16")
    random = (EmulatorOptions(random_padding=True, seed=seed) for seed in (1, 2))
    unmoved = same(with_options(kernel, problem, EmulatorOptions(), *random))
    assert unmoved == (name != "bias-of-queries")


@pytest.mark.parametrize(
    "mask",
    [Mask(), CAUSAL, Mask(window=(300, -100)), Mask(window=(100, 0), prefix=200)],
    ids=["all", "causal", "window", "prefix"],
)
def test_bits_do_not_depend_on_which_blocks_share_their_keys(kernel, mask):
    """One core takes two blocks of queries at a time; 24 cores take one each."""
    problem = forward(
        "fp16",
        batch=1,
        heads_q=2,
        heads_k=1,
        seqlen_q=300,
        seqlen_k=1300,
        head_dim=32,
        mask=mask,
    )
    apart, together = (EmulatorOptions(cores=cores, exp=4) for cores in (24, 1))
    assert loads(kernel, problem, together) < loads(kernel, problem, apart)
    assert same(with_options(kernel, problem, apart, together))


def loads(kernel: AscendKernel, problem: Problem, options: EmulatorOptions) -> int:
    ready = replace(kernel, options=options).prepare(problem)
    ready.launch()
    return sum(core.bytes["GM to L1"] for core in ready.forward.answer().counters)


def test_knobs_change_bits(kernel):
    problem = every_feature.everything("fp16", head_dim=128)
    assert not same(
        with_options(kernel, problem, EmulatorOptions(), EmulatorOptions(mmad="tree16"))
    )
    for knob in ("exp", "ln"):
        seeds = (EmulatorOptions(**{knob: 4}, seed=seed) for seed in (1, 2))
        assert not same(with_options(kernel, problem, *seeds))
    assert not same(
        with_options(kernel, problem, EmulatorOptions(), EmulatorOptions(truncates=True))
    )


def forward_answer(kernel: AscendKernel, problem: Problem) -> ForwardAnswer:
    return flash_forward(kernel.library, encode_problem(problem), options=kernel.options)


def test_counters_tell_what_the_cube_multiplied(kernel):
    answer = forward_answer(
        kernel,
        forward("fp16", batch=1, heads_q=1, heads_k=1, seqlen_q=128, seqlen_k=256, head_dim=64),
    )
    cube = next(core for core in answer.counters if core.core == "AIC")
    assert cube.macs["M"] == 2 * 128 * 256 * 64
    assert [core.core for core in answer.counters] == ["AIC", "AIV0", "AIV1"]


def test_tiles_that_nobody_sees_are_not_multiplied(kernel):
    answer = forward_answer(
        kernel,
        forward(
            "fp16",
            **{"batch": 1, "heads_q": 1, "heads_k": 1, "seqlen_q": 128, "seqlen_k": 1024},
            mask=every_feature.Mask(window=(0, 0), prefix=128),
        ),
    )
    cube = next(core for core in answer.counters if core.core == "AIC")
    assert cube.macs["M"] == 2 * 128 * (128 + 128) * 32


def test_sanitizers_find_nothing_in_emulator_and_kernel():
    """The interpreter is not instrumented: libraries that it lacks have to be loaded before it."""
    paths = [
        subprocess.run(
            [*build.compiler(), f"-print-file-name={name}"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for name in ("libasan.so", "libstdc++.so.6")  # the one looks for the other's throw
    ]
    library = build.library(options=(*build.STRICT, *build.SANITIZED))
    preloaded = {"LD_PRELOAD": " ".join(paths), "ASAN_OPTIONS": "detect_leaks=0"}
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "emulator" / "sanitized_run.py"), str(library)],
        env=os.environ | preloaded | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
