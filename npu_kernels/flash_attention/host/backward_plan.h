// What the backward is asked, checked, and as its kernels are given it. Host only.
#pragma once

#include "backward/sizes.h"
#include "host/split.h"
#include "host/tiling.h"

namespace flash {

inline void check_backward(const NpuBackward& b) {
  check_problem(b.problem);
  check_groups(b.launch.groups);
  if (b.problem.batch * b.problem.heads_k > longest) {  // heads_q may be 0
    refuse("batch", "times heads_k is above 2^31 - 1", NPU_UNSUPPORTED);
  }
  if (b.dbias != nullptr && b.problem.bias.data == nullptr) {
    refuse("dbias", "asked for, while there is no bias");
  }
  if (b.dsink != nullptr && b.problem.sink == nullptr) {
    refuse("dsink", "asked for, while there is no sink");
  }
}

// --- Tasks ---

// Tasks of the pass over keys, as far as `most`.
inline int64_t key_task_count(const NpuProblem& p, int64_t most) {
  if (!is_packed(p)) return min_of(p.batch * p.heads_k * ceil_div(p.seqlen_k, block_k), most);
  int64_t tasks = 0;
  for (int64_t b = 0; b < p.batch && tasks < most; ++b) {
    tasks += p.heads_k * ceil_div(p.cu_seqlens_k[b + 1] - p.cu_seqlens_k[b], block_k);
  }
  return min_of(tasks, most);
}

// Each task costs its tiles, and one more for its keys and its results.
inline Costs key_costs(const Tiling& t, const std::vector<Sequence>& sequences) {
  Costs costs;
  for (const Sequence& s : sequences) {
    std::vector<int64_t> of_head;
    for (int64_t block = 0; block < ceil_div(s.seqlen_k, block_k); ++block) {
      const KeyTask task = key_task_of(t, s, 0, block);
      of_head.push_back(task.queries.blocks() * (t.heads_q / t.heads_k) + 1);
    }
    costs.push_back(std::move(of_head));
  }
  return costs;
}

// With the tasks of the pass over keys that come before each sequence and, for dX, the tiles.
inline std::vector<Sequence> gradient_sequences(const NpuBackward& b) {
  const NpuProblem& p = b.problem;
  std::vector<Sequence> sequences = sequences_of(p, 1);
  int64_t tasks = 0;
  int64_t tiles = 0;
  for (int64_t i = 0; i < p.batch; ++i) {
    Sequence& s = sequences[static_cast<size_t>(i)];
    s.first_key_task = tasks;
    tasks += p.heads_k * ceil_div(s.seqlen_k, block_k);
    if (b.dbias == nullptr) continue;  // else there is memory for all tiles
    s.first_tile = tiles;
    tiles += p.heads_q * tiles_of_head(p, i);
  }
  return sequences;
}

inline PairSizes dbias_sizes(const NpuProblem& p) {
  const auto size = [](int64_t stride, int64_t full) { return stride == 0 ? 1 : full; };
  return PairSizes{size(p.bias.stride_batch, p.batch), size(p.bias.stride_head, p.heads_q),
                   size(p.bias.stride_q, p.seqlen_q), size(p.bias.stride_k, p.seqlen_k)};
}

inline GradientTiling gradient_tiling(const NpuBackward& b) {
  GradientTiling t{};
  t.problem = tiling_of(b.problem);
  t.problem.out = strides_of(b.out);
  t.dout = strides_of(b.dout);
  t.dq = strides_of(b.dq);
  t.dk = strides_of(b.dk);
  t.dv = strides_of(b.dv);
  t.dbias = dbias_sizes(b.problem);
  t.has_dlse = b.dlse != nullptr ? 1 : 0;
  t.has_dbias = b.dbias != nullptr ? 1 : 0;
  return t;
}

// --- Workspace: delta, like lse; dX, all tiles of all heads, for dbias; that of the groups ---

struct GradientParts {
  int64_t delta;  // bytes of each
  int64_t dx;
  int64_t groups;
  int64_t bytes;  // of all
};

constexpr int64_t most_dx_bytes = int64_t{1} << 40;

inline int64_t dx_bytes(const NpuBackward& b) {
  const NpuProblem& p = b.problem;
  if (b.dbias == nullptr || p.heads_q == 0) return 0;
  const int64_t most = most_dx_bytes / dx_tile_bytes;
  int64_t tiles = 0;
  for (int64_t s = 0; s < p.batch; ++s) {
    const int64_t of_head = tiles_of_head(p, s);
    if (of_head > (most - tiles) / p.heads_q) {
      refuse("dbias", "needs more than 2^40 B of workspace", NPU_UNSUPPORTED);
    }
    tiles += of_head * p.heads_q;
  }
  return tiles * dx_tile_bytes;
}

inline GradientParts workspace_of(const NpuBackward& b) {
  constexpr int64_t line = 512;  // so that each part begins where transfers like it
  const NpuProblem& p = b.problem;
  const RowsShape rows = rows_of_queries(p, 1);
  constexpr int64_t most_rows = int64_t{1} << 56;
  if (rows.batch * rows.heads > 0 && rows.rows > most_rows / (rows.batch * rows.heads)) {
    refuse("seqlen_q", "times batch and heads_q is above 2^56", NPU_UNSUPPORTED);
  }
  GradientParts parts{};
  parts.delta = round_up(rows.batch * rows.rows * rows.heads * float_bytes, line);
  parts.dx = dx_bytes(b);
  const int64_t groups = max_of(task_count(p, b.launch.groups), key_task_count(p, b.launch.groups));
  parts.groups = groups * gradient_group_bytes(p.head_dim, p.head_dim_v);
  parts.bytes = parts.delta + parts.dx + parts.groups;
  return parts;
}

// --- Where everything lies ---

struct GradientTensors {
  std::vector<Range> problem;
  Range out, dout, lse, dlse;
  Range dq, dk, dv, dbias, dsink;
  Range delta, dx, workspace;
};

inline Range dbias_range(const NpuBackward& b) {
  const PairSizes size = dbias_sizes(b.problem);
  int64_t values = 1;
  for (const int64_t of_axis : {size.batch, size.heads, size.queries, size.keys}) {
    if (of_axis > 0 && values > most_dx_bytes / float_bytes / of_axis) {
      refuse("dbias", "has more than 2^40 B", NPU_UNSUPPORTED);
    }
    values *= of_axis;
  }
  return range_from("dbias", b.dbias, values * float_bytes);
}

inline GradientTensors tensors_of(const NpuBackward& b) {
  const NpuProblem& p = b.problem;
  const RowsShape like_out = rows_of_queries(p, p.head_dim_v);
  GradientTensors t{};
  t.problem = problem_ranges(p);
  t.out = rows_range("out", b.out, like_out);
  t.dout = rows_range("dout", b.dout, like_out);
  t.dq = written_rows_range("dq", b.dq, rows_of_queries(p, p.head_dim));
  t.dk = written_rows_range("dk", b.dk, rows_of_keys(p, p.head_dim));
  t.dv = written_rows_range("dv", b.dv, rows_of_keys(p, p.head_dim_v));
  t.lse = statistics_range("lse", b.lse, p);
  if (b.dlse != nullptr) t.dlse = statistics_range("dlse", b.dlse, p);
  if (b.dbias != nullptr) t.dbias = dbias_range(b);
  if (b.dsink != nullptr) t.dsink = range_from("dsink", b.dsink, p.heads_q * float_bytes);

  const GradientParts parts = workspace_of(b);
  const Range whole = workspace_range(b.launch, parts.bytes);
  Memory memory{t.problem, {t.dq, t.dk, t.dv, t.dbias, t.dsink}, whole};
  for (const Range& input : {t.out, t.dout, t.lse, t.dlse}) memory.inputs.push_back(input);
  check_apart(memory);

  t.delta = range_from("delta", whole.begin, t.lse.bytes);
  t.dx = range_from("dX", whole.begin + parts.delta, parts.dx);
  t.workspace = range_from("workspace", whole.begin + parts.delta + parts.dx, parts.groups);
  return t;
}

}  // namespace flash
