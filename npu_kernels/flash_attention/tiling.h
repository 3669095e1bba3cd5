// Tile sizes, budgets, workspace and tasks: shared by host and device.
#pragma once

#include <cstdint>

#ifndef __aicore__
#define __aicore__  // a host compiler
#endif

namespace flash {

constexpr int64_t block_q = 128;                    // queries of a tile, for any head_dim
constexpr int64_t block_k = 128;                    // keys of a tile
constexpr int64_t chunk = 128;                      // of head_dim: what one Mmad takes
constexpr int64_t vector_cores = 2;                 // per group
constexpr int64_t half_q = block_q / vector_cores;  // queries of a tile for each of them
constexpr int64_t fractal = 16;                     // the cube works on 16 x 16 values
constexpr int64_t slots = 2;                        // of everything that is double-buffered
constexpr int64_t max_head_dim = 256;
constexpr int64_t max_groups = 64;
constexpr int64_t value_bytes = 2;  // fp16 and bf16
constexpr int64_t float_bytes = 4;

constexpr __aicore__ inline int64_t min_of(int64_t a, int64_t b) {
  return a < b ? a : b;
}
constexpr __aicore__ inline int64_t max_of(int64_t a, int64_t b) {
  return a > b ? a : b;
}
constexpr __aicore__ inline int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}
constexpr __aicore__ inline int64_t round_up(int64_t a, int64_t b) {
  return ceil_div(a, b) * b;
}

// Rows of a tile that a vector core takes at once: what fits UB beside the accumulator.
constexpr __aicore__ inline int64_t slab_rows(int64_t head_dim) {
  return head_dim > chunk ? 16 : 32;
}

// --- Budgets: bytes of on-chip memory for a head_dim ---

// One AIV. scores and weights: 2 x (slab, block_k). acc: (half_q, head_dim). partial: 2 x (slab,
// head_dim). out: 2 x (slab, head_dim). mask bits: 2 x (half_q, block_k). Per slab row: half a row
// of scores for the reduction tree, three blocks of 8 floats. Statistics: 7 x half_q floats, and
// 2 x 3 x half_q on their way out; 32 B of comparison bits.
constexpr __aicore__ inline int64_t ub_bytes(int64_t head_dim) {
  const int64_t slab = slab_rows(head_dim);
  const int64_t d = round_up(head_dim, fractal);
  const int64_t scores = slots * slab * block_k * (float_bytes + value_bytes);
  const int64_t values = half_q * d * float_bytes + slots * slab * d * (float_bytes + value_bytes);
  const int64_t scratch = slab * (block_k / 2 + 3 * 8) * float_bytes;
  const int64_t statistics = (7 + slots * 3) * half_q * float_bytes + 32;
  return scores + values + scratch + statistics + slots * half_q * block_k / 8;
}
// One AIC. q: (block_q, head_dim). k, v: 2 x (block_k, head_dim). p: 2 x (block_q, block_k).
constexpr __aicore__ inline int64_t l1_bytes(int64_t head_dim) {
  const int64_t d = round_up(head_dim, fractal);
  return ((block_q + 2 * slots * block_k) * d + slots * block_q * block_k) * value_bytes;
}
constexpr int64_t l0_tile_bytes = block_q * chunk * value_bytes;  // in L0A and in L0B
constexpr int64_t l0c_tile_bytes = block_q * block_k * float_bytes;

constexpr int64_t ub_limit = 192 * 1024 - 256 - 8 * 1024;  // the system's, and what Select uses
constexpr int64_t l1_limit = 512 * 1024 - 256;
constexpr __aicore__ inline bool fits(int64_t head_dim) {
  return ub_bytes(head_dim) <= ub_limit && l1_bytes(head_dim) <= l1_limit;
}
static_assert(fits(64) && fits(128) && fits(192) && fits(256), "head_dim up to 256");
static_assert(slots * l0_tile_bytes <= 64 * 1024, "L0A, L0B");
static_assert(slots * l0c_tile_bytes <= 128 * 1024, "L0C");
static_assert(chunk == block_k && block_k == block_q, "one size of tile serves L0A, L0B and L0C");

// --- Workspace: of each group, double-buffered ---

// scores S: (block_q, block_k) fp32; weights P: (block_q, block_k); partial P V: (block_q,
// head_dim) fp32, rows padded to 16 columns.
constexpr int64_t scores_bytes = block_q * block_k * float_bytes;
constexpr int64_t weights_bytes = block_q * block_k * value_bytes;
constexpr __aicore__ inline int64_t partial_bytes(int64_t head_dim) {
  return block_q * round_up(head_dim, fractal) * float_bytes;
}
constexpr __aicore__ inline int64_t group_workspace_bytes(int64_t head_dim) {
  return slots * (scores_bytes + weights_bytes + partial_bytes(head_dim));
}

// --- The staircase: bits of every mask whose rows see a first part of the keys ---

// Row 128 + x has its lowest x bits set, for x clamped to 0..128: 128 empty rows, 129 steps, 128
// full ones. Any 64 rows of a causal tile are 64 consecutive rows of it.
constexpr int64_t staircase_rows = 3 * block_k + 1;
constexpr int64_t staircase_row_bytes = block_k / 8;

// --- The problem, as the kernel is given it ---

struct Strides {  // in elements
  int64_t batch;
  int64_t seqlen;
  int64_t head;
};

struct ForwardTiling {
  int64_t batch;
  int64_t heads_q;
  int64_t heads_k;
  int64_t seqlen_q;
  int64_t seqlen_k;
  int64_t head_dim;
  Strides q;
  Strides k;
  Strides v;
  Strides out;
  float scale;
  int32_t causal;
  int64_t groups;                      // that have work: as few as finish as soon
  int64_t first_task[max_groups + 1];  // group g does tasks [first_task[g], first_task[g + 1])
};

// A task is one block of queries of one head: its owner visits all keys that it sees, so that the
// bits do not depend on the number of groups.
struct Task {
  int64_t batch;
  int64_t head;
  int64_t row;        // of its first query
  int64_t rows;       // 1..block_q
  int64_t key_limit;  // keys from here on are seen by none of its queries
  __aicore__ inline int64_t tiles() const { return ceil_div(key_limit, block_k); }
};

__aicore__ inline int64_t task_count(const ForwardTiling& t) {
  return t.batch * t.heads_q * ceil_div(t.seqlen_q, block_q);
}

// A query sees keys 0 up to here, as far as there are any: may be negative, or above seqlen_k.
__aicore__ inline int64_t visible_keys(const ForwardTiling& t, int64_t query) {
  if (t.causal == 0) return t.seqlen_k;
  return query + t.seqlen_k - t.seqlen_q + 1;
}

__aicore__ inline Task task_at(const ForwardTiling& t, int64_t index) {
  const int64_t blocks = ceil_div(t.seqlen_q, block_q);
  // The first block, the last, the second, the last but one: under a causal mask short and long
  // tasks alternate, so that neighbours weigh alike.
  const int64_t turn = index % blocks;
  const int64_t row = (turn % 2 == 0 ? turn / 2 : blocks - 1 - turn / 2) * block_q;
  const int64_t rows = min_of(block_q, t.seqlen_q - row);
  const int64_t last_sees = visible_keys(t, row + rows - 1);
  return Task{index / blocks / t.heads_q, index / blocks % t.heads_q, row, rows,
              min_of(max_of(last_sees, 0), t.seqlen_k)};
}

// Rows of a task for the vector core whose half of the block begins at first_row.
__aicore__ inline int64_t half_rows(const Task& task, int64_t first_row) {
  return min_of(max_of(task.rows - first_row, 0), half_q);
}

}  // namespace flash
