// A library that answers with what it was given: what Python passes is seen in its results.
//
// Its text says every number of the struct. out is q; lse sums a row of bias, or of k; softmax_max
// counts kept pairs, or sums a row of v; softmax_sum counts the pairs that dropout keeps, or gives
// the bytes of q, k and v. A scale above 100 makes it write where it may not.
#include <cstdio>

#include "abi.h"
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
        const int64_t bias_at = b * bias.stride_batch + h * bias.stride_head + i * bias.stride_q;
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
