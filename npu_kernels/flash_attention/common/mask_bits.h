// The bits of a tile for one vector core's half of it: which pairs are visible, and which of their
// weights dropout keeps.
#pragma once

#include "kernel_operator.h"

#include "common/row_slab.h"
#include "common/steps.h"

namespace flash {

class MaskBits {
 public:
  // first_row: of this core in each block of queries. tiles: of a step, at most.
  // buffers: 2 load the next step's bits beside this one's.
  __aicore__ inline void init(TPipe& pipe, const Addresses& addresses, const Tiling& tiling,
                              int64_t first_row, int64_t tiles, uint8_t buffers) {
    tiling_ = &tiling;
    tile_bytes_ = u32(mask_bytes(tiling.has_keep || drops()));
    first_row_ = first_row;
    tables_.SetGlobalBuffer(gm(addresses.tables));
    if (tiling.has_keep) keep_.SetGlobalBuffer(gm(addresses.keep));
    if (drops()) dropout_.SetGlobalBuffer(gm(addresses.dropout));
    pipe.InitBuffer(queue_, buffers, u32(tiles) * tile_bytes_);
  }

  // Loads what the tiles of this step need, and joins it: ((keys to the left of the right edge, and
  // not left of the left one) or of the prefix) and of keep. Until release().
  __aicore__ inline void take(const Step& step) {
    Edges edges[max_step_tiles];
    is_loaded_ = drops() || tiling_->has_keep;
    for (int64_t i = 0; i < step.tiles; ++i) {
      edges[i] = edges_of(step.at(i));
      hides_[i] = edges[i].hides() || tiling_->has_keep;
      is_loaded_ = is_loaded_ || hides_[i];
    }
    if (!is_loaded_) return;
    const LocalTensor<uint8_t> bits = queue_.AllocTensor<uint8_t>();
    for (int64_t i = 0; i < step.tiles; ++i) {
      if (padded_rows(step.at(i)) > 0) load(bits[u32(i) * tile_bytes_], step.at(i), edges[i]);
    }
    queue_.EnQue(bits);
    bits_ = queue_.DeQue<uint8_t>();
    for (int64_t i = 0; i < step.tiles; ++i) {
      const int64_t rows = padded_rows(step.at(i));
      if (rows > 0 && edges[i].hides()) join(bits_[u32(i) * tile_bytes_], edges[i], rows);
    }
  }
  __aicore__ inline void release() {
    if (is_loaded_) queue_.FreeTensor(bits_);
  }

  // s: (n, block_k), of tile i the rows of this half from `row` on. Hides what is not visible.
  __aicore__ inline void hide(const LocalTensor<float>& s, int64_t i, int64_t row,
                              uint32_t n) const {
    if (hides_[i]) keep_where(s, part(i, visible_part, row), hidden_score, n);
  }
  // p: likewise. 0 where dropout does not keep the weight.
  __aicore__ inline void drop(const LocalTensor<float>& p, int64_t i, int64_t row,
                              uint32_t n) const {
    if (drops()) keep_where(p, part(i, dropout_part, row), 0.0f, n);
  }

 private:
  // Columns of a tile, counted from its first key; any of them may lie beyond the tile.
  struct Edges {
    int64_t right;  // the first row sees the columns before it, each later row one more
    int64_t left;   // from the first row these are hidden, from each later row one more
    int64_t prefix;
    bool hides_right;
    bool hides_left;
    __aicore__ inline bool hides() const { return hides_right || hides_left; }
  };
  __aicore__ inline Edges edges_of(const Tile& tile) const {
    const int64_t first = tile.row + first_row_;
    const int64_t last = first + half_rows(tile.rows, first_row_) - 1;
    const int64_t prefix = tile.sequence.prefix - tile.key;
    const int64_t right = end_key(*tiling_, tile.sequence, first) - tile.key;
    const int64_t left = first_key(*tiling_, tile.sequence, first) - tile.key;
    const bool is_open = prefix < tile.keys;
    return Edges{right, left, prefix, is_open && right < tile.keys,
                 is_open && left + last - first > 0};
  }
  __aicore__ inline bool drops() const { return tiling_->keep_prob < 1.0f; }

  __aicore__ inline int64_t padded_rows(const Tile& tile) const {
    return round_up(half_rows(tile.rows, first_row_), fractal);
  }

  __aicore__ inline void load(const LocalTensor<uint8_t>& bits, const Tile& tile,
                              const Edges& edges) {
    const uint32_t bytes = u32(padded_rows(tile) * bits_row_bytes);
    if (edges.hides_right)
      DataCopy(bits[visible_part], tables_[staircase_from(edges.right)], bytes);
    if (edges.hides_left) DataCopy(bits[left_part], tables_[staircase_from(edges.left)], bytes);
    if (edges.hides() && edges.prefix > 0) {
      const int64_t at = constant_rows_at + edges.prefix * constant_row_bytes;
      DataCopy(bits[prefix_part], tables_[static_cast<uint64_t>(at)], u32(constant_row_bytes));
    }
    if (tiling_->has_keep) {
      const uint32_t part = edges.hides() ? keep_part : visible_part;
      DataCopy(bits[part], keep_[half_at(tiling_->keep, tile)], bytes);
    }
    if (drops()) {
      DataCopy(bits[dropout_part], dropout_[half_at(tiling_->dropout, tile)], bytes);
    }
  }

  // What is visible begins as the right edge, if that hides.
  __aicore__ inline void join(const LocalTensor<uint8_t>& bits, const Edges& edges,
                              int64_t rows) const {
    const LocalTensor<uint16_t> visible = words(bits, visible_part);
    const LocalTensor<uint16_t> left = words(bits, left_part);
    const int32_t count = static_cast<int32_t>(rows * bits_row_bytes / int64_t{sizeof(uint16_t)});
    if (edges.hides_left) {
      Not(edges.hides_right ? left : visible, left, count);
      PipeBarrier<PIPE_V>();
    }
    if (edges.hides_left && edges.hides_right) {
      And(visible, visible, left, count);
      PipeBarrier<PIPE_V>();
    }
    if (edges.prefix > 0) {  // its row stands in for all rows
      Or(visible, visible, words(bits, prefix_part), word_lanes,
         static_cast<uint8_t>(rows / fractal),
         BinaryRepeatParams{1, 1, 0, blocks_of_repeat, blocks_of_repeat, 0});
      PipeBarrier<PIPE_V>();
    }
    if (tiling_->has_keep) {
      And(visible, visible, words(bits, keep_part), count);
      PipeBarrier<PIPE_V>();
    }
  }

  __aicore__ static inline LocalTensor<uint16_t> words(const LocalTensor<uint8_t>& bits,
                                                       uint32_t part) {
    return bits[part].template ReinterpretCast<uint16_t>();
  }
  // Of tile i, from this half's row `row` on.
  __aicore__ inline LocalTensor<uint8_t> part(int64_t i, uint32_t part, int64_t row) const {
    return bits_[u32(i) * tile_bytes_ + part + u32(row * bits_row_bytes)];
  }
  // In bytes: 64 rows of the staircase, the first of which has `columns` bits set.
  __aicore__ static inline uint64_t staircase_from(int64_t columns) {
    const int64_t row = min_of(max_of(block_k + columns, 0), staircase_rows - half_q);
    return static_cast<uint64_t>(staircase_at + row * bits_row_bytes);
  }
  __aicore__ inline uint64_t half_at(const TileStrides& strides, const Tile& tile) const {
    return static_cast<uint64_t>(tile_bits_at(strides, tile) * bits_tile_bytes +
                                 first_row_ * bits_row_bytes);
  }

  // Bytes from the beginning of a tile's part of a buffer.
  static constexpr uint32_t visible_part = 0;
  static constexpr uint32_t left_part = u32(bits_half_bytes);
  static constexpr uint32_t prefix_part = u32(2 * bits_half_bytes);
  static constexpr uint32_t keep_part = prefix_part + u32(constant_row_bytes);
  static constexpr uint32_t dropout_part = keep_part + u32(bits_half_bytes);

  const Tiling* tiling_ = nullptr;
  int64_t first_row_ = 0;
  uint32_t tile_bytes_ = 0;
  bool hides_[max_step_tiles] = {};
  bool is_loaded_ = false;
  GlobalTensor<uint8_t> tables_;
  GlobalTensor<uint8_t> keep_;
  GlobalTensor<uint8_t> dropout_;
  TQue<TPosition::VECIN, 1> queue_;  // 1 or 2 x the bits of a step's tiles
  LocalTensor<uint8_t> bits_;
};

}  // namespace flash
