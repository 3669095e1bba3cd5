"""The backward of our Ascend C kernel on the emulator: its contract, its bits, its zeros."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support import every_feature

import npu_kernels
from conformance.laws.assertions import CAUSAL, make_problem
from conformance.laws.transform import laid_out
from conformance.verdict.conventions import statistics
from conformance.verdict.verdict import Verdict, judge
from npu_kernels.ascend_c.backward import flash_backward
from npu_kernels.ascend_c.encoded import EncodedProblem
from npu_kernels.ascend_c.kernel import AscendKernel
from npu_kernels.emulator.options import MMAD_ORDERS, EmulatorOptions, parse
from reference import dense
from reference.bounds import error_bound
from reference.formats import FP16
from reference.mask import Mask
from reference.problem import Problem, Unsupported

FORMATS = ("fp16", "bf16")
GRADIENTS = ("dq", "dk", "dv", "dbias", "dsink")


@pytest.fixture(scope="module")
def kernel():
    return npu_kernels.ascend


def with_gradients(problem: Problem) -> Problem:
    """The same problem, asked for the gradients of values that round."""
    random = np.random.default_rng(7)
    shape = (*problem.q.shape[:-1], problem.head_dim_v)
    return problem.replace(
        dout=problem.format.round(random.normal(size=shape)),
        dlse=random.normal(size=problem.shape_lse).astype(np.float32),
    )


def verdict(kernel: AscendKernel, problem: Problem) -> Verdict:
    got, contract = kernel(problem), kernel.contract(problem)
    want = dense.attention(problem)
    allowed = error_bound(problem, contract, result=want)
    return judge(got, want, allowed, problem=problem, contract=contract)


def verdict_alone(kernel: AscendKernel, problem: Problem) -> Verdict:
    contract, want = kernel.contract(problem), dense.attention(problem)
    got = kernel.backward(problem, *statistics(problem, want, contract))
    allowed = error_bound(problem, contract, result=want, exact_statistics=True)
    gradients = replace(want, out=None, lse=None)
    return judge(got, gradients, allowed, problem=problem, contract=contract)


PROBLEMS = {
    "plain": {},
    "causal": {"seqlen_q": 300, "seqlen_k": 300, "mask": CAUSAL},
    "one-query": {"seqlen_q": 1, "seqlen_k": 257, "mask": CAUSAL},
    "one-key": {"seqlen_q": 130, "seqlen_k": 1},
    "causal-long-q": {"seqlen_q": 300, "seqlen_k": 150, "mask": CAUSAL},
    "causal-long-k": {"seqlen_q": 129, "seqlen_k": 513, "mask": CAUSAL},
    "last-row-alone": {"seqlen_q": 257, "seqlen_k": 129},
    "gqa": {"seqlen_q": 200, "heads_q": 6, "heads_k": 2, "mask": CAUSAL},
    "mqa": {"heads_q": 3, "heads_k": 1},
    "scale": {"scale": -0.4},
    "no-keys": {"seqlen_k": 0},
    "no-queries": {"seqlen_q": 0},
    "no-sequences": {"batch": 0},
}


@pytest.mark.parametrize("features", PROBLEMS.values(), ids=PROBLEMS)
@pytest.mark.parametrize("format", FORMATS)
def test_gradients_keep_the_contract(kernel, format, features):
    assert not verdict(kernel, make_problem(format, **features)).failures


@pytest.mark.parametrize("name", every_feature.FEATURES)
def test_no_feature_breaks_the_contract(kernel, name):
    problem = with_gradients(every_feature.featured(name, "fp16"))
    assert not verdict(kernel, problem).failures


@pytest.mark.parametrize("name", every_feature.OVER_STEPS)
@pytest.mark.parametrize("cores", [1, 24])
def test_no_feature_breaks_the_contract_over_several_steps(kernel, name, cores):
    problem = make_problem("fp16", **every_feature.STEPS, **every_feature.OVER_STEPS[name])
    turned = replace(kernel, options=EmulatorOptions(cores=cores))
    assert not verdict(turned, problem).failures


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("format", FORMATS)
def test_all_features_go_together(kernel, format, packed):
    problem = with_gradients(every_feature.everything(format, packed=packed))
    assert not verdict(kernel, problem).failures


@pytest.mark.parametrize("name", ["causal-long-q", "gqa"])
def test_gradients_of_given_statistics_keep_the_contract(kernel, name):
    assert not verdict_alone(kernel, make_problem("fp16", **PROBLEMS[name])).failures


@pytest.mark.parametrize("head_dim", [1, 7, 16, 40, 127, 128, 129, 192, 250, 256])
def test_any_head_dim_will_do(kernel, head_dim):
    problem = make_problem("bf16", head_dim=head_dim, seqlen_q=70, seqlen_k=140, mask=CAUSAL)
    assert not verdict(kernel, problem).failures


@pytest.mark.parametrize(("head_dim", "head_dim_v"), every_feature.HEAD_DIMS)
def test_values_may_have_a_length_of_their_own(kernel, head_dim, head_dim_v):
    problem = with_gradients(every_feature.wide(head_dim, head_dim_v, "fp16"))
    assert not verdict(kernel, problem).failures


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
        problem = with_gradients(every_feature.everything(format, head_dim=64))
        assert not verdict(turned, problem).failures


# --- Bits ---


def same(results: list) -> bool:
    answers = [[tensor.tobytes() for _, tensor in result.tensors()] for result in results]
    return all(answer == answers[0] for answer in answers)


@pytest.mark.parametrize("packed", [True, False])
def test_bits_do_not_depend_on_the_number_of_cores_nor_on_checking(kernel, packed):
    problem = with_gradients(every_feature.everything("fp16", packed=packed))
    options = [EmulatorOptions(cores=cores, fast=cores != 3) for cores in (1, 3, 20, 24, 64)]
    assert same([replace(kernel, options=turned)(problem) for turned in options])


@pytest.mark.parametrize("layout", ["bnsd", "gapped", "every-other", "qkv", "expanded"])
def test_strided_tensors_give_the_same_bits(kernel, layout):
    strided = laid_out(make_problem("fp16", seqlen_q=40, seqlen_k=40), layout)
    names = ("q", "k", "v", "dout")
    close = strided.replace(**{name: getattr(strided, name).copy() for name in names})
    assert same([kernel(strided), kernel(close)])


def test_rows_further_apart_than_the_chip_counts_give_the_same_bits(kernel):
    near = make_problem("fp16", batch=1, seqlen_q=40, seqlen_k=40)
    far = {}
    for name in ("q", "k", "v", "dout"):
        far[name] = np.zeros((1, 40, 2, 33000), np.float32)[..., :32]  # 66000 elements to a row
        far[name][:] = getattr(near, name)
    assert same([kernel(near.replace(**far)), kernel(near)])


@pytest.mark.parametrize("name", ["bias-of-queries", "bias-of-keys", "bias-of-heads"])
def test_a_repeated_bias_changes_no_other_gradient(kernel, name):
    small = with_gradients(every_feature.featured(name, "fp16"))
    large = small.replace(bias=np.broadcast_to(small.bias, small.shape_scores).copy())
    few, many = kernel(small), kernel(large)
    assert same([replace(one, dbias=None) for one in (few, many)])


def test_values_of_a_bias_that_share_memory_have_gradients_of_their_own(kernel):
    problem = every_feature.featured("bias-of-keys", "fp16")
    copied = problem.replace(bias=np.broadcast_to(problem.bias, problem.shape_scores).copy())
    shared = problem.replace(bias=np.broadcast_to(problem.bias, problem.shape_scores))
    assert same([kernel(with_gradients(one)) for one in (copied, shared)])


# --- What nobody sees ---


@pytest.mark.parametrize("fast", [True, False])
def test_rows_that_see_nothing_and_keys_that_nobody_sees_get_exactly_0(kernel, fast):
    keep = np.ones((300, 400), bool)
    keep[130:150] = keep[:, 7] = False
    hidden = {"seqlen_q": 300, "seqlen_k": 400, "mask": Mask(window=(-5, 20), keep=keep)}
    problem = with_gradients(make_problem("fp16", **hidden))
    seen = problem.head_mask(0, 0).visible(range(300), range(400))
    got = replace(kernel, options=EmulatorOptions(fast=fast))(problem)
    assert (got.dq[:, ~seen.any(1)] == 0).all()
    assert (got.dk[:, ~seen.any(0)] == 0).all()
    assert (got.dv[:, ~seen.any(0)] == 0).all()
    assert got.dq[:, seen.any(1)].any(axis=-1).all()


def test_pairs_that_are_hidden_add_nothing_to_the_bias(kernel):
    problem = with_gradients(every_feature.featured("bias", "fp16"))
    causal = problem.replace(mask=Mask(window=(10, 0)))
    seen = causal.head_mask(0, 0).visible(range(150), range(290))
    dbias = kernel(causal).dbias
    assert (dbias[..., ~seen] == 0).all()
    assert (dbias[..., seen] != 0).mean() > 0.5


def test_keys_without_query_heads_get_exactly_0(kernel):
    queries, keys = np.zeros((1, 20, 0, 16), np.uint16), np.zeros((1, 30, 2, 16), np.uint16)
    encoded = EncodedProblem(q=queries, k=keys, v=keys, format=FP16, scale=1.0)
    lse = np.zeros(encoded.shape_lse, np.float32)
    got = flash_backward(
        kernel.library, encoded, out=queries, dout=queries, lse=lse, options=EmulatorOptions()
    )
    assert not got.dk.any()
    assert not got.dv.any()


# --- Work ---


def test_there_are_seven_products(kernel):
    shape = {"batch": 1, "heads_q": 1, "heads_k": 1, "seqlen_q": 128, "seqlen_k": 128}
    prepared = kernel.prepare(make_problem("fp16", **shape, head_dim=64))
    prepared.launch()
    multiplied = sum(core.macs["M"] for core in prepared.backward.answer().counters)
    assert multiplied == 7 * 128 * 128 * 64


def test_without_dout_there_are_no_gradients(kernel):
    problem = make_problem("fp16").replace(dout=None)
    assert all(getattr(kernel(problem), name) is None for name in GRADIENTS)
    with pytest.raises(Unsupported, match="no dout"):
        kernel.backward(problem, problem.q, np.zeros(problem.shape_lse))
