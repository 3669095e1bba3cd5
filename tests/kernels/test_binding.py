"""What Python passes is what C++ receives, and what C++ does beside its task is noticed."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from conformance.cases.patterns import LAYOUTS
from npu_kernels.ascend_c import binding, forward, tile_bits
from npu_kernels.ascend_c.bits16 import encode
from npu_kernels.ascend_c.encoded import EncodedProblem
from npu_kernels.ascend_c.structs import layout
from npu_kernels.emulator import build
from npu_kernels.emulator.options import EmulatorOptions
from reference.formats import BF16, FP16

STRUCTS = build.FLASH_ATTENTION / "host/structs.cpp"
FIELD = r"(\w+)(?:\[\d+\])?;"

# Says every number that it received. out is q; lse sums a row of bias, or of k; softmax_max counts
# kept pairs, or sums a row of v; softmax_sum counts the pairs that dropout keeps, or gives bytes.
STUB = r"""
#include "abi.h"
#include <cstdio>
namespace {
const uint16_t* row(const NpuTensor& t, int64_t b, int64_t s, int64_t h) {
  return static_cast<const uint16_t*>(t.data) + b * t.stride_batch + s * t.stride_seqlen +
         h * t.stride_head;
}
float sum(const uint16_t* values, int64_t count, int64_t stride) {
  float total = 0.0f;
  for (int64_t i = 0; i < count; ++i) total += static_cast<float>(values[i * stride]);
  return total;
}
float count(const NpuBits& bits, int64_t first, int64_t columns, int64_t i, int64_t keys) {
  const auto* data = static_cast<const uint8_t*>(bits.data) + (first + i / 128 * columns) * 2048;
  float total = 0.0f;
  for (int64_t j = 0; j < keys; ++j) {
    total += static_cast<float>(data[j / 128 * 2048 + i % 128 * 16 + j % 128 / 8] >> j % 8 & 1);
  }
  return total;
}
void say(NpuForward* f) {
  const NpuProblem& p = f->problem;
  const NpuEmulation& e = f->launch.emulation;
  char* at = f->launch.text;
  const auto add = [&](const char* name, double value) {
    at += std::snprintf(at, 99, "%s=%.10g\n", name, value);
  };
  const auto whole = [&](const char* name, int64_t value) {
    at += std::snprintf(at, 99, "%s=%lld\n", name, static_cast<long long>(value));
  };
  whole("batch", p.batch), whole("heads_q", p.heads_q), whole("heads_k", p.heads_k);
  whole("seqlen_q", p.seqlen_q), whole("seqlen_k", p.seqlen_k);
  whole("head_dim", p.head_dim), whole("head_dim_v", p.head_dim_v);
  whole("left", p.window_left), whole("right", p.window_right), whole("anchor", p.anchor);
  whole("format", p.format), add("scale", p.scale), add("softcap", p.softcap);
  add("keep_prob", p.keep_prob), whole("reserved", p.reserved);
  for (int64_t b = 0; p.prefix && b < p.batch; ++b) whole("prefix", p.prefix[b]);
  for (int64_t h = 0; p.sink && h < p.heads_q; ++h) add("sink", p.sink[h]);
  whole("slopes_stride_batch", p.slopes_stride_batch);
  if (p.slopes) add("slope", p.slopes[p.slopes_stride_batch * (p.batch - 1) + p.heads_q - 1]);
  whole("groups", f->launch.groups), whole("checked", e.checked), whole("auto", e.auto_sync);
  whole("keeps", e.keeps_inf_nan), whole("mmad", e.mmad_order), whole("exp", e.exp_ulps);
  whole("truncates", e.truncates), whole("ln", e.ln_ulps), whole("random", e.random_padding);
  whole("seed", static_cast<int64_t>(e.seed)), whole("threads", e.threads > 0);
  whole("workspace", f->launch.workspace_bytes), whole("stream", f->launch.stream != nullptr);
}
void misbehave(NpuForward* f) {
  const float which = f->problem.scale;
  if (which == 101.0f) static_cast<uint16_t*>(f->out.data)[-1] = 7;
  if (which == 102.0f) f->lse[f->problem.batch * f->problem.heads_q * f->problem.seqlen_q] = 7;
  if (which == 103.0f) static_cast<char*>(f->launch.workspace)[f->launch.workspace_bytes + 9] = 7;
  if (which == 104.0f) ++static_cast<uint16_t*>(f->problem.k.data)[1];
}
}  // namespace
extern "C" int64_t npu_flash_forward_workspace(NpuForward* f) {
  return f->problem.seqlen_q < 9 ? 40 : -1;
}
extern "C" int32_t npu_flash_forward(NpuForward* f) {
  const NpuProblem& p = f->problem;
  if (p.scale < 0.0f) {
    std::snprintf(f->launch.text, static_cast<size_t>(f->launch.text_bytes), "scale: %g", p.scale);
    return -static_cast<int32_t>(p.scale);
  }
  if (f->struct_bytes != sizeof(NpuForward)) return NPU_BAD_ARGUMENT;
  say(f);
  misbehave(f);
  const int64_t group = p.heads_k ? p.heads_q / p.heads_k : 1;
  int64_t first_tile = 0;
  for (int64_t b = 0; b < p.batch; ++b) {
    const int64_t at_q = p.cu_seqlens_q ? p.cu_seqlens_q[b] : 0;
    const int64_t at_k = p.cu_seqlens_k ? p.cu_seqlens_k[b] : 0;
    const int64_t rows = p.cu_seqlens_q ? p.cu_seqlens_q[b + 1] - at_q : p.seqlen_q;
    const int64_t keys = p.cu_seqlens_k ? p.cu_seqlens_k[b + 1] - at_k : p.seqlen_k;
    const int64_t columns = (keys + 127) / 128;
    for (int64_t h = 0; h < p.heads_q; ++h) {
      for (int64_t i = 0; i < rows; ++i) {
        const int64_t at = p.cu_seqlens_q ? h * p.cu_seqlens_q[p.batch] + at_q + i
                                          : (b * p.heads_q + h) * p.seqlen_q + i;
        uint16_t* out = const_cast<uint16_t*>(row(f->out, b, at_q + i, h));
        for (int64_t d = 0; d < p.head_dim_v; ++d) out[d] = row(p.q, b, at_q + i, h)[d];
        const int64_t j = at_k + (i < keys ? i : keys - 1);
        f->lse[at] = sum(row(p.k, b, j, h / group), p.head_dim, 1);
        f->softmax_max[at] = sum(row(p.v, b, j, h / group), p.head_dim_v, 1);
        f->softmax_sum[at] = static_cast<float>(p.q.bytes + p.k.bytes + p.v.bytes);
        const NpuPairs& bias = p.bias;
        const int64_t bias_at =
            b * bias.stride_batch + h * bias.stride_head + i * bias.stride_q;
        if (bias.data)
          f->lse[at] = sum(static_cast<const uint16_t*>(bias.data) + bias_at, keys, bias.stride_k);
        const int64_t kept_at = b * p.keep.stride_batch + h * p.keep.stride_head;
        if (p.keep.data) f->softmax_max[at] = count(p.keep, kept_at, p.keep.stride_row, i, keys);
        if (p.dropout.data) f->softmax_sum[at] = count(p.dropout, first_tile, columns, i, keys);
      }
      first_tile += (rows + 127) / 128 * columns;
    }
  }
  f->launch.counters_count = 1;
  f->launch.counters[0] = {3, 2, {1, 2}, {0, 0, 5}, {0, 0, 0, 0, 0, 0, 6}, {7}, {8, 0, 0, 0, 0, 9}};
  return NPU_OK;
}
"""


@pytest.fixture(scope="module")
def stub(tmp_path_factory):
    """The compiled stub."""
    folder = tmp_path_factory.mktemp("stub")
    (folder / "stub.cpp").write_text(STUB)
    shutil.copy(STRUCTS, folder)
    return compiled(folder)


def compiled(kernel: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NPU_BUILD_DIR", str(kernel / "built"))
        return build.library(kernel=kernel, emulator=kernel / "none", options=build.STRICT)


def numbers(*shape: int) -> np.ndarray:
    return (np.arange(np.prod(shape, dtype=int)) % 97).astype(np.float32).reshape(shape)


def ask(stub, *, options: EmulatorOptions | None = None, **changes):
    shapes = {"q": (2, 3, 4, 4), "k": (2, 5, 2, 4), "v": (2, 5, 2, 4)}
    tensors = {name: encode(numbers(*shape), FP16) for name, shape in shapes.items()}
    encoded = EncodedProblem(**{**tensors, "format": FP16, "scale": 0.25, **changes})
    return forward.flash_forward(binding.load(stub), encoded, options=options or EmulatorOptions())


def said(launch: forward.Launch) -> dict[str, list[float]]:
    words = [remark.split("=") for remark in launch.remarks]
    return {name: [float(v) for key, v in words if key == name] for name, _ in words}


def heard(launch: forward.Launch, *names: str) -> list[float]:
    return [value for name in names for value in said(launch)[name]]


def test_sizes_and_knobs_arrive(stub):
    options = EmulatorOptions(
        **{"auto_sync": True, "keeps_inf_nan": True, "truncates": True, "random_padding": True},
        **{"mmad": "exact", "exp": 4, "ln": 5, "cores": 7, "seed": 9, "fast": True},
    )
    v = encode(numbers(2, 5, 2, 3), FP16)
    launch = ask(stub, v=v, options=options)
    sizes = ("batch", "heads_q", "heads_k", "seqlen_q", "seqlen_k", "head_dim", "head_dim_v")
    assert heard(launch, *sizes) == [2, 4, 2, 3, 5, 4, 3]
    turned = ("groups", "checked", "auto", "keeps", "mmad", "exp", "seed", "threads")
    assert heard(launch, *turned) == [7, 0, 1, 1, 2, 4, 9, 1]
    varied = ("truncates", "ln", "random")
    assert heard(launch, *varied) == [1, 5, 1]
    assert heard(launch, "workspace", "stream", "reserved") == [40, 0, 0]
    assert heard(ask(stub), *turned, *varied) == [24, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0]


def test_every_number_of_a_question_arrives(stub):
    launch = ask(
        stub,
        format=BF16,
        scale=0.5,
        window=(-3, 10**30),
        anchor="top-left",
        prefix=np.array([3, 0]),
        softcap=2.5,
        sink=np.arange(4, dtype=np.float32),
        slopes=np.arange(8, dtype=np.float32).reshape(2, 4),
        keep_prob=0.75,
    )
    assert heard(launch, "left", "right", "anchor", "format") == [-3, 2**62, 1, 1]
    assert heard(launch, "prefix", "scale", "softcap") == [3, 0, 0.5, 2.5]
    assert heard(launch, "sink", "slope", "slopes_stride_batch") == [0, 1, 2, 3, 7, 4]
    assert heard(launch, "keep_prob") == [0.75]


def test_what_is_not_asked_is_told_so(stub):
    launch = ask(stub)
    assert heard(launch, "left", "right") == [float(2**63 - 1)] * 2
    assert heard(launch, "anchor", "format", "softcap", "keep_prob") == [0, 0, 0, 1]
    assert {"prefix", "sink", "slope"}.isdisjoint(said(launch))


def test_slopes_of_heads_alone_are_repeated(stub):
    launch = ask(stub, slopes=np.arange(4, dtype=np.float32))
    assert heard(launch, "slope", "slopes_stride_batch") == [3, 0]


def test_counters_come_back(stub):
    launch = ask(stub)
    counted = launch.counters[0]
    assert (counted.group, counted.core, len(launch.counters)) == (3, "AIV1", 1)
    assert (counted.instructions["V"], counted.repeats["M"], counted.macs["FIX"]) == (2, 5, 6)
    assert (counted.waits["S"], counted.bytes["L1 to L0B"]) == (7, 9)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_element_is_found_in_every_layout(stub, layout):
    shapes = {"q": (2, 5, 4, 6), "k": (2, 5, 4, 6), "v": (2, 5, 4, 6)}
    laid = LAYOUTS[layout]({name: numbers(*shape) for name, shape in shapes.items()})
    bits = {name: encode(laid[name], FP16) for name in "qkv"}
    launch = ask(stub, **bits)
    assert np.array_equal(launch.out, bits["q"])
    rows = {name: bits[name].astype(np.float32).sum(-1).swapaxes(1, 2) for name in "kv"}
    assert np.array_equal(launch.lse, rows["k"])
    assert np.array_equal(launch.softmax_max, rows["v"])


def test_only_the_bytes_of_a_tensor_are_shown(stub):
    whole = encode(numbers(2, 9, 4, 8), FP16)
    launch = ask(stub, q=whole[:, :3, :, :4])
    used = 2 * (1 + 9 * 4 * 8 + 2 * 4 * 8 + 3 * 8 + 3)  # to the last element of q
    assert launch.softmax_sum[0, 0, 0] == used + 2 * 2 * (2 * 5 * 2 * 4)


def test_packed_rows_are_found(stub):
    tensors = {name: encode(numbers(6, 2, 4), FP16) for name in "qkv"}
    packed = {name: np.array([0, 2, 2, 6]) for name in ("cu_seqlens_q", "cu_seqlens_k")}
    launch = ask(stub, **tensors, **packed)
    assert np.array_equal(launch.out, tensors["q"])
    assert np.array_equal(launch.lse, tensors["k"].astype(np.float32).sum(-1).T)
    assert heard(launch, "batch", "seqlen_q", "seqlen_k") == [3, 4, 4]


@pytest.mark.parametrize("shape", [(2, 4, 3, 5), (1, 4, 1, 5), (2, 1, 3, 1), (1, 1, 1, 1)])
def test_every_bias_is_found_in_every_broadcast(stub, shape):
    bias = encode(numbers(*shape), FP16)
    rows = np.broadcast_to(bias, (2, 4, 3, 5)).astype(np.float32).sum(-1)
    assert np.array_equal(ask(stub, bias=bias).lse, rows)


def decisions(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random(shape) < 0.5


@pytest.mark.parametrize(("batch", "heads"), [(2, 4), (1, 4), (2, 1), (1, 1)])
def test_every_kept_pair_is_found(stub, batch, heads):
    q, k = (encode(numbers(2, n, 4, 4), FP16) for n in (140, 300))
    keep = decisions(batch, heads, 140, 300)
    launch = ask(stub, q=q, k=k, v=k, keep=tile_bits.of_pairs(keep))
    assert np.array_equal(
        launch.softmax_max, np.broadcast_to(keep, (2, 4, 140, 300)).sum(-1).astype(np.float32)
    )


def test_every_decision_of_dropout_is_found_in_packed_sequences(stub):
    lengths = [(130, 1), (0, 9), (2, 300)]
    q, k = (encode(numbers(sum(side), 2, 4), FP16) for side in zip(*lengths, strict=True))
    heads = [decisions(*length) for length in lengths for _ in range(2)]
    launch = ask(
        stub,
        **{"q": q, "k": k, "v": k, "dropout": tile_bits.of_heads(heads), "keep_prob": 0.5},
        cu_seqlens_q=np.array([0, 130, 130, 132]),
        cu_seqlens_k=np.array([0, 1, 10, 310]),
    )
    counts = [np.concatenate([keep.sum(-1) for keep in heads[head::2]]) for head in range(2)]
    assert np.array_equal(launch.softmax_sum, np.array(counts, np.float32))


@pytest.mark.parametrize(
    ("error", "code"),
    [(ValueError, 1), (binding.Declined, 2), (binding.CheckFailed, 3), (binding.CheckFailed, 99)],
)
def test_an_error_code_becomes_an_exception_with_the_text(stub, error, code):
    with pytest.raises(error, match=f"^scale: -{code}$"):
        ask(stub, scale=-float(code))


MISDEEDS = {
    101: "out: 2 bytes before it were written, the nearest 1 B away",
    102: "lse: 4 bytes after it were written, the nearest 1 B away",
    103: "workspace: 1 bytes after it were written, the nearest 10 B away",
    104: "k: an input was written",
}


@pytest.mark.parametrize("scale", MISDEEDS)
def test_a_library_that_writes_beside_its_memory_is_found_out(stub, scale):
    with pytest.raises(binding.CheckFailed, match=f"^{MISDEEDS[scale]}$"):
        ask(stub, scale=float(scale))


EXCHANGED = {
    ("NpuTensor dq;", "NpuTensor dk;"): "NpuBackward.dq is 40 bytes from byte",
    ("int64_t window_left;", "int64_t window_right;"): "NpuProblem.window_left is 8 bytes from",
    ("uint64_t waits[7];", "uint64_t macs[7];"): "NpuCounters.macs is 56 bytes from",
}
"""Two fields of one size that change places in abi.h, and what is reported."""


@pytest.mark.parametrize("pair", EXCHANGED, ids=lambda pair: pair[0].split()[1])
def test_a_library_whose_fields_are_exchanged_is_refused_and_the_first_of_them_named(
    tmp_path, pair
):
    one, other = pair
    abi = (build.PACKAGE / "abi.h").read_text()
    abi = abi.replace(one, "@").replace(other, one).replace("@", other)
    (tmp_path / "abi.h").write_text(abi)
    shutil.copy(STRUCTS, tmp_path)
    with pytest.raises(binding.Mismatch, match=re.escape(EXCHANGED[pair])):
        binding.load(compiled(tmp_path))


def test_a_library_that_does_not_tell_its_structs_is_refused(tmp_path):
    (tmp_path / "empty.cpp").write_text("")
    with pytest.raises(binding.Mismatch, match="does not tell its structs by npu_structs: make"):
        binding.load(compiled(tmp_path))


def test_the_library_names_every_field_of_abi_h():
    """So that none is left out of the comparison."""
    abi = re.sub(r"//.*", "", (build.PACKAGE / "abi.h").read_text())
    structs = re.findall(r"typedef struct (\w+) \{(.*?)\} \w+;", abi, re.DOTALL)
    fields = {f"{name}.{one}" for name, body in structs for one in re.findall(FIELD, body)}
    assert fields == {name for name in layout() if "." in name} != set()
