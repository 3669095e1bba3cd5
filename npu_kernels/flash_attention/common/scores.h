// From S = Q K^T to what the softmax sees, in steps of their own: scale and softcap, then bias and
// ALiBi. (What is hidden is mask_bits.h's.)
#pragma once

#include "kernel_operator.h"

#include "common/problem.h"
#include "common/row_slab.h"

namespace flash {

template <typename T>
class Scores {
 public:
  // slab: rows of scores that are handled at once. first_row: of this core in each block of
  // queries.
  __aicore__ inline void init(TPipe& pipe, const Addresses& addresses, const Tiling& tiling,
                              int64_t slab, int64_t first_row) {
    tiling_ = &tiling;
    first_row_ = first_row;
    pipe.InitBuffer(minus_two_caps_, u32(block_bytes));
    pipe.InitBuffer(ramp_, u32(block_k * float_bytes));
    if (tiling.softcap > 0.0f) {
      Duplicate(minus_two_caps_.Get<float>(), -2.0f * tiling.softcap, block_lanes);
      PipeBarrier<PIPE_V>();
    }
    if (tiling.has_bias) {
      bias_.SetGlobalBuffer(reinterpret_cast<__gm__ T*>(addresses.bias));
      pipe.InitBuffer(bias_rows_, slots, u32(slab * block_k * value_bytes));
    }
    if (tiling.has_slopes) {
      slopes_.SetGlobalBuffer(reinterpret_cast<__gm__ float*>(addresses.slopes));
      load_ramp(pipe, gm(addresses.tables));
    }
  }

  // s: (n, block_k), of any tiles, becomes scale s, or softcap tanh(scale s / softcap).
  __aicore__ inline void scale_and_cap(const LocalTensor<float>& s, uint32_t n) {
    if (tiling_->softcap > 0.0f) {
      cap(s, n);
    } else {
      Muls(s, s, tiling_->scale, n * u32(block_k));
      PipeBarrier<PIPE_V>();
    }
  }

  __aicore__ inline bool has_pairs() const { return tiling_->has_bias || tiling_->has_slopes; }
  // s: (n, block_k) becomes s + bias - slope |i + shift - j|. row: of this core's half. n: rows
  // that are queries, or up to 15 more.
  __aicore__ inline void add_pairs(const LocalTensor<float>& s, const Tile& tile, int64_t row,
                                   uint32_t n, SlabScratch& scratch) {
    if (tiling_->has_bias) add_bias(s, tile, row, n, scratch);
    if (tiling_->has_slopes) subtract_distances(s, tile, row, n, scratch);
  }

 private:
  // cap tanh(x / cap) = cap - 2 cap / (exp(2 x / cap) + 1): right at both ends, where exp is inf
  // or 0. Its error is absolute, a few roundings of 2 cap: docs/numerics.md.
  __aicore__ inline void cap(const LocalTensor<float>& s, uint32_t n) {
    const uint32_t count = n * u32(block_k);
    const uint8_t repeats = static_cast<uint8_t>(n * (block_k / lanes));
    Muls(s, s, 2.0f * tiling_->scale / tiling_->softcap, count);
    PipeBarrier<PIPE_V>();
    Exp(s, s, count);
    PipeBarrier<PIPE_V>();
    Adds(s, s, 1.0f, count);
    PipeBarrier<PIPE_V>();
    Div(s, minus_two_caps_.Get<float>(), s, lanes, repeats,
        BinaryRepeatParams{1, 0, 1, blocks_of_repeat, 0, blocks_of_repeat});
    PipeBarrier<PIPE_V>();
    Adds(s, s, tiling_->softcap, count);
    PipeBarrier<PIPE_V>();
  }

  // --- Bias ---

  // A stride of 0 is a stride of 0 here, too: one value per row fills one block, that the row reads
  // again and again; one row for all queries is read again and again by them.
  __aicore__ inline void add_bias(const LocalTensor<float>& s, const Tile& tile, int64_t row,
                                  uint32_t n, SlabScratch& scratch) {
    const bool by_key = tiling_->bias.key != 0;
    const bool by_query = tiling_->bias.query != 0;
    const int64_t queries = min_of(n, half_rows(tile.rows, first_row_) - row);
    if (queries <= 0) return;
    const uint8_t repeats = static_cast<uint8_t>(queries);
    LocalTensor<T> bias = load_bias(tile, row, by_query ? queries : 1);
    const LocalTensor<float> wide = scratch.tree();  // (queries or 1, 64), or 16 in each row
    const int64_t columns = by_key ? round_up(tile.keys, fractal) : block_k;
    for (uint32_t from = 0; from < columns; from += lanes) {
      const uint64_t here = static_cast<uint64_t>(min_of(lanes, columns - from));
      if (by_key || from == 0) {
        const uint64_t values = by_key ? here : static_cast<uint64_t>(fractal);
        Cast(wide, bias[by_key ? from : 0], RoundMode::CAST_NONE, values, by_query ? repeats : 1,
             UnaryRepeatParams{1, 1, blocks_of_repeat, by_key ? bias_blocks : uint8_t{1}});
        PipeBarrier<PIPE_V>();
      }
      Add(s[from], s[from], wide, here, repeats,
          BinaryRepeatParams{1, 1, by_key ? uint8_t{1} : uint8_t{0}, score_blocks, score_blocks,
                             by_query ? blocks_of_repeat : uint8_t{0}});
      PipeBarrier<PIPE_V>();
    }
    bias_rows_.FreeTensor(bias);
  }

  // (queries, block_k), or (queries, 16) of one value each.
  __aicore__ inline LocalTensor<T> load_bias(const Tile& tile, int64_t row, int64_t queries) {
    const PairStrides& strides = tiling_->bias;
    const int64_t keys = strides.key != 0 ? tile.keys : 1;
    const LocalTensor<T> bias = bias_rows_.template AllocTensor<T>();
    const uint64_t place = static_cast<uint64_t>(pair_at(strides, tile, first_row_ + row));
    DataCopyExtParams copy;
    copy.blockCount = u16(queries);
    copy.blockLen = u32(keys * value_bytes);
    copy.srcStride = queries > 1 ? u32((strides.query - keys) * value_bytes) : 0;
    copy.dstStride =
        strides.key != 0 ? u32(bias_blocks - ceil_div(keys * value_bytes, block_bytes)) : 0;
    // No padding: what is left of a row's last block takes the row's first value.
    DataCopyPad(bias, bias_[place], copy, DataCopyPadExtParams<T>{});
    bias_rows_.EnQue(bias);
    return bias_rows_.template DeQue<T>();
  }

  // --- ALiBi ---

  __aicore__ inline void subtract_distances(const LocalTensor<float>& s, const Tile& tile,
                                            int64_t row, uint32_t n, SlabScratch& scratch) {
    const int64_t first = tile.row + first_row_ + shift_of(*tiling_, tile.sequence) - tile.key;
    const uint64_t at = static_cast<uint64_t>(tile.batch * tiling_->slopes_batch + tile.head);
    const float slope = slopes_.GetValue(at);
    const LocalTensor<float> ramp = ramp_.Get<float>();
    const LocalTensor<float> distance = scratch.tree();  // (n, 64)
    const LocalTensor<float> rows = scratch.per_row();
    Adds(rows, ramp[u32(row)], static_cast<float>(first), n);
    PipeBarrier<PIPE_V>();
    const LocalTensor<float> wide = scratch.widen(rows, n, 1);
    for (uint32_t from = 0; from < block_k; from += lanes) {
      const uint8_t repeats = static_cast<uint8_t>(n);
      Sub(distance, wide, ramp[from], lanes, repeats,
          BinaryRepeatParams{1, 0, 1, blocks_of_repeat, 1, 0});
      PipeBarrier<PIPE_V>();
      Abs(distance, distance, n * lanes);
      PipeBarrier<PIPE_V>();
      Muls(distance, distance, slope, n * lanes);
      PipeBarrier<PIPE_V>();
      Sub(s[from], s[from], distance, lanes, repeats,
          BinaryRepeatParams{1, 1, 1, score_blocks, score_blocks, blocks_of_repeat});
      PipeBarrier<PIPE_V>();
    }
  }

  __aicore__ inline void load_ramp(TPipe& pipe, GM_ADDR tables) {
    GlobalTensor<float> ramp;
    ramp.SetGlobalBuffer(reinterpret_cast<__gm__ float*>(tables + ramp_at));
    DataCopy(ramp_.Get<float>(), ramp, u32(block_k));
    const TEventID loaded = pipe.FetchEventID(HardEvent::MTE2_V);
    SetFlag<HardEvent::MTE2_V>(loaded);
    WaitFlag<HardEvent::MTE2_V>(loaded);
  }

  static constexpr uint8_t bias_blocks = block_k * value_bytes / block_bytes;  // of a row in UB

  const Tiling* tiling_ = nullptr;
  int64_t first_row_ = 0;
  GlobalTensor<T> bias_;
  GlobalTensor<float> slopes_;
  TQue<TPosition::VECIN, 1> bias_rows_;      // 2 x (slab, block_k)
  TBuf<TPosition::VECCALC> minus_two_caps_;  // (8)
  TBuf<TPosition::VECCALC> ramp_;            // (block_k): 0, 1 ..
};

}  // namespace flash
