// The problem as the kernels are given it, and its tasks and tiles. Shared by host and device.
#pragma once

#include "common/sizes.h"

namespace flash {

// Wider than any sequence, and far from overflow when lengths are added to it.
constexpr int64_t unbounded = int64_t{1} << 40;

struct Strides {  // in elements
  int64_t batch;
  int64_t seqlen;
  int64_t head;
};

// Of values for each (batch, head, query, key), in elements; 0 repeats.
struct PairStrides {
  int64_t batch;
  int64_t head;
  int64_t query;
  int64_t key;
};

// Of tiles of bits, in tiles. batch = unbounded: sequence after sequence, see Sequence.first_tile.
struct TileStrides {
  int64_t batch;
  int64_t head;
  int64_t row;
};

// One sequence of the batch. The kernels read these from GM.
struct Sequence {
  int64_t row_q;  // where its queries begin: 0 if dense, for there strides.batch says it
  int64_t row_k;
  int64_t seqlen_q;
  int64_t seqlen_k;
  int64_t prefix;          // keys that every query sees
  int64_t first_task;      // tasks of the sequences before it
  int64_t first_tile;      // heads_q * tiles of the sequences before it
  int64_t first_key_task;  // of the backward's pass over keys: gradient_sizes.h
};
static_assert(sizeof(Sequence) == sequence_bytes, "tables");

struct Tiling {
  int64_t batch;
  int64_t heads_q;
  int64_t heads_k;
  int64_t head_dim;
  int64_t head_dim_v;
  int64_t window_left;  // within +-unbounded
  int64_t window_right;
  int32_t top_left;
  float scale;
  float softcap;    // 0: none
  float keep_prob;  // 1: no dropout
  int32_t has_bias;
  int32_t has_slopes;
  int32_t has_sink;
  int32_t has_keep;
  Strides q;
  Strides k;
  Strides v;
  Strides out;
  Strides lse;  // seqlen is 1
  PairStrides bias;
  TileStrides keep;
  TileStrides dropout;
  int64_t slopes_batch;
  int64_t blocks;                      // of queries, to a task
  int64_t groups;                      // that have work: as few as finish as soon
  int64_t first_task[max_groups + 1];  // group g does tasks [first_task[g], first_task[g + 1])
};

BOTH_SIDES inline ForwardPlan forward_plan(const Tiling& t) {
  const bool has_pair_inputs = t.has_bias || t.has_keep || t.keep_prob < 1.0f;
  return forward_plan(t.head_dim, t.head_dim_v, t.blocks, has_pair_inputs);
}

// Window: Tiling, or what else has window_left, window_right and top_left. Lengths: Sequence, or
// what else has seqlen_q, seqlen_k and prefix.
template <typename Window, typename Lengths>
BOTH_SIDES inline int64_t shift_of(const Window& t, const Lengths& s) {
  return t.top_left ? 0 : s.seqlen_k - s.seqlen_q;
}
// Query i of a sequence sees keys [first_key, end_key), were there keys everywhere, and the prefix.
template <typename Window, typename Lengths>
BOTH_SIDES inline int64_t first_key(const Window& t, const Lengths& s, int64_t i) {
  return i + shift_of(t, s) - t.window_left;
}
template <typename Window, typename Lengths>
BOTH_SIDES inline int64_t end_key(const Window& t, const Lengths& s, int64_t i) {
  return i + shift_of(t, s) + t.window_right + 1;
}

// Keys that some query of a block sees: [0, prefix) and [begin, end), tile by tile.
struct KeyRange {
  int64_t prefix;
  int64_t begin;  // a multiple of block_k, not before the last tile of the prefix ends
  int64_t end;    // not before begin

  BOTH_SIDES inline bool is_empty() const { return prefix == 0 && begin == end; }
  BOTH_SIDES inline int64_t first() const { return prefix > 0 ? 0 : begin; }
  // Where it goes on behind `key`, a multiple of block_k; `end` or more: nowhere.
  BOTH_SIDES inline int64_t from(int64_t key) const {
    return key < prefix ? key : max_of(key, begin);
  }
  BOTH_SIDES inline bool holds(int64_t key) const { return key < prefix || key < end; }
  // How many follow each other from `key` on, which it holds; `most` or fewer.
  BOTH_SIDES inline int64_t keys(int64_t key, int64_t most) const {
    return min_of(most, (key < prefix ? prefix : end) - key);
  }
  BOTH_SIDES inline int64_t tiles() const {
    return ceil_div(prefix, block_k) + ceil_div(end - begin, block_k);
  }
};

// Of queries [row, row + rows).
template <typename Window, typename Lengths>
BOTH_SIDES inline KeyRange key_range(const Window& t, const Lengths& s, int64_t row, int64_t rows) {
  const int64_t begin = min_of(max_of(first_key(t, s, row), 0), s.seqlen_k);
  const int64_t end = min_of(max_of(end_key(t, s, row + rows - 1), 0), s.seqlen_k);
  const int64_t prefix = min_of(s.prefix, s.seqlen_k);
  const int64_t tile = begin / block_k * block_k;
  if (end <= begin) return KeyRange{prefix, round_up(prefix, block_k), round_up(prefix, block_k)};
  if (tile < prefix || prefix == 0) {  // they meet, or there is one only
    const int64_t from = prefix > 0 ? 0 : tile;
    return KeyRange{0, from, max_of(end, prefix)};
  }
  return KeyRange{prefix, tile, end};
}

// A task of the forward, and of the pass that makes dq, is one block of queries of one head, or a
// few: its owner visits all keys that it sees, so that the bits do not depend on the number of
// groups.
struct Task {
  Sequence sequence;
  int64_t batch;
  int64_t head;
  int64_t row;   // of its first query
  int64_t rows;  // 1..blocks * block_q
  KeyRange keys;
};

BOTH_SIDES inline int64_t tasks_of(const Tiling& t, const Sequence& s) {
  return t.heads_q * ceil_div(s.seqlen_q, t.blocks * block_q);
}

// Number `index` of a sequence's tasks, of tasks_of().
BOTH_SIDES inline Task task_of(const Tiling& t, const Sequence& s, int64_t batch, int64_t index) {
  const int64_t most = t.blocks * block_q;
  const int64_t parts = ceil_div(s.seqlen_q, most);
  // The first part, the last, the second, the last but one: under a causal mask short and long
  // tasks alternate, so that neighbours weigh alike.
  const int64_t turn = index % parts;
  const int64_t row = (turn % 2 == 0 ? turn / 2 : parts - 1 - turn / 2) * most;
  const int64_t rows = min_of(most, s.seqlen_q - row);
  return Task{s, batch, index / parts, row, rows, key_range(t, s, row, rows)};
}

// Block number `i` of a task of several, as a task of its own.
BOTH_SIDES inline Task block_of(const Tiling& t, const Task& task, int64_t i) {
  const int64_t row = task.row + i * block_q;
  const int64_t rows = min_of(block_q, task.row + task.rows - row);
  return Task{task.sequence, task.batch, task.head,
              row,           rows,       key_range(t, task.sequence, row, rows)};
}
BOTH_SIDES inline int64_t blocks_of(const Task& task) {
  return ceil_div(task.rows, block_q);
}

// One tile of scores: queries [row, row + rows) of one head and keys [key, key + keys).
struct Tile {
  Sequence sequence;
  int64_t batch;
  int64_t head;
  int64_t row;   // a multiple of block_q
  int64_t rows;  // 1..block_q
  int64_t key;   // a multiple of block_k
  int64_t keys;  // 1..block_k
};

// That of a task which begins at `key`.
BOTH_SIDES inline Tile tile_of(const Task& task, int64_t key) {
  const int64_t keys = task.keys.keys(key, block_k);
  return Tile{task.sequence, task.batch, task.head, task.row, task.rows, key, keys};
}

// Rows of a tile for the vector core whose half of the block begins at first_row.
BOTH_SIDES inline int64_t half_rows(int64_t rows, int64_t first_row) {
  return min_of(max_of(rows - first_row, 0), half_q);
}

BOTH_SIDES inline int64_t head_k_of(const Tiling& t, const Tile& tile) {
  return tile.head / (t.heads_q / t.heads_k);
}

// Where values begin, in elements: of query tile.row + row, and of the first key of the tile.
BOTH_SIDES inline int64_t query_at(const Strides& s, const Tile& tile, int64_t row) {
  return tile.batch * s.batch + (tile.sequence.row_q + tile.row + row) * s.seqlen +
         tile.head * s.head;
}
BOTH_SIDES inline int64_t key_at(const Strides& s, const Tile& tile, int64_t head_k) {
  return tile.batch * s.batch + (tile.sequence.row_k + tile.key) * s.seqlen + head_k * s.head;
}
BOTH_SIDES inline int64_t pair_at(const PairStrides& s, const Tile& tile, int64_t row) {
  return tile.batch * s.batch + tile.head * s.head + (tile.row + row) * s.query + tile.key * s.key;
}
// In tiles.
BOTH_SIDES inline int64_t tile_bits_at(const TileStrides& s, const Tile& tile) {
  const int64_t row = tile.row / block_q;
  const int64_t column = tile.key / block_k;
  if (s.batch != unbounded) {
    return tile.batch * s.batch + tile.head * s.head + row * s.row + column;
  }
  const int64_t columns = ceil_div(tile.sequence.seqlen_k, block_k);
  const int64_t rows = ceil_div(tile.sequence.seqlen_q, block_q);
  return tile.sequence.first_tile + (tile.head * rows + row) * columns + column;
}

}  // namespace flash
