// The problem as the kernels are given it. Host only.
#pragma once

#include "host/problem_ranges.h"

namespace flash {

// Tasks of the forward, as far as `most`.
inline int64_t task_count(const NpuProblem& p, int64_t most) {
  if (!is_packed(p)) return min_of(p.batch * p.heads_q * ceil_div(p.seqlen_q, block_q), most);
  int64_t tasks = 0;
  for (int64_t b = 0; b < p.batch && tasks < most; ++b) {
    tasks += p.heads_q * ceil_div(p.cu_seqlens_q[b + 1] - p.cu_seqlens_q[b], block_q);
  }
  return min_of(tasks, most);
}

// Sequence after sequence: rows, tiles and tasks, of so many blocks, of those before are counted.
inline std::vector<Sequence> sequences_of(const NpuProblem& p, int64_t blocks) {
  const bool counts_tiles = is_side_by_side(p.keep) || is_side_by_side(p.dropout);
  std::vector<Sequence> sequences;
  sequences.reserve(static_cast<size_t>(p.batch));
  int64_t tasks = 0;
  int64_t tiles = 0;
  for (int64_t b = 0; b < p.batch; ++b) {
    Sequence s{0, 0, p.seqlen_q, p.seqlen_k, 0, tasks, tiles, 0};
    if (is_packed(p)) {
      s.row_q = p.cu_seqlens_q[b];
      s.row_k = p.cu_seqlens_k[b];
      s.seqlen_q = p.cu_seqlens_q[b + 1] - s.row_q;
      s.seqlen_k = p.cu_seqlens_k[b + 1] - s.row_k;
    }
    if (p.prefix != nullptr) s.prefix = min_of(p.prefix[b], s.seqlen_k);
    tasks += p.heads_q * ceil_div(s.seqlen_q, blocks * block_q);
    if (counts_tiles) tiles += p.heads_q * tiles_of_head(p, b);
    sequences.push_back(s);
  }
  return sequences;
}

inline Strides strides_of(const NpuTensor& t) {
  return Strides{t.stride_batch, t.stride_seqlen, t.stride_head};
}
// Of lse and what is like it.
inline Strides statistics_strides(const NpuProblem& p) {
  if (is_packed(p)) return Strides{0, 1, p.cu_seqlens_q[p.batch]};
  return Strides{p.heads_q * p.seqlen_q, 1, p.seqlen_q};
}
inline TileStrides tile_strides_of(const NpuBits& bits) {
  if (is_side_by_side(bits)) return TileStrides{unbounded, 0, 0};
  return TileStrides{bits.stride_batch, bits.stride_head, bits.stride_row};
}

inline int64_t clamped_side(int64_t side) {
  return min_of(max_of(side, -unbounded), unbounded);
}

// Without out, and without the split of work.
inline Tiling tiling_of(const NpuProblem& p) {
  Tiling t{};
  t.blocks = 1;
  t.batch = p.batch;
  t.heads_q = p.heads_q;
  t.heads_k = p.heads_k;
  t.head_dim = p.head_dim;
  t.head_dim_v = p.head_dim_v;
  t.window_left = clamped_side(p.window_left);
  t.window_right = clamped_side(p.window_right);
  t.top_left = p.anchor == NPU_TOP_LEFT ? 1 : 0;
  t.scale = p.scale;
  t.softcap = p.softcap;
  t.keep_prob = p.keep_prob;
  t.has_bias = p.bias.data != nullptr ? 1 : 0;
  t.has_slopes = p.slopes != nullptr ? 1 : 0;
  t.has_sink = p.sink != nullptr ? 1 : 0;
  t.has_keep = p.keep.data != nullptr ? 1 : 0;
  t.q = strides_of(p.q);
  t.k = strides_of(p.k);
  t.v = strides_of(p.v);
  t.lse = statistics_strides(p);
  t.bias = {p.bias.stride_batch, p.bias.stride_head, p.bias.stride_q, p.bias.stride_k};
  t.keep = tile_strides_of(p.keep);
  t.dropout = tile_strides_of(p.dropout);
  t.slopes_batch = p.slopes_stride_batch;
  return t;
}

}  // namespace flash
