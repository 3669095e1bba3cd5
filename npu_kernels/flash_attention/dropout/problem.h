// The question for dropout's keep bits as the kernel is given it, its tasks and its tables. Shared
// by host and device.
#pragma once

#include "common/addresses.h"
#include "common/problem.h"

namespace flash {

constexpr int64_t philox_planes = block_k / 4 + 1;  // counters of a row of a tile, at most
constexpr int64_t philox_lanes = philox_planes * half_q;

struct PhiloxSeed {
  uint32_t key[2];      // low word first
  uint32_t counter[3];  // words 1, 2, 3, the same for all counters
};

// One sequence of the batch. The kernel reads these from GM.
struct MaskSequence {
  int64_t seqlen_q;
  int64_t seqlen_k;
  int64_t first_task;     // tasks of the sequences before it
  int64_t first_tile;     // tiles of the sequences before it
  int64_t first_element;  // pairs of the sequences before it
  int64_t prefix;         // as in Sequence
  int64_t reserved[2];
};

constexpr int64_t max_mask_cores = max_groups * vector_cores;

struct MaskTiling {
  PhiloxSeed philox;
  int32_t keeps_some;  // 0: no word is kept
  int32_t most;        // a word that is kept as c - 2^31 keeps its pair iff it is at most this
  int32_t top_left;
  int64_t window_left;  // within +-unbounded
  int64_t window_right;
  int64_t heads_q;
  int64_t cores;                           // that have work
  int64_t first_task[max_mask_cores + 1];  // core c does tasks [first_task[c], first_task[c + 1])
};

struct MaskArguments {
  Address bits;
  Address tables;
  MaskTiling tiling;
};

// A task is one row of tiles of one head.
BOTH_SIDES inline int64_t tile_rows(const MaskSequence& s) {
  return s.seqlen_k > 0 ? ceil_div(s.seqlen_q, block_q) : 0;
}
BOTH_SIDES inline int64_t tile_columns(const MaskSequence& s) {
  return ceil_div(s.seqlen_k, block_k);
}

// Keys that some query of the row of tiles at `row` sees.
BOTH_SIDES inline KeyRange seen_keys(const MaskTiling& t, const MaskSequence& s, int64_t row) {
  return key_range(t, s, row, min_of(block_q, s.seqlen_q - row));
}

// --- Tables: one input in GM ---

// 0, 1 .. 63 in int32; then, for each t % 4 of a row's first element t, where its 128 words lie in
// what Philox::words gives, in bytes from the lane of the row, uint32; then MaskSequence[batch].
constexpr int64_t row_ramp_at = 0;
constexpr int64_t word_offsets_at = half_q * 4;
constexpr int64_t mask_sequences_at = word_offsets_at + 4 * block_k * 4;
constexpr int64_t mask_sequence_bytes = 64;
static_assert(sizeof(MaskSequence) == mask_sequence_bytes, "tables");
static_assert(mask_sequences_at % mask_sequence_bytes == 0, "sequences do not straddle lines");
// Element `column` of a row whose first element is number `phase` of its block.
constexpr BOTH_SIDES inline int64_t word_offset(int64_t phase, int64_t column) {
  const int64_t word = (phase + column) % 4;
  const int64_t plane = (phase + column) / 4;
  return (word * philox_lanes + plane * half_q) * 4;
}

}  // namespace flash
