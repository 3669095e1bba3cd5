// Tile sizes, budgets of on-chip memory, the workspace and the tables. Shared by host and device.
#pragma once

#include <cstdint>

// What a function of host and core alike is. Device code has included kernel_operator.h, which says
// what __aicore__ is; a host file has not.
#ifdef __aicore__
#define BOTH_SIDES __aicore__
#else
#define BOTH_SIDES
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
constexpr int64_t block_bytes = 32;  // what on-chip memory is aligned to

constexpr BOTH_SIDES inline int64_t min_of(int64_t a, int64_t b) {
  return a < b ? a : b;
}
constexpr BOTH_SIDES inline int64_t max_of(int64_t a, int64_t b) {
  return a > b ? a : b;
}
constexpr BOTH_SIDES inline int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}
constexpr BOTH_SIDES inline int64_t round_up(int64_t a, int64_t b) {
  return ceil_div(a, b) * b;
}

// --- Bits: 1 keeps a pair. By tiles of 128 x 128 pairs, 16 B to a row, LSB first ---

constexpr int64_t bits_row_bytes = block_k / 8;
constexpr int64_t bits_tile_bytes = block_q * bits_row_bytes;
constexpr int64_t bits_half_bytes = half_q * bits_row_bytes;  // those of one vector core

// --- Tables: one input in GM, the same for all problems but for its sequences ---

// The staircase: every mask whose rows see a first part of the keys. Row 128 + x has its lowest x
// bits set, for x clamped to 0..128: 128 empty rows, 129 steps, 128 full ones. Any 64 rows of a
// causal tile are 64 consecutive rows of it.
constexpr int64_t staircase_rows = 3 * block_k + 1;
constexpr int64_t staircase_at = 0;  // in bytes, as the others
// The constant rows: row x of 0..128 has its lowest x bits set. Each stands twice, to fill 32 B.
constexpr int64_t constant_rows = block_k + 1;
constexpr int64_t constant_row_bytes = 2 * bits_row_bytes;
// Rounded up to 32 B; without round_up, which is no function of the host's in device code, where an
// initial value like this one is worked out.
constexpr int64_t constant_rows_at =
    (staircase_rows * bits_row_bytes + block_bytes - 1) / block_bytes * block_bytes;
// The ramp: 0, 1 .. 127 in fp32.
constexpr int64_t ramp_at = constant_rows_at + constant_rows * constant_row_bytes;
// Sequence[batch].
constexpr int64_t sequences_at = ramp_at + block_k * float_bytes;
constexpr int64_t sequence_bytes = 64;
static_assert(sequences_at % sequence_bytes == 0, "sequences do not straddle lines");
constexpr BOTH_SIDES inline int64_t tables_bytes(int64_t batch) {
  return sequences_at + batch * sequence_bytes;
}

// --- The plan of the forward ---

constexpr int64_t max_step_tiles = 4;
// Tiles of keys that a step takes at once: P V of all of them is summed in L0C, and goes through GM
// once. Steps begin at multiples of as many keys, so that bits do not depend on where a block does.
constexpr BOTH_SIDES inline int64_t step_tiles(int64_t head_dim, int64_t head_dim_v) {
  return max_of(head_dim, head_dim_v) > chunk ? 2 : max_step_tiles;
}

// Blocks of queries whose tasks are one: each tile of K and V is loaded once for all of them. The
// host may take fewer, if there are too few tasks for all groups.
constexpr int64_t max_blocks = 2;
constexpr BOTH_SIDES inline int64_t most_blocks(int64_t head_dim, int64_t head_dim_v) {
  return max_of(head_dim, head_dim_v) > chunk ? 1 : max_blocks;
}

struct ForwardPlan {
  int64_t blocks;        // of a task, at most
  int64_t tiles;         // of a step and block, at most
  int64_t slab;          // rows of 128 scores that a vector core takes at once, of all tiles
  bool has_pair_inputs;  // bias, keep or dropout, which need UB
};
constexpr BOTH_SIDES inline ForwardPlan forward_plan(int64_t head_dim, int64_t head_dim_v,
                                                     int64_t blocks, bool has_pair_inputs) {
  const bool is_roomy = head_dim_v <= chunk && !has_pair_inputs;
  return ForwardPlan{blocks, step_tiles(head_dim, head_dim_v), is_roomy ? 64 : 32, has_pair_inputs};
}

// Bits of a tile's half: visible and left, keep and dropout; a constant row.
constexpr int64_t max_mask_bytes = 4 * bits_half_bytes + constant_row_bytes;
constexpr BOTH_SIDES inline int64_t mask_bytes(bool has_pair_inputs) {
  return has_pair_inputs ? max_mask_bytes : 2 * bits_half_bytes + constant_row_bytes;
}

// --- Budgets: bytes of on-chip memory ---

// One AIV. Scores and, by turns with them, partial P V: 2 x (slab, block_k) fp32. Weights, trees
// and out: 2 x (slab, block_k). For each row of the slab: two blocks of 8 floats, a float. The
// ramp. For each block of queries acc: (half_q, head_dim_v) fp32, and 6 x half_q floats of
// statistics; 2 x half_q, and 2 x 3 x half_q on their way out; 32 B of comparison bits, 32 B of
// softcap. Bits of a step. Where there is a bias: 2 x (slab, block_k).
constexpr BOTH_SIDES inline int64_t ub_bytes(const ForwardPlan& plan, int64_t head_dim_v) {
  const int64_t scores = slots * plan.slab * block_k * (float_bytes + value_bytes);
  const int64_t scratch = (plan.slab * (2 * 8 + 1) + block_k) * float_bytes;
  const int64_t block = half_q * (round_up(head_dim_v, fractal) + 6) * float_bytes;
  const int64_t results = (2 + slots * 3) * half_q * float_bytes + 2 * block_bytes;
  const int64_t bits = plan.tiles * mask_bytes(plan.has_pair_inputs);
  const int64_t bias = plan.has_pair_inputs ? slots * plan.slab * block_k * value_bytes : 0;
  return scores + scratch + plan.blocks * block + results + bits + bias;
}
// One AIC. q: (block_q, head_dim) of each block. k and p, by turns: 2 x a panel. v: 2 x those of a
// step.
constexpr BOTH_SIDES inline int64_t panel_bytes(int64_t head_dim) {
  return block_k * max_of(round_up(head_dim, fractal), block_q) * value_bytes;
}
constexpr BOTH_SIDES inline int64_t l1_bytes(const ForwardPlan& plan, int64_t head_dim,
                                             int64_t head_dim_v) {
  const int64_t q = plan.blocks * block_q * round_up(head_dim, fractal) * value_bytes;
  const int64_t v = slots * plan.tiles * block_k * round_up(head_dim_v, fractal) * value_bytes;
  return q + slots * panel_bytes(head_dim) + v;
}
constexpr int64_t l0_tile_bytes = block_q * chunk * value_bytes;  // in L0A and in L0B
constexpr int64_t l0c_tile_bytes = block_q * block_k * float_bytes;

constexpr int64_t ub_limit = 192 * 1024 - 256 - 8 * 1024;  // the system's, and what Select uses
constexpr int64_t l1_limit = 512 * 1024 - 256;
// Within a plan UB grows with head_dim_v, and L1 with either.
constexpr BOTH_SIDES inline bool fits(int64_t head_dim) {
  const int64_t blocks = most_blocks(head_dim, head_dim);
  const ForwardPlan lean = forward_plan(head_dim, head_dim, blocks, false);
  const ForwardPlan whole = forward_plan(head_dim, head_dim, blocks, true);
  return ub_bytes(lean, head_dim) <= ub_limit && ub_bytes(whole, head_dim) <= ub_limit &&
         l1_bytes(whole, head_dim, head_dim) <= l1_limit;
}
static_assert(fits(chunk) && fits(max_head_dim), "UB, L1");
static_assert(slots * l0_tile_bytes <= 64 * 1024, "L0A, L0B");
static_assert(slots * l0c_tile_bytes <= 128 * 1024, "L0C");
static_assert(chunk == block_k && block_k == block_q, "one size of tile serves L0A, L0B and L0C");

// --- Workspace: of each group, double-buffered ---

// Of each block and tile of a step, scores S: (block_q, block_k) fp32; weights P: (block_q,
// block_k). Of each block, partial P V: (block_q, head_dim_v) fp32, rows padded to 16 columns.
constexpr int64_t scores_bytes = block_q * block_k * float_bytes;
constexpr int64_t weights_bytes = block_q * block_k * value_bytes;
constexpr BOTH_SIDES inline int64_t partial_bytes(int64_t head_dim_v) {
  return block_q * round_up(head_dim_v, fractal) * float_bytes;
}
constexpr BOTH_SIDES inline int64_t group_workspace_bytes(int64_t head_dim, int64_t head_dim_v) {
  const int64_t tiles = step_tiles(head_dim, head_dim_v);
  const int64_t block = tiles * (scores_bytes + weights_bytes) + partial_bytes(head_dim_v);
  return slots * most_blocks(head_dim, head_dim_v) * block;
}

}  // namespace flash
