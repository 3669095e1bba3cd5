"""What Python passes is what C++ receives: fields, strides, errors, and values of 16 bits."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from conformance.patterns import LAYOUTS
from npu_kernels import binding, build
from npu_kernels.bits import decode, encode
from npu_kernels.knobs import Knobs
from reference.formats import BF16, FORMATS, FP16, FP32

# Says every number that it received; out is q; lse, softmax_max and softmax_sum add up rows.
STUB = r"""
#include "abi.h"
#include <cstdio>
namespace {
const uint16_t* row(const NpuTensor& t, int64_t b, int64_t s, int64_t h) {
  return static_cast<const uint16_t*>(t.data) + b * t.stride_batch + s * t.stride_seqlen +
         h * t.stride_head;
}
float sum(const uint16_t* values, int64_t count) {
  float total = 0.0f;
  for (int64_t i = 0; i < count; ++i) total += static_cast<float>(values[i]);
  return total;
}
}  // namespace
extern "C" uint64_t npu_forward_struct_bytes(void) { return sizeof(NpuForward) + EXTRA; }
extern "C" int64_t npu_flash_forward_workspace(NpuForward* f) { return f->seqlen_q < 9 ? 40 : -1; }
extern "C" int32_t npu_flash_forward(NpuForward* f) {
  const NpuEmulation& e = f->emulation;
  if (f->scale < 0.0f) {
    std::snprintf(f->text, static_cast<size_t>(f->text_bytes), "scale: %g", f->scale);
    return -static_cast<int32_t>(f->scale);
  }
  std::snprintf(f->text, static_cast<size_t>(f->text_bytes),
                "%d %d %g %d\n%d %d %d %d %d %d\n%d %d %d", f->format, f->causal, f->scale,
                f->groups, e.checked, e.auto_sync, e.keeps_inf_nan, e.mmad_order, e.exp_ulps,
                static_cast<int>(e.seed), e.threads > 0, static_cast<int>(f->workspace_bytes),
                f->struct_bytes == sizeof(NpuForward) && f->workspace && !f->stream);
  const int64_t group = f->heads_k ? f->heads_q / f->heads_k : 1;
  for (int64_t b = 0; b < f->batch; ++b)
    for (int64_t h = 0; h < f->heads_q; ++h)
      for (int64_t s = 0; s < f->seqlen_q; ++s) {
        const int64_t at = (b * f->heads_q + h) * f->seqlen_q + s;
        uint16_t* out = const_cast<uint16_t*>(row(f->out, b, s, h));
        for (int64_t d = 0; d < f->head_dim_v; ++d) out[d] = row(f->q, b, s, h)[d];
        const int64_t j = s < f->seqlen_k ? s : f->seqlen_k - 1;
        f->lse[at] = sum(row(f->k, b, j, h / group), f->head_dim);
        f->softmax_max[at] = sum(row(f->v, b, j, h / group), f->head_dim_v);
        f->softmax_sum[at] = static_cast<float>(f->q.bytes + f->k.bytes + f->v.bytes);
      }
  f->counters_count = 1;
  f->counters[0] = {3, 2, {1, 2}, {0, 0, 5}, {0, 0, 0, 0, 0, 0, 6}, {7}, {8, 0, 0, 0, 0, 9}};
  return NPU_OK;
}
"""


@pytest.fixture(scope="module")
def stub(tmp_path_factory):
    """Compile the stub; its struct is as much larger as the argument says."""
    folder = tmp_path_factory.mktemp("stub")
    (folder / "stub.cpp").write_text(STUB)
    (folder / "emulator").mkdir()

    def make(extra: int = 0):
        options = (*build.STRICT, f"-DEXTRA={extra}")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("NPU_BUILD_DIR", str(folder / "built"))
            return build.library(kernel=folder, emulator=folder / "emulator", options=options)

    return make


def numbers(*shape: int) -> np.ndarray:
    return (np.arange(np.prod(shape, dtype=int)) % 97).astype(np.float32).reshape(shape)


def ask(stub, q, k, v, **changes):
    asked = {"format": FP16, "scale": 0.25, "causal": True, "knobs": Knobs()} | changes
    return binding.flash_forward(binding.load(stub()), q, k, v, **asked)


def tensors(*, seqlen_q=3, head_dim=4):
    shapes = ((2, seqlen_q, 4, head_dim), (2, 5, 2, head_dim), (2, 5, 2, head_dim))
    return [encode(numbers(*shape), FP16) for shape in shapes]


def test_every_number_arrives(stub):
    knobs = Knobs(
        auto_sync=True, keeps_inf_nan=True, mmad="exact", exp=4, cores=7, seed=9, fast=True
    )
    launch = ask(stub, *tensors(), format=BF16, knobs=knobs)
    assert launch.remarks == ("1 1 0.25 7", "0 1 1 2 4 9", "1 40 1")
    assert ask(stub, *tensors(), causal=False).remarks[:2] == ("0 0 0.25 24", "1 0 0 0 0 0")
    counted = launch.counters[0]
    assert (counted.group, counted.core, len(launch.counters)) == (3, "AIV1", 1)
    assert (counted.instructions["V"], counted.repeats["M"], counted.macs["FIX"]) == (2, 5, 6)
    assert (counted.waits["S"], counted.bytes["L1 to L0B"]) == (7, 9)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_element_is_found_in_every_layout(stub, layout):
    shapes = {"q": (2, 5, 4, 6), "k": (2, 5, 4, 6), "v": (2, 5, 4, 6)}
    laid = LAYOUTS[layout]({name: numbers(*shape) for name, shape in shapes.items()})
    q, k, v = (encode(laid[name], FP16) for name in "qkv")
    launch = ask(stub, q, k, v)
    assert np.array_equal(launch.out, q)
    assert np.array_equal(launch.lse, k.astype(np.float32).sum(-1).swapaxes(1, 2))
    assert np.array_equal(launch.softmax_max, v.astype(np.float32).sum(-1).swapaxes(1, 2))


@pytest.mark.parametrize("layout", sorted(set(LAYOUTS) - {"every-other"}))
def test_values_keep_their_strides(layout):
    values = LAYOUTS[layout]({name: numbers(2, 5, 4, 6) for name in "qkv"})["k"]
    bits = encode(values, FP16)
    assert [step // 2 for step in bits.strides] == [step // 4 for step in values.strides]


def test_only_the_bytes_of_a_tensor_are_shown(stub):
    whole = encode(numbers(2, 9, 4, 8), FP16)
    q = whole[:, :3, :, :4]
    launch = ask(stub, q, *tensors()[1:])
    used = 2 * (1 + 9 * 4 * 8 + 2 * 4 * 8 + 3 * 8 + 3)  # to the last element of q
    assert launch.softmax_sum[0, 0, 0] == used + 2 * 2 * (2 * 5 * 2 * 4)


@pytest.mark.parametrize(
    ("error", "code"),
    [(ValueError, 1), (binding.Declined, 2), (binding.CheckFailed, 3), (binding.CheckFailed, 99)],
)
def test_an_error_code_becomes_an_exception_with_the_text(stub, error, code):
    with pytest.raises(error, match=f"^scale: -{code}$"):
        ask(stub, *tensors(), scale=-float(code))


def test_a_library_with_another_struct_is_refused(stub):
    with pytest.raises(binding.Mismatch, match=r"NpuForward has \d+ bytes there and \d+"):
        binding.load(stub(8))


WRONG = {
    "q: float32 of shape": lambda q, k, v: (q.astype(np.float32), k, v),
    "q: uint16 of shape \\(3, 4, 4\\)": lambda q, k, v: (q[0], k, v),
    "q: strides": lambda q, k, v: (q[:, ::-1], k, v),
    "k: the innermost stride is 4 bytes": lambda q, k, v: (q, np.repeat(k, 2, 3)[..., ::2], v),
    "k: shape \\(2, 5, 2, 3\\) does not fit": lambda q, k, v: (q, k[..., :3].copy(), v),
    "k: shape \\(1, 5, 2, 4\\) does not fit": lambda q, k, v: (q, k[:1], v),
    "v: shape \\(2, 4, 2, 4\\) does not fit": lambda q, k, v: (q, k, v[:, :4]),
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_argument_is_named(stub, text):
    with pytest.raises(ValueError, match=f"^{text}"):
        ask(stub, *WRONG[text](*tensors()))


def test_a_format_of_more_bits_is_refused(stub):
    with pytest.raises(ValueError, match=r"^format: fp32: give fp16 or bf16"):
        ask(stub, *tensors(), format=FP32)


ALL_BITS = np.arange(1 << 16).astype(np.uint16)


@pytest.mark.parametrize(("format", "dtype"), [("fp16", np.float16), ("bf16", ml_dtypes.bfloat16)])
def test_every_value_of_16_bits_goes_there_and_back(format, dtype):
    values = decode(ALL_BITS, FORMATS[format])
    assert np.array_equal(values, ALL_BITS.view(dtype).astype(np.float32), equal_nan=True)
    numbers = ~np.isnan(values)
    assert np.array_equal(encode(values, FORMATS[format])[numbers], ALL_BITS[numbers])
    assert np.isnan(decode(encode(values[~numbers], FORMATS[format]), FORMATS[format])).all()


def test_a_nan_with_low_bits_alone_stays_one():
    narrow = np.array([0x7F800001, 0xFF800001], np.uint32).view(np.float32)
    assert np.isnan(decode(encode(narrow, BF16), BF16)).all()
    assert np.isnan(decode(encode(narrow, FP16), FP16)).all()
