// What is refused before anything is launched. Host only.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "../abi.h"
#include "split.h"

namespace flash {

// Why a problem is refused; the text begins with the argument's name.
struct Refusal {
  int32_t code;
  std::string text;
};

[[noreturn]] inline void refuse(const std::string& argument, const std::string& why,
                                int32_t code = NPU_BAD_ARGUMENT) {
  throw Refusal{code, argument + ": " + why};
}

inline void check_shapes(const NpuForward& f) {
  constexpr int64_t longest = (int64_t{1} << 31) - 1;
  const std::pair<const char*, int64_t> sizes[] = {
      {"batch", f.batch},       {"heads_q", f.heads_q},   {"heads_k", f.heads_k},
      {"seqlen_q", f.seqlen_q}, {"seqlen_k", f.seqlen_k},
  };
  for (const auto& [name, size] : sizes) {
    if (size < 0) refuse(name, std::to_string(size) + " is negative");
    if (size > longest) refuse(name, std::to_string(size) + " is above 2^31 - 1", NPU_UNSUPPORTED);
  }
  if (f.batch * f.heads_q > longest)
    refuse("batch", "times heads_q is above 2^31 - 1", NPU_UNSUPPORTED);
  if (f.heads_q > 0 && (f.heads_k == 0 || f.heads_q % f.heads_k != 0)) {
    refuse("heads_k",
           std::to_string(f.heads_k) + " does not divide heads_q " + std::to_string(f.heads_q));
  }
  if (f.head_dim < 1) refuse("head_dim", std::to_string(f.head_dim) + " is not positive");
  if (f.head_dim > max_head_dim) {
    refuse("head_dim", std::to_string(f.head_dim) + " is above " + std::to_string(max_head_dim),
           NPU_UNSUPPORTED);
  }
  if (f.head_dim_v != f.head_dim) {
    refuse("head_dim_v", std::to_string(f.head_dim_v) + " is not head_dim", NPU_UNSUPPORTED);
  }
  if (f.format != NPU_FP16 && f.format != NPU_BF16) {
    refuse("format", std::to_string(f.format) + " is neither fp16 nor bf16", NPU_UNSUPPORTED);
  }
  if (f.causal != 0 && f.causal != 1) refuse("causal", "must be 0 or 1");
  if (!std::isfinite(f.scale)) refuse("scale", "must be finite");
  if (f.groups < 1 || f.groups > max_groups) {
    refuse("groups", std::to_string(f.groups) + " is not in 1.." + std::to_string(max_groups));
  }
}

// --- Tensors ---

struct Range {
  std::string name;
  const uint8_t* begin;
  int64_t bytes;
};

inline bool overlap(const Range& a, const Range& b) {
  return a.bytes > 0 && b.bytes > 0 && a.begin < b.begin + b.bytes && b.begin < a.begin + a.bytes;
}

// The bytes from the first to the last value of (batch, seqlen, heads, head_dim).
inline Range range_of(const char* name, const NpuTensor& t, int64_t batch, int64_t seqlen,
                      int64_t heads, int64_t head_dim) {
  if (t.bytes < 0) refuse(name, "bytes is negative");
  if (batch == 0 || seqlen == 0 || heads == 0) {
    return Range{name, static_cast<const uint8_t*>(t.data), 0};
  }
  if (t.data == nullptr) refuse(name, "null pointer");
  const int64_t room = t.bytes / value_bytes;
  int64_t last = head_dim;
  const auto reach = [&](int64_t size, int64_t stride, const char* axis) {
    if (stride < 0) refuse(name, std::string("stride_") + axis + " is negative");
    const bool beyond = size > 1 && stride > room / (size - 1);
    if (!beyond) last += (size - 1) * stride;
    if (beyond || last > room) {
      refuse(name, "of " + std::to_string(t.bytes) + " B is too small for its shape and strides");
    }
  };
  reach(batch, t.stride_batch, "batch");
  reach(seqlen, t.stride_seqlen, "seqlen");
  reach(heads, t.stride_head, "head");
  return Range{name, static_cast<const uint8_t*>(t.data), last * value_bytes};
}

// Two cores must never write one byte of out.
inline void check_rows_apart(const NpuForward& f) {
  std::pair<int64_t, int64_t> axes[] = {{f.out.stride_batch, f.batch},
                                        {f.out.stride_seqlen, f.seqlen_q},
                                        {f.out.stride_head, f.heads_q}};
  std::sort(std::begin(axes), std::end(axes));
  int64_t extent = f.head_dim;
  for (const auto& [stride, size] : axes) {
    if (size <= 1) continue;
    if (stride < extent) refuse("out", "its strides make rows overlap");
    extent += (size - 1) * stride;
  }
  if (f.seqlen_q > 1 && f.out.stride_seqlen >= int64_t{1} << 31) {
    refuse("out", "stride_seqlen is above 2^31", NPU_UNSUPPORTED);
  }
}

struct Tensors {
  Range inputs[3];   // q, k, v; they may share memory
  Range outputs[4];  // out, lse, softmax_max, softmax_sum
  Range workspace;
};

inline Range row_results(const char* name, const float* data, const NpuForward& f) {
  const int64_t bytes = f.batch * f.heads_q * f.seqlen_q * float_bytes;
  if (bytes > 0 && data == nullptr) refuse(name, "null pointer");
  return Range{name, reinterpret_cast<const uint8_t*>(data), bytes};
}

inline Tensors check_tensors(const NpuForward& f, int64_t workspace_bytes) {
  Tensors tensors;
  tensors.inputs[0] = range_of("q", f.q, f.batch, f.seqlen_q, f.heads_q, f.head_dim);
  tensors.inputs[1] = range_of("k", f.k, f.batch, f.seqlen_k, f.heads_k, f.head_dim);
  tensors.inputs[2] = range_of("v", f.v, f.batch, f.seqlen_k, f.heads_k, f.head_dim);
  tensors.outputs[0] = range_of("out", f.out, f.batch, f.seqlen_q, f.heads_q, f.head_dim);
  if (tensors.outputs[0].bytes > 0) check_rows_apart(f);  // from here on no product overflows
  tensors.outputs[1] = row_results("lse", f.lse, f);
  tensors.outputs[2] = row_results("softmax_max", f.softmax_max, f);
  tensors.outputs[3] = row_results("softmax_sum", f.softmax_sum, f);
  tensors.workspace = {"workspace", static_cast<const uint8_t*>(f.workspace), workspace_bytes};
  if (f.workspace_bytes < workspace_bytes) {
    refuse("workspace", std::to_string(f.workspace_bytes) + " B, needs " +
                            std::to_string(workspace_bytes) + " B");
  }
  if (workspace_bytes > 0 && f.workspace == nullptr) refuse("workspace", "null pointer");

  std::vector<Range> written(std::begin(tensors.outputs), std::end(tensors.outputs));
  written.push_back(tensors.workspace);
  for (size_t i = 0; i < written.size(); ++i) {
    for (const Range& input : tensors.inputs) {
      if (overlap(written[i], input)) refuse(written[i].name, "overlaps " + input.name);
    }
    for (size_t j = 0; j < i; ++j) {
      if (overlap(written[i], written[j])) refuse(written[i].name, "overlaps " + written[j].name);
    }
  }
  return tensors;
}

inline ForwardTiling tiling_of(const NpuForward& f) {
  const auto strides = [](const NpuTensor& t) {
    return Strides{t.stride_batch, t.stride_seqlen, t.stride_head};
  };
  ForwardTiling tiling{};
  tiling.batch = f.batch;
  tiling.heads_q = f.heads_q;
  tiling.heads_k = f.heads_k;
  tiling.seqlen_q = f.seqlen_q;
  tiling.seqlen_k = f.seqlen_k;
  tiling.head_dim = f.head_dim;
  tiling.q = strides(f.q);
  tiling.k = strides(f.k);
  tiling.v = strides(f.v);
  tiling.out = strides(f.out);
  tiling.scale = f.scale;
  tiling.causal = f.causal;
  return tiling;  // without the split of work, which takes time and needs checked tensors
}

inline int64_t workspace_bytes(const NpuForward& f) {
  return working_groups(tiling_of(f), f.groups) * group_workspace_bytes(f.head_dim);
}

}  // namespace flash
