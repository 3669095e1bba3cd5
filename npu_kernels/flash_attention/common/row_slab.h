// What the vector unit does with a slab: rows of 128 scores, and rows of head_dim values.
#pragma once

#include "kernel_operator.h"

#include "common/workspace.h"

namespace flash {

// A masked pair has the lowest number of all, and m begins just above it: below any score, also one
// with the lowest bf16 as its bias (-3.39e38), yet exp(hidden_score - m) is 0.
constexpr float hidden_score = -3.40282347e38f;
constexpr float lowest_max = -3.4e38f;
constexpr float smallest_sum = 1e-30f;  // of a row that sees a key, l is about 1 or more
constexpr float minus_infinity = -__builtin_inff();

constexpr uint32_t lanes = 64;       // fp32 values of one repeat of an instruction
constexpr uint32_t block_lanes = 8;  // of one block of 32 B
constexpr uint8_t blocks_of_repeat = 8;
constexpr uint64_t word_lanes = 128;                     // 16-bit values of one repeat
constexpr uint8_t score_blocks = block_k / block_lanes;  // from one row of scores to the next
static_assert(block_k == 2 * lanes, "a row of scores is two repeats");

// s: (n, block_k), bits likewise, rows back to back. Bit 1 keeps a value.
__aicore__ inline void keep_where(const LocalTensor<float>& s, const LocalTensor<uint8_t>& bits,
                                  float otherwise, uint32_t n) {
  Select(s, bits, s, otherwise, SELMODE::VSEL_TENSOR_SCALAR_MODE, n * u32(block_k));
  PipeBarrier<PIPE_V>();
}

// Columns from `keys` on are no keys at all.
__aicore__ inline void hide_tail(const LocalTensor<float>& s, uint32_t keys, uint32_t n) {
  for (uint32_t from = 0; from < block_k; from += lanes) {
    if (keys >= from + lanes) continue;
    const uint32_t kept = keys > from ? keys - from : 0;
    uint64_t mask[2] = {~uint64_t{0} << kept, 0};
    Duplicate(s[from], hidden_score, mask, static_cast<uint8_t>(n), 1, score_blocks);
  }
  PipeBarrier<PIPE_V>();
}

// Rows of head_dim values that are handled at once, where `slab` rows of scores are: a multiple of
// 16.
__aicore__ inline int64_t value_rows(int64_t slab, int64_t head_dim) {
  const int64_t fit = slab * block_k / round_up(head_dim, fractal) / fractal * fractal;
  return min_of(min_of(slab, fit), half_q);
}

class SlabScratch {
 public:
  __aicore__ inline void init(TPipe& pipe, uint32_t rows) {
    init_without_tree(pipe, rows);
    pipe.InitBuffer(own_tree_, rows * lanes * u32(float_bytes));
    tree_ = own_tree_.Get<float>();
  }
  // Whoever calls what needs a tree lends it one: (rows, 64).
  __aicore__ inline void lend_tree(const LocalTensor<float>& tree) { tree_ = tree; }
  __aicore__ inline void init_without_tree(TPipe& pipe, uint32_t rows) {
    pipe.InitBuffer(blocks_, rows * block_lanes * u32(float_bytes));
    pipe.InitBuffer(wide_, rows * block_lanes * u32(float_bytes));
    pipe.InitBuffer(per_row_, rows * u32(float_bytes));
  }

  __aicore__ inline LocalTensor<float> per_row() { return per_row_.Get<float>(); }  // (rows)
  __aicore__ inline LocalTensor<float> tree() { return tree_; }                     // (rows, 64)

  // (n) to (tiles, n, 8): one block per row, to be read again and again along the row.
  __aicore__ inline LocalTensor<float> widen(const LocalTensor<float>& x, uint32_t n,
                                             uint32_t tiles) {
    const LocalTensor<float> wide = wide_.Get<float>();
    for (uint32_t i = 0; i < tiles; ++i) {
      Brcb(wide[i * n * block_lanes], x, static_cast<uint8_t>(n / block_lanes),
           BrcbRepeatParams{1, block_lanes});
    }
    PipeBarrier<PIPE_V>();
    return wide;
  }

  // result: (n). s: (tiles, n, block_k). 128 columns become 64, then 8, then 1, then tiles one.
  __aicore__ inline void row_max(const LocalTensor<float>& result, const LocalTensor<float>& s,
                                 uint32_t n, uint32_t tiles) {
    const LocalTensor<float>& tree = tree_;
    const LocalTensor<float> blocks = blocks_.Get<float>();
    const LocalTensor<float> in_tile = wide_.Get<float>();  // (tiles, n)
    const uint32_t rows = tiles * n;
    Max(tree, s, s[lanes], lanes, static_cast<uint8_t>(rows), halves());
    PipeBarrier<PIPE_V>();
    BlockReduceMax(blocks, tree, rows, lanes, 1, 1, block_lanes);
    PipeBarrier<PIPE_V>();
    BlockReduceMax(tiles == 1 ? result : in_tile, blocks, rows / block_lanes, lanes, 1, 1,
                   block_lanes);
    PipeBarrier<PIPE_V>();
    for (uint32_t i = 1; i < tiles; ++i) {
      Max(result, i == 1 ? in_tile : result, in_tile[i * n], n);
      PipeBarrier<PIPE_V>();
    }
  }
  // The same tree of additions for any head_dim, format and number of groups.
  __aicore__ inline void row_sum(const LocalTensor<float>& result, const LocalTensor<float>& s,
                                 uint32_t n, uint32_t tiles) {
    const LocalTensor<float>& tree = tree_;
    const LocalTensor<float> blocks = blocks_.Get<float>();
    const LocalTensor<float> in_tile = wide_.Get<float>();  // (tiles, n)
    const uint32_t rows = tiles * n;
    Add(tree, s, s[lanes], lanes, static_cast<uint8_t>(rows), halves());
    PipeBarrier<PIPE_V>();
    BlockReduceSum(blocks, tree, rows, lanes, 1, 1, block_lanes);
    PipeBarrier<PIPE_V>();
    BlockReduceSum(tiles == 1 ? result : in_tile, blocks, rows / block_lanes, lanes, 1, 1,
                   block_lanes);
    PipeBarrier<PIPE_V>();
    for (uint32_t i = 1; i < tiles; ++i) {
      Add(result, i == 1 ? in_tile : result, in_tile[i * n], n);
      PipeBarrier<PIPE_V>();
    }
  }

  // s: (tiles, n, block_k) -= x: (n).
  __aicore__ inline void subtract_rows(const LocalTensor<float>& s, const LocalTensor<float>& x,
                                       uint32_t n, uint32_t tiles) {
    const LocalTensor<float> wide = widen(x, n, tiles);
    for (uint32_t from = 0; from < block_k; from += lanes) {
      Sub(s[from], s[from], wide, lanes, static_cast<uint8_t>(tiles * n), by_rows(block_k));
    }
    PipeBarrier<PIPE_V>();
  }
  // values: (n, pitch) *= x: (n).
  __aicore__ inline void multiply_rows(const LocalTensor<float>& values,
                                       const LocalTensor<float>& x, uint32_t n, uint32_t pitch) {
    const LocalTensor<float> wide = widen(x, n, 1);
    for (uint32_t from = 0; from < pitch; from += lanes) {
      const uint64_t columns = static_cast<uint64_t>(min_of(lanes, pitch - from));
      Mul(values[from], values[from], wide, columns, static_cast<uint8_t>(n), by_rows(pitch));
    }
    PipeBarrier<PIPE_V>();
  }
  // values: (n, pitch) /= x: (n).
  __aicore__ inline void divide_rows(const LocalTensor<float>& values, const LocalTensor<float>& x,
                                     uint32_t n, uint32_t pitch) {
    const LocalTensor<float> wide = widen(x, n, 1);
    for (uint32_t from = 0; from < pitch; from += lanes) {
      const uint64_t columns = static_cast<uint64_t>(min_of(lanes, pitch - from));
      Div(values[from], values[from], wide, columns, static_cast<uint8_t>(n), by_rows(pitch));
    }
    PipeBarrier<PIPE_V>();
  }

 private:
  // Left and right half of each row of scores, to rows of 64.
  __aicore__ static inline BinaryRepeatParams halves() {
    return BinaryRepeatParams{1, 1, 1, block_lanes, score_blocks, score_blocks};
  }
  // One repeat per row; the second source stays on its row's block.
  __aicore__ static inline BinaryRepeatParams by_rows(int64_t pitch) {
    const uint8_t blocks = static_cast<uint8_t>(pitch / block_lanes);
    return BinaryRepeatParams{1, 1, 0, blocks, blocks, 1};
  }

  LocalTensor<float> tree_;            // (rows, 64)
  TBuf<TPosition::VECCALC> own_tree_;  // the same, or nothing
  TBuf<TPosition::VECCALC> blocks_;    // (rows, 8)
  TBuf<TPosition::VECCALC> wide_;      // (rows, 8)
  TBuf<TPosition::VECCALC> per_row_;   // (rows)
};

}  // namespace flash
