"""from_torch: values, strides and gradients pass through unharmed; what is not told is declined."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from conformance.cases.patterns import lay_out
from conformance.kernel import load
from conformance.laws.assertions import CAUSAL, make_problem
from conformance.laws.transform import laid_out, pack
from conformance.torch_bridge import dtype_of, from_torch, to_numpy, to_torch
from reference import dense
from reference.bounds import error_bound
from reference.contract import Contract
from reference.dropout import Dropout
from reference.formats import FORMATS, FP32, FP64, Array
from reference.mask import Mask
from reference.problem import Problem, Result, Unsupported

EXAMPLES = Path(__file__).parents[2] / "examples"
EVERY = ("fp16", "bf16", "fp32", "fp64")
ABILITIES = (*EVERY, "backward", "causal", "keep", "prefix", "window", "scale", "strided")
ABILITIES += ("bias", "cross_length", "dlse", "softcap", "sink", "top_left", "dead_rows")


def eager(q, k, v, *, scale, mask, bias, softcap, sink):
    """The definition in torch, (batch, heads, seqlen, head_dim), in fp64 throughout."""
    x = scale * q.double() @ k.double().transpose(-2, -1)
    x = x if softcap is None else softcap * torch.tanh(x / softcap)
    x = x if bias is None else x + bias.double()
    x = x if mask is None else x.masked_fill(~mask, -torch.inf)
    if sink is not None:
        column = sink.double().view(1, -1, 1, 1).expand(*x.shape[:-1], 1)
        x = torch.cat([x, column], dim=-1)
    lse = torch.logsumexp(x, dim=-1)
    p = torch.exp(x - lse[..., None])[..., : k.shape[-2]]
    side = torch.float64 if q.dtype == torch.float64 else torch.float32
    return (p @ v.double()).to(q.dtype), lse.to(side)


kernel = from_torch(eager, layout="bhsd", supports=ABILITIES)
EXACT = Contract(weights=FP64, dscores=FP64)


def excess(got: Result, problem: Problem) -> float:
    """The largest error over what is allowed; NaN where anything is NaN."""
    want = dict(dense.attention(problem).tensors())
    worst = dict(error_bound(problem, EXACT, result=dense.attention(problem)).worst.tensors())
    return max(np.max(abs(tensor - want[name]) / worst[name]) for name, tensor in got.tensors())


ASKED = {
    "plain": {},
    "causal": {"mask": CAUSAL},
    "window-and-prefix": {"mask": Mask(window=(9, 3), prefix=4), "seqlen_k": 40},
    "keep": {"mask": Mask(keep=np.arange(65) % 3 != 1), "scale": -0.3},
    "softcap": {"softcap": 2.0},
    "sink": {"sink": np.float32([0.5, -1.0])},
}


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
@pytest.mark.parametrize("format", EVERY[:3])
def test_a_torch_function_answers_with_gradients_by_autograd(format, asked):
    problem = make_problem(format, **asked)
    assert excess(kernel(problem), problem) <= 1


def test_gradients_of_a_broadcast_bias_have_its_shape():
    bias = FORMATS["fp16"].round(np.linspace(-1, 1, 130).reshape(2, 1, 65))
    problem = make_problem("fp16", bias=bias)
    assert excess(kernel(problem), problem) <= 1


def test_a_gradient_arriving_at_lse_passes_through():
    problem = make_problem("fp32")
    problem = problem.replace(dlse=np.full(problem.shape_lse, 0.5, np.float32))
    assert excess(kernel(problem), problem) <= 1


def test_a_gradient_at_an_lse_that_the_function_does_not_give_is_declined():
    problem = make_problem("fp32")
    problem = problem.replace(dlse=np.zeros(problem.shape_lse, np.float32))
    with pytest.raises(Unsupported, match="gives no lse"):
        from_torch(lambda q, k, v: q + k + v, supports=("fp32", "backward", "dlse"))(problem)


@pytest.mark.parametrize("name", FORMATS)
def test_every_value_of_a_format_survives_the_way_to_torch_and_back(name):
    format = FORMATS[name]
    values = {
        "fp16": lambda: np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float32),
        "bf16": lambda: (np.arange(2**16, dtype=np.uint32) << 16).view(np.float32),
        "fp32": lambda: (np.arange(2**16, dtype=np.uint32) * 65521).view(np.float32),
        "fp64": lambda: (np.arange(2**16, dtype=np.uint64) * 2**48 + 12345).view(np.float64),
    }[name]()
    back = to_numpy(to_torch(values, dtype_of(format), "cpu"))
    assert back.dtype == format.dtype
    np.testing.assert_array_equal(back, values)


@pytest.mark.parametrize("layout", ["contiguous", "bnsd", "gapped", "every-other", "expanded"])
@pytest.mark.parametrize("name", EVERY)
def test_a_tensor_has_the_strides_of_its_array(name, layout):
    problem = make_problem(name)
    arrays = lay_out({"q": problem.q, "k": problem.k, "v": problem.v}, layout)
    for array in arrays.values():
        tensor = to_torch(array, dtype_of(FORMATS[name]), "cpu")
        assert tensor.stride() == tuple(step // array.itemsize for step in array.strides)
        np.testing.assert_array_equal(to_numpy(tensor), array)


def test_nan_in_the_gaps_of_an_array_lies_in_the_gaps_of_its_tensor():
    array = laid_out(make_problem("bf16"), "every-other").k
    tensor = to_torch(array, torch.bfloat16, "cpu")
    between = tensor.as_strided((array.size - 1,), (2,), 1)
    assert between.isnan().all()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0, dtype=np.float32)[::-1],
        np.arange(6.0, dtype=np.float32)[:0],
        np.zeros(3, np.dtype([("x", np.float32), ("pad", np.uint8)]))["x"],
        np.broadcast_to(np.float32(3), (4, 5)),
    ],
    ids=["backwards", "empty", "odd-step", "one-number"],
)
def test_arrays_with_steps_that_torch_does_not_have_keep_their_values(array):
    np.testing.assert_array_equal(to_numpy(to_torch(array, torch.float32, "cpu")), array)


@pytest.mark.parametrize("layout", ["bnsd", "gapped", "every-other"])
def test_strided_problems_have_the_answer_of_contiguous_ones(layout):
    problem = make_problem("fp32")
    strided = kernel(laid_out(problem, layout))
    assert excess(strided, problem) <= 1


def test_packed_problems_reach_the_function_with_their_offsets():
    told: list[Array] = []

    def function(q, k, v, *, cu_seqlens_q, cu_seqlens_k):
        told.extend([cu_seqlens_q.numpy(), cu_seqlens_k.numpy()])
        return q * v.sum() * k.sum()

    lengths = [make_problem("fp32", batch=1, seqlen_q=a, seqlen_k=b) for a, b in ((3, 5), (4, 0))]
    packed = pack(lengths)
    supports = ("fp32", "varlen", "cross_length", "empty", "backward", "dead_rows")
    result = from_torch(function, supports=supports, layout="bhsd")(packed)
    assert [offsets.tolist() for offsets in told] == [[0, 3, 7], [0, 5, 5]]
    assert result.out.shape == packed.q.shape


def test_a_gradient_that_autograd_does_not_find_is_missing_not_zero():
    def forgetful(q, k, v):
        return q + 0 * v.mean(dim=1, keepdim=True)

    assert from_torch(forgetful)(make_problem("fp32")).dk is None


def test_a_problem_that_needs_more_than_the_function_supports_is_declined():
    with pytest.raises(Unsupported, match="causal"):
        from_torch(lambda q, k, v: q)(make_problem("fp16", mask=CAUSAL))


def test_a_feature_that_no_keyword_tells_of_is_refused():
    for word in ("causal", "dropout"):
        with pytest.raises(ValueError, match=f"supports {word} but takes none of the keywords"):
            from_torch(lambda q, k, v: q, name="mine", supports=("fp16", word))


def test_dropout_is_told_and_torch_is_seeded_for_the_call_alone():
    told = []

    def function(q, k, v, *, dropout_p, dropout_seed, dropout_offset):
        told.append((dropout_p, dropout_seed, dropout_offset, torch.rand(1).item()))
        return q

    drops = from_torch(function, supports=("fp16", "dropout"))
    asked = make_problem("fp16").replace(dout=None)
    before = torch.get_rng_state()
    for offset in (5, 5, 6):
        drops(asked.replace(dropout=Dropout(p=0.1, seed=2**64 - 1, offset=offset)))
    assert (torch.get_rng_state() == before).all()
    assert [words[:3] for words in told] == [(0.1, 2**64 - 1, offset) for offset in (5, 5, 6)]
    first, again, other = (words[3] for words in told)
    assert first == again != other


def test_results_keep_the_type_that_they_have_in_torch():
    wide = from_torch(lambda q, k, v: q.double() / 3, supports=("fp16",))
    assert wide(make_problem("fp16").replace(dout=None)).out.dtype == np.float64


def test_the_name_says_the_device_and_the_digest_which_torch():
    assert kernel.name == "eager[cpu]"
    assert torch.__version__ in kernel.digest
    assert FP32.name in kernel.supports


def test_the_suite_is_imported_without_torch():
    modules = ("conformance.torch_bridge", "conformance.laws", "npu_kernels.torch_kernels.sdpa")
    code = f"import sys, {', '.join(modules)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("asked", [{}, {"mask": CAUSAL, "seqlen_q": 40}], ids=["plain", "causal"])
@pytest.mark.parametrize("format", EVERY[:3])
def test_the_example_keeps_its_contract(format, asked):
    example = load(str(EXAMPLES / "my_torch_kernel.py") + ":attention")
    problem = make_problem(format, **asked)
    want = dense.attention(problem)
    worst = error_bound(problem, example.contract(problem), result=want).worst
    for name, tensor in example(problem).tensors():
        assert (abs(tensor - getattr(want, name)) <= getattr(worst, name)).all(), name
