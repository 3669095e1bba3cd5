// What the backward adds to the problem, and its budgets and workspace. Shared by host and device.
//
// Two passes make the gradients, each with owners that visit all they need, so that no two cores
// add to one value and bits do not depend on the number of groups:
//   keys: the owner of a block of keys of one key head makes dk and dv, over the query heads that
//     read this head and the blocks of queries that see the keys.
//   queries: the owner of a block of queries of one head makes dq, and dX for dbias.
#pragma once

#include "common/problem.h"

namespace flash {

enum class Pass : int32_t { keys, queries };

// Of dbias: 1 along an axis where the bias is one value.
struct PairSizes {
  int64_t batch;
  int64_t heads;
  int64_t queries;
  int64_t keys;
};

struct GradientTiling {
  Tiling problem;  // groups and first_task are those of the kernel that is given this
  Strides dout;
  Strides dq;
  Strides dk;
  Strides dv;
  PairSizes dbias;
  int32_t has_dlse;
  int32_t has_dbias;
};

// Tiles that a step takes at once: their share of a sum is made in L0C, and goes through GM once.
constexpr int64_t max_gradient_tiles = 2;
constexpr BOTH_SIDES inline int64_t gradient_tiles(int64_t head_dim, int64_t head_dim_v) {
  return max_of(head_dim, head_dim_v) > chunk ? 1 : max_gradient_tiles;
}

// --- Budgets: bytes of on-chip memory ---

constexpr int64_t gradient_slab = 32;  // rows of a tile that a vector core takes at once

// One AIV. S and dP: 2 x (slab, block_k) fp32. dS and the bias: 2 x (slab, block_k). P or dX: the
// same, dX in fp32. The slope of softcap: (slab, block_k) fp32. Per slab row: half a row of scores
// for trees, three blocks of 8 floats. lse and delta: 3 x half_q of each. Bits; 32 B of softcap;
// the ramp.
constexpr int64_t gradient_ub_bytes =
    gradient_slab * block_k *
        (2 * slots * float_bytes + 2 * slots * value_bytes + slots * float_bytes + float_bytes) +
    gradient_slab * (block_k / 2 + 3 * 8) * float_bytes + 3 * 2 * half_q * float_bytes +
    slots * max_gradient_tiles * max_mask_bytes + block_bytes + block_k * float_bytes;
// One AIC. What its owner keeps: 1 x (128, head_dim) and (128, head_dim_v). What a step visits: 2 x
// the same for each of its tiles. P and dS, by turns: 2 x (block_q, block_k).
constexpr BOTH_SIDES inline int64_t gradient_l1_bytes(int64_t head_dim, int64_t head_dim_v) {
  const int64_t rows = round_up(head_dim, fractal) + round_up(head_dim_v, fractal);
  const int64_t blocks = 1 + slots * gradient_tiles(head_dim, head_dim_v);
  return (blocks * block_q * rows + slots * block_q * block_k) * value_bytes;
}
static_assert(gradient_ub_bytes <= ub_limit, "UB");
static_assert(gradient_l1_bytes(chunk, chunk) <= l1_limit &&
                  gradient_l1_bytes(max_head_dim, max_head_dim) <= l1_limit,
              "L1");

// --- Workspace of each group, double-buffered ---

// Of each tile of a step, S and dP: (block_q, block_k) fp32; P and dS: (block_q, block_k). Sums: of
// dk and dv, or of dq, (128, head_dim) and (128, head_dim_v) fp32, rows padded to 16 columns.
constexpr BOTH_SIDES inline int64_t sum_bytes(int64_t head_dim) {
  return block_k * round_up(head_dim, fractal) * float_bytes;
}
constexpr BOTH_SIDES inline int64_t gradient_group_bytes(int64_t head_dim, int64_t head_dim_v) {
  const int64_t tiles = gradient_tiles(head_dim, head_dim_v);
  return slots *
         (tiles * 2 * (scores_bytes + weights_bytes) + sum_bytes(head_dim) + sum_bytes(head_dim_v));
}

// dX of a tile, beside those of all others: in fp32, in the order of the tiles of bits.
constexpr int64_t dx_tile_bytes = scores_bytes;
BOTH_SIDES inline int64_t dx_at(const Tile& tile) {  // in values
  return tile_bits_at(TileStrides{unbounded, 0, 0}, tile) * (block_q * block_k);
}

// --- Tasks of the pass over keys ---

// Queries that see some key of a block: [begin, end), block by block.
struct QueryRange {
  int64_t begin;  // a multiple of block_q
  int64_t end;
  BOTH_SIDES inline bool is_empty() const { return begin >= end; }
  BOTH_SIDES inline int64_t blocks() const {
    return is_empty() ? 0 : ceil_div(end - begin, block_q);
  }
};

// Of keys [key, key + keys).
BOTH_SIDES inline QueryRange query_range(const Tiling& t, const Sequence& s, int64_t key,
                                         int64_t keys) {
  if (t.heads_q == 0) return QueryRange{0, 0};
  if (key < s.prefix) return QueryRange{0, s.seqlen_q};
  // Query i sees j iff i + shift - window_left <= j <= i + shift + window_right.
  const int64_t first = key - shift_of(t, s) - t.window_right;
  const int64_t end = key + keys - shift_of(t, s) + t.window_left;
  if (end <= first) return QueryRange{0, 0};
  return QueryRange{min_of(max_of(first, 0), s.seqlen_q) / block_q * block_q,
                    min_of(max_of(end, 0), s.seqlen_q)};
}

struct KeyTask {
  Sequence sequence;
  int64_t batch;
  int64_t head;  // of k and v
  int64_t key;   // its first one
  int64_t keys;  // 1..block_k
  QueryRange queries;
};

BOTH_SIDES inline int64_t key_tasks_of(const Tiling& t, const Sequence& s) {
  return t.heads_k * ceil_div(s.seqlen_k, block_k);
}

// Number `index` of a sequence's tasks, of key_tasks_of(). In the order of task_of: neighbours
// weigh alike.
BOTH_SIDES inline KeyTask key_task_of(const Tiling& t, const Sequence& s, int64_t batch,
                                      int64_t index) {
  const int64_t blocks = ceil_div(s.seqlen_k, block_k);
  const int64_t turn = index % blocks;
  const int64_t key = (turn % 2 == 0 ? turn / 2 : blocks - 1 - turn / 2) * block_k;
  const int64_t keys = min_of(block_k, s.seqlen_k - key);
  return KeyTask{s, batch, index / blocks, key, keys, query_range(t, s, key, keys)};
}

// Its tile with the queries of one head that begin at `row`.
BOTH_SIDES inline Tile tile_of(const KeyTask& task, int64_t head, int64_t row) {
  const int64_t rows = min_of(block_q, task.sequence.seqlen_q - row);
  return Tile{task.sequence, task.batch, head, row, rows, task.key, task.keys};
}

}  // namespace flash
