"""What a program imports from conformance, and kernels that are declared in place."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import conformance
from conformance import attention_kernel, explain, from_numpy, judge, load_problem, save_problem
from conformance.laws.assertions import CAUSAL, make_problem
from reference import dense
from reference.contract import Contract
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


def test_a_numpy_function_may_have_heads_first():
    kernel = from_numpy(heads_first, layout="bhsd")
    assert judge(kernel, make_problem("fp16").replace(dout=None)).passes()


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
    assert "did you mean 'backward'?" in run.stdout and "cache" not in run.stdout
