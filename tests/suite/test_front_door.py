"""What a program imports from conformance, and kernels that are declared in place."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

import numpy as np
import pytest

import conformance
from conformance import attention_kernel, explain, from_numpy, judge, load_problem, save_problem
from conformance.kernel import BadAnswer
from conformance.laws.assertions import CAUSAL, grid, make_problem
from conformance.laws.transform import pack
from reference import dense
from reference.contract import Contract
from reference.formats import FP32
from reference.problem import Problem, Result, Unsupported
from suite.test_plugin import judge as run_suite

FORMATS = ("fp16", "bf16", "fp32")


def softmax(q, k, *, scale, mask):
    """Weights (batch, heads, rows, keys)."""
    s = np.where(mask, scale * np.einsum("bihd,bjhd->bhij", q, k), -np.inf)
    p = np.exp(s - s.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


def attention(q, k, v, *, scale, mask):
    return np.einsum("bhij,bjhd->bihd", softmax(q, k, scale=scale, mask=mask), v)


def gradients(q, k, v, out, lse, dout, *, scale, mask):
    p = softmax(q, k, scale=scale, mask=mask)
    delta = np.einsum("bihd,bihd->bhi", dout, out)[..., None]
    ds = scale * p * (np.einsum("bihd,bjhd->bhij", dout, v) - delta)
    return (
        np.einsum("bhij,bjhd->bihd", ds, k),
        np.einsum("bhij,bihd->bjhd", ds, q),
        np.einsum("bhij,bihd->bjhd", p, dout),
    )


def heads_first(q, k, v, *, scale, mask):
    assert q.shape[1] == 2
    return attention(*(x.swapaxes(1, 2) for x in (q, k, v)), scale=scale, mask=mask).swapaxes(1, 2)


@pytest.mark.parametrize("format", FORMATS)
def test_a_numpy_function_with_gradients_is_a_right_kernel(format):
    kernel = from_numpy(attention, backward=gradients, supports=(*FORMATS, "causal"))
    verdict = judge(kernel, make_problem(format, mask=CAUSAL))
    assert verdict.passes() and {one.name for one in verdict.tensors} == {"out", "dq", "dk", "dv"}
    assert kernel.backward is not None


def test_results_are_rounded_to_the_format_that_the_contract_promises():
    contract = Contract(out=FP32, weights=FP32, dscores=FP32)
    kernel = from_numpy(attention, backward=gradients, contract=contract, supports=FORMATS)
    assert judge(kernel, make_problem("bf16")).passes()


def test_a_numpy_function_may_have_heads_first():
    kernel = from_numpy(heads_first, layout="bhsd")
    assert judge(kernel, make_problem("fp16").replace(dout=None)).passes()


def with_sink(s, sink):
    """Weights (batch, heads, rows, keys), and the sink's (batch, heads, rows)."""
    ends = np.broadcast_to(sink[:, None, None], (*s.shape[:-1], 1))
    s = np.concatenate([s, ends], axis=-1)
    p = np.exp(s - s.max(-1, keepdims=True))
    p = p / p.sum(-1, keepdims=True)
    return p[..., :-1], p[..., -1]


def biased(q, k, v, *, scale, bias, sink):
    p, _ = with_sink(scale * np.einsum("bihd,bjhd->bhij", q, k) + bias, sink)
    return np.einsum("bhij,bjhd->bihd", p, v)


def biased_gradients(q, k, v, out, lse, dout, *, scale, bias, sink):
    p, of_sink = with_sink(scale * np.einsum("bihd,bjhd->bhij", q, k) + bias, sink)
    delta = np.einsum("bihd,bihd->bhi", dout, out)
    ds = p * (np.einsum("bihd,bjhd->bhij", dout, v) - delta[..., None])
    return (
        scale * np.einsum("bhij,bjhd->bihd", ds, k),
        scale * np.einsum("bhij,bihd->bjhd", ds, q),
        np.einsum("bhij,bihd->bjhd", p, dout),
        ds,
        -(of_sink * delta).sum(axis=(0, 2)),
    )


def test_the_gradients_of_bias_and_sink_come_after_those_of_v():
    kernel = from_numpy(biased, backward=biased_gradients, supports=("fp32", "bias", "sink"))
    bias = np.asarray(grid("bias", (2, 2, 65, 65)), np.float32)
    problem = make_problem("fp32", bias=bias, sink=np.float32([0.5, -1]))
    verdict = judge(kernel, problem)
    assert verdict.passes() and {"dbias", "dsink"} <= {one.name for one in verdict.tensors}
    short = from_numpy(biased, backward=lambda *arrays: arrays[:3], supports=kernel.supports)
    with pytest.raises(BadAnswer, match="returns 3 arrays: give dq, dk, dv, dbias, dsink"):
        judge(short, problem)


def test_packed_tensors_have_one_order_of_axes():
    shapes = []

    def function(q, k, v, *, cu_seqlens_q):
        shapes.append(q.shape)
        return q

    packed = pack([make_problem("fp32", batch=1, seqlen_q=n, seqlen_k=n) for n in (3, 4)])
    kernel = from_numpy(function, supports=("fp32", "varlen"), layout="bhsd")
    assert kernel(packed.replace(dout=None)).out.shape == shapes[0] == packed.q.shape


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("backward", "supports backward but there is none: give from_numpy a backward"),
        ("sink", "supports sink but takes none of the keywords sink, problem: add one"),
        ("dropout", "supports dropout but takes none of the keywords problem: add one"),
    ],
)
def test_what_a_numpy_function_cannot_know_of_is_refused(word, why):
    with pytest.raises(ValueError, match=f"attention {why}"):
        from_numpy(attention, supports=("fp32", word))


def test_what_a_numpy_function_does_not_support_is_declined():
    with pytest.raises(Unsupported, match="backward"):
        from_numpy(attention)(make_problem("fp32"))


def test_a_wrong_kernel_is_explained():
    kernel = from_numpy(
        lambda q, k, v, *, scale, mask: attention(q, k, v, scale=2 * scale, mask=mask)
    )
    problem = make_problem("fp32").replace(dout=None)
    verdict = judge(kernel, problem)
    assert not verdict.passes()
    assert "elements are beyond the bound" in explain(verdict, problem)


def test_a_declared_kernel_has_what_was_declared():
    @attention_kernel(supports=("fp32",), contract=Contract(exp_rel=2.0**-20), device="npu")
    def mine(problem: Problem) -> Result:
        return dense.attention(problem)

    assert (mine.name, mine.device, mine.contract.exp_rel) == ("mine", "npu", 2.0**-20)
    with pytest.raises(Unsupported, match="causal"):
        mine(make_problem("fp32", mask=CAUSAL).replace(dout=None))


def test_a_function_without_a_name_goes_by_its_class():
    assert attention_kernel(supports=("fp32",))(partial(dense.attention)).name == "partial"


def test_a_word_that_is_no_feature_is_refused_with_the_words():
    with pytest.raises(ValueError, match="supports has 'casual': the words are"):
        attention_kernel(supports=("fp32", "casual"))


def test_a_problem_survives_a_file(tmp_path):
    problem = make_problem("bf16", mask=CAUSAL)
    save_problem(problem, tmp_path / "one.safetensors")
    again = load_problem(tmp_path / "one.safetensors")
    assert np.array_equal(again.q, problem.q) and again.features == problem.features


def test_everything_that_the_front_door_names_is_there_and_nothing_else():
    assert all(callable(getattr(conformance, name)) for name in conformance.__all__)
    with pytest.raises(AttributeError, match="conformance has no jugde: it has Watch"):
        conformance.jugde  # noqa: B018


def test_the_front_door_loads_nothing_before_it_is_used():
    code = "import conformance, sys; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


NEARLY = """
from reference import dense
def right(problem): return dense.attention(problem)
right.contracts = 1
right.backwards = 2
right.cache = {}
"""


def test_an_attribute_that_is_nearly_one_of_ours_is_named(tmp_path):
    (tmp_path / "nearly.py").write_text(NEARLY)
    run = run_suite(tmp_path, "--kernel", "nearly.py:right", "-W", "error", kernels=())
    assert "right: its attribute 'contracts' is not read: did you mean 'contract'?" in run.stdout
    assert "did you mean 'backward'?" in run.stdout and "'cache'" not in run.stdout
