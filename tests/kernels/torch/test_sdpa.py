"""torch's kernels: what each contract says is true, and what is declined is said in words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import npu_kernels
from conformance.laws.assertions import CAUSAL, make_problem
from conformance.laws.transform import laid_out
from npu_kernels.torch_kernels import contracts, sdpa_arguments
from reference import dense
from reference.bounds import error_bound
from reference.contract import Contract
from reference.dropout import Dropout
from reference.formats import FORMATS
from reference.mask import Mask
from reference.problem import Problem, Result, Unsupported

KERNELS = ("sdpa", "sdpa_math", "sdpa_flash")
EVERY = tuple(FORMATS)


def excess(got: Result, problem: Problem, contract: Contract, **asked: bool) -> dict[str, float]:
    """For each tensor the largest error over what is allowed; dead rows as the contract says."""
    want = dense.attention(problem)
    dead = np.isneginf(want.lse)
    want = replace(want, lse=np.where(dead, contract.dead_rows[1], want.lse))
    worst = error_bound(problem, contract, result=dense.attention(problem), **asked).worst
    ratios = {}
    for name, tensor in got.tensors():
        error = abs(tensor - getattr(want, name))
        ratio = np.divide(error, getattr(worst, name), out=np.zeros(error.shape), where=error != 0)
        ratios[name] = float(np.max(ratio, initial=0.0))
    return ratios


def bias_of(format: str) -> np.ndarray:
    return FORMATS[format].round(np.linspace(-3, 3, 2 * 65).reshape(2, 1, 65))


ASKED = {
    "plain": lambda format: {},
    "causal": lambda format: {"mask": CAUSAL},
    "causal-bottom-right": lambda format: {"mask": CAUSAL, "seqlen_q": 40},
    "causal-top-left": lambda format: {
        "mask": Mask(window=(None, 0), anchor="top-left"),
        "seqlen_q": 90,
    },
    "dead-rows": lambda format: {"mask": Mask(window=(9, -20)), "seqlen_k": 50},
    "prefix": lambda format: {"mask": Mask(window=(3, 0), prefix=(5, 40))},
    "keep": lambda format: {"mask": Mask(keep=np.arange(2 * 65).reshape(2, 1, 1, 65) % 3 != 1)},
    "gqa": lambda format: {"heads_q": 6, "heads_k": 2},
    "mqa-long": lambda format: {"heads_q": 3, "heads_k": 1, "seqlen_q": 200, "seqlen_k": 600},
    "bias": lambda format: {"bias": bias_of(format)},
    "bias-causal": lambda format: {"bias": bias_of(format), "mask": CAUSAL},
    "alibi": lambda format: {
        "slopes": np.asarray([0.1, 0.7], np.float64 if format == "fp64" else np.float32),
        "seqlen_q": 40,
    },
    "scale": lambda format: {"scale": -0.4},
    "no-keys": lambda format: {"seqlen_k": 0},
    "no-queries": lambda format: {"seqlen_q": 0},
    "no-sequences": lambda format: {"batch": 0},
}


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
@pytest.mark.parametrize("format", EVERY)
@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_keeps_its_contract_or_declines(name, format, asked):
    kernel, problem = getattr(npu_kernels, name), make_problem(format, **asked(format))
    try:
        got = kernel(problem)
    except Unsupported:
        assert name == "sdpa_flash"
        assert {"bias", "empty"} & problem.features
    else:
        ratios = excess(got, problem, kernel.contract(problem))
        assert max(ratios.values()) <= 1, ratios


@pytest.mark.parametrize("asked", ["plain", "causal-bottom-right", "dead-rows", "mqa-long"])
@pytest.mark.parametrize("format", EVERY)
def test_flash_backward_keeps_its_contract_on_the_oracles_statistics(format, asked):
    problem = make_problem(format, **ASKED[asked](format))
    kernel, exact = npu_kernels.sdpa_flash, dense.attention(problem)
    got = kernel.backward(problem, exact.out, exact.lse)
    ratios = excess(got, problem, kernel.contract(problem), exact_statistics=True)
    assert max(ratios.values()) <= 1, ratios


@pytest.mark.parametrize(
    ("backend", "asked"),
    [
        ("flash", {"heads_q": 4}),
        ("flash", {"mask": CAUSAL, "seqlen_q": 40}),
        ("math", {"bias": bias_of("bf16")}),
        ("math", {"seqlen_k": 0}),
    ],
    ids=["gqa", "bottom-right", "gradient-of-bias", "no-keys"],
)
def test_the_contract_of_sdpa_is_that_of_the_backend_that_torch_takes(backend, asked):
    problem = make_problem("bf16", **asked)
    assert sdpa_arguments.chosen(problem) == backend
    declared = {"flash": contracts.flash_on_cpu, "math": contracts.math}[backend](problem)
    assert npu_kernels.sdpa.contract(problem) == declared


@pytest.mark.parametrize("format", ["fp16", "bf16"])
def test_the_fast_exp_of_reduced_precision_must_be_declared(format):
    problem = make_problem(format, seqlen_k=32, scale=0.0)
    got, contract = npu_kernels.sdpa_flash(problem), npu_kernels.sdpa_flash.contract(problem)
    assert excess(got, problem, contract)["lse"] <= 1
    assert excess(got, problem, contract.replace(exp_rel=contracts.EXP_U20))["lse"] > 1


def test_that_products_flush_subnormal_numbers_must_be_declared():
    tiny = FORMATS["bf16"].round(make_problem("bf16").v * 2.0**-126)
    problem = make_problem("bf16").replace(v=tiny)
    exact, contract = dense.attention(problem), contracts.flash_on_cpu(problem)
    flushed = replace(exact, out=np.where(abs(exact.out) < 2.0**-126, 0, exact.out))
    assert excess(flushed, problem, contract)["out"] <= 1
    assert excess(flushed, problem, contract.replace(flushes_subnormals=False))["out"] > 1


def test_flash_calls_the_lse_of_a_row_that_sees_nothing_zero():
    problem = make_problem("bf16", mask=Mask(window=(9, -20)), seqlen_k=50)
    got, dead = npu_kernels.sdpa_flash(problem), np.isneginf(dense.attention(problem).lse)
    assert dead.any()
    assert (got.lse[dead] == 0).all()
    assert (got.out.swapaxes(1, 2)[dead] == 0).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: p.replace(v=p.v[..., :8], dout=p.dout[..., :8]), "head_dim_v 8 != head_dim 32"),
        (lambda p: p.replace(bias=bias_of("fp16")), "gradient of a bias"),
        (lambda p: p.replace(q=p.q[:, :0], dout=p.dout[:, :0]), "empty"),
        (lambda p: laid_out(p, "every-other"), "strides"),
        (lambda p: p.replace(softcap=5.0), "softcap"),
        (lambda p: p.replace(dropout=Dropout(p=0.1)), "dropout"),
    ],
    ids=["head_dim_v", "bias", "empty", "strides", "softcap", "dropout"],
)
def test_flash_says_what_it_declines(change, words):
    with pytest.raises(Unsupported, match=words):
        npu_kernels.sdpa_flash(change(make_problem("fp16")))


def test_flash_backward_declines_what_flash_declines():
    problem = make_problem("fp16", softcap=5.0)
    exact = dense.attention(problem)
    with pytest.raises(Unsupported, match="softcap"):
        npu_kernels.sdpa_flash.backward(problem, exact.out, exact.lse)


@pytest.mark.parametrize("name", ["sdpa", "sdpa_math"])
def test_dropout_is_torchs_own_from_the_problems_seed_and_offset(name):
    kernel = getattr(npu_kernels, name)
    asked = [
        make_problem("fp16", dropout=Dropout(p=0.5, seed=seed, offset=offset))
        for seed, offset in ((1, 2), (1, 2), (1, 3), (2, 2))
    ]
    first, again, *others = (kernel(problem).out for problem in asked)
    assert (first == again).all()
    assert all((first != other).any() for other in others)
    assert kernel.contract(asked[0]) == contracts.math(asked[0])
    assert kernel.contract(asked[0]).dropout == "own"


def test_names_say_where_the_kernels_run():
    device = sdpa_arguments.device()
    assert [getattr(npu_kernels, name).name for name in KERNELS] == [
        f"{name}[{device}]" for name in KERNELS
    ]
    assert set(dir(npu_kernels)) >= set(KERNELS)


def test_an_unknown_kernel_is_told_from_one_that_needs_another_device(monkeypatch):
    monkeypatch.setattr(sdpa_arguments, "device", lambda: "cpu")
    with pytest.raises(AttributeError, match="its kernels are sdpa, sdpa_math"):
        npu_kernels.sdpa_mth  # noqa: B018
    with pytest.raises(AttributeError, match="torch sees no CUDA device here"):
        npu_kernels.torch_kernels.sdpa.kernel.__wrapped__("sdpa_cudnn")
