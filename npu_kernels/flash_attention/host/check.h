// Which problems are refused before anything is launched: shapes, numbers, sequences. Host only.
#pragma once

#include <cmath>
#include <utility>

#include "common/problem.h"
#include "host/refusal.h"

namespace flash {

constexpr int64_t longest = (int64_t{1} << 31) - 1;

inline bool is_packed(const NpuProblem& p) {
  return p.cu_seqlens_q != nullptr;
}

// --- Shapes ---

inline void check_dim(const char* name, int64_t dim) {
  if (dim < 1) refuse(name, text_of(dim) + " is not positive");
  if (dim > max_head_dim) {
    refuse(name, text_of(dim) + " is above " + text_of(max_head_dim), NPU_UNSUPPORTED);
  }
}

inline void check_sizes(std::initializer_list<std::pair<const char*, int64_t>> sizes) {
  for (const auto& [name, size] : sizes) {
    if (size < 0) refuse(name, text_of(size) + " is negative");
    if (size > longest) refuse(name, text_of(size) + " is above 2^31 - 1", NPU_UNSUPPORTED);
  }
}

inline void check_shapes(const NpuProblem& p) {
  check_sizes({{"batch", p.batch},
               {"heads_q", p.heads_q},
               {"heads_k", p.heads_k},
               {"seqlen_q", p.seqlen_q},
               {"seqlen_k", p.seqlen_k}});
  if (p.batch * p.heads_q > longest) {
    refuse("batch", "times heads_q is above 2^31 - 1", NPU_UNSUPPORTED);
  }
  if (p.heads_q > 0 && (p.heads_k == 0 || p.heads_q % p.heads_k != 0)) {
    refuse("heads_k", text_of(p.heads_k) + " does not divide heads_q " + text_of(p.heads_q));
  }
  check_dim("head_dim", p.head_dim);
  check_dim("head_dim_v", p.head_dim_v);
}

// --- Sequences ---

// Offsets of `batch` sequences of no more than `most` rows.
inline void check_offsets(const char* name, const int64_t* offsets, int64_t batch, int64_t most) {
  if (offsets[0] != 0) refuse(name, "begins at " + text_of(offsets[0]) + ", must begin at 0");
  for (int64_t b = 0; b < batch; ++b) {
    if (offsets[b + 1] < offsets[b]) refuse(name, "goes back at " + text_of(b + 1));
    const int64_t rows = offsets[b + 1] - offsets[b];
    if (rows > most) {
      refuse(name, "sequence " + text_of(b) + " has " + text_of(rows) +
                       " rows, the longest is said to have " + text_of(most));
    }
  }
}

inline void check_packing(const int64_t* cu_seqlens_q, const int64_t* cu_seqlens_k, int64_t batch,
                          int64_t seqlen_q, int64_t seqlen_k) {
  if ((cu_seqlens_q == nullptr) != (cu_seqlens_k == nullptr)) {
    refuse(cu_seqlens_q == nullptr ? "cu_seqlens_q" : "cu_seqlens_k",
           "null pointer, while the other is given");
  }
  if (cu_seqlens_q == nullptr) return;
  check_offsets("cu_seqlens_q", cu_seqlens_q, batch, seqlen_q);
  check_offsets("cu_seqlens_k", cu_seqlens_k, batch, seqlen_k);
}

inline void check_prefix(const int64_t* prefix, int64_t batch) {
  for (int64_t b = 0; prefix != nullptr && b < batch; ++b) {
    if (prefix[b] < 0) {
      refuse("prefix", text_of(prefix[b]) + " of sequence " + text_of(b) + " is negative");
    }
  }
}

inline void check_anchor(int32_t anchor) {
  if (anchor != NPU_BOTTOM_RIGHT && anchor != NPU_TOP_LEFT) {
    refuse("anchor", text_of(anchor) + " is neither bottom-right nor top-left");
  }
}

// --- Numbers ---

inline void check_keep_prob(float keep_prob) {
  if (!(keep_prob > 0.0f && keep_prob <= 1.0f)) {
    refuse("keep_prob", std::to_string(keep_prob) + " is not in (0, 1]");
  }
}

inline void check_numbers(const NpuProblem& p) {
  if (p.format != NPU_FP16 && p.format != NPU_BF16) {
    refuse("format", text_of(p.format) + " is neither fp16 nor bf16", NPU_UNSUPPORTED);
  }
  check_anchor(p.anchor);
  if (!std::isfinite(p.scale)) refuse("scale", "must be finite");
  if (!(std::isfinite(p.softcap) && p.softcap >= 0.0f)) {
    refuse("softcap", std::to_string(p.softcap) + " must be positive, or 0 for none");
  }
  if (p.softcap > 0.0f && !std::isfinite(2.0f * p.scale / p.softcap)) {
    refuse("softcap", "is too small for scale " + std::to_string(p.scale), NPU_UNSUPPORTED);
  }
  check_keep_prob(p.keep_prob);
  if ((p.dropout.data == nullptr) != (p.keep_prob == 1.0f)) {
    refuse("dropout", p.dropout.data == nullptr ? "null pointer, while keep_prob is below 1"
                                                : "bits are given, while keep_prob is 1");
  }
}

inline void check_problem(const NpuProblem& p) {
  check_shapes(p);
  check_packing(p.cu_seqlens_q, p.cu_seqlens_k, p.batch, p.seqlen_q, p.seqlen_k);
  check_prefix(p.prefix, p.batch);
  check_numbers(p);
}

inline void check_groups(int64_t groups) {
  if (groups < 1 || groups > max_groups) {
    refuse("groups", text_of(groups) + " is not in 1.." + text_of(max_groups));
  }
}

}  // namespace flash
