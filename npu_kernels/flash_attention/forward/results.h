// What an AIV writes for its half of a block of queries: out, lse, softmax_max and softmax_sum.
#pragma once

#include "kernel_operator.h"

#include "common/problem.h"
#include "common/row_slab.h"

namespace flash {

// Of half_q queries. A row that sees no key has l = 0 and acc = 0.
struct RunningRows {
  LocalTensor<float> m;    // (half_q)
  LocalTensor<float> l;    // (half_q)
  LocalTensor<float> acc;  // (half_q, pitch)
};

// Slabs of out go through the queue of the weights.
template <typename T>
class Results {
 public:
  // first_row: of this AIV in each block of queries.
  __aicore__ inline void init(TPipe& pipe, const Addresses& addresses, const Tiling& tiling,
                              int64_t first_row) {
    tiling_ = &tiling;
    first_row_ = first_row;
    pitch_ = u32(round_up(tiling.head_dim_v, fractal));
    slab_ = value_rows(forward_plan(tiling).slab, tiling.head_dim_v);
    if (tiling.has_sink) sink_.SetGlobalBuffer(reinterpret_cast<__gm__ float*>(addresses.sink));
    out_.SetGlobalBuffer(reinterpret_cast<__gm__ T*>(addresses.out));
    lse_.SetGlobalBuffer(reinterpret_cast<__gm__ float*>(addresses.lse));
    softmax_max_.SetGlobalBuffer(reinterpret_cast<__gm__ float*>(addresses.softmax_max));
    softmax_sum_.SetGlobalBuffer(reinterpret_cast<__gm__ float*>(addresses.softmax_sum));
    pipe.InitBuffer(statistics_, slots, u32(3 * half_q * float_bytes));
    pipe.InitBuffer(divisor_, u32(half_q * float_bytes));
    pipe.InitBuffer(shrink_, u32(half_q * float_bytes));
    pipe.InitBuffer(sees_keys_, u32(block_bytes));
  }

  // out = acc / l, lse = m + ln l, of the tile's queries. Overwrites all three.
  __aicore__ inline void write(const Tile& tile, const RunningRows& of, SlabScratch& scratch,
                               TQue<TPosition::VECOUT, 1>& out_rows) {
    const int64_t rows = half_rows(tile.rows, first_row_);
    if (rows == 0) return;
    const float sink = sink_of(tile);
    const bool has_sink = sink > minus_infinity;
    CompareScalar(sees_keys_.Get<uint8_t>(), of.l, 0.0f, CMPMODE::GT, u32(half_q));
    if (has_sink) add_sink(of, sink);
    const LocalTensor<float> divisor = divisor_.Get<float>();
    Maxs(divisor, of.l, smallest_sum, u32(half_q));  // without keys: 0 / smallest_sum = 0
    PipeBarrier<PIPE_V>();
    write_statistics(tile, of, divisor, sink);
    if (tiling_->keep_prob < 1.0f) {
      Muls(divisor, divisor, tiling_->keep_prob, u32(half_q));
      PipeBarrier<PIPE_V>();
    }

    for (int64_t row = 0; row < rows; row += slab_) {
      const uint32_t n = u32(round_up(min_of(slab_, rows - row), fractal));
      const LocalTensor<float> acc = of.acc[u32(row) * pitch_];
      if (has_sink) scratch.multiply_rows(acc, shrink_.Get<float>()[u32(row)], n, pitch_);
      scratch.divide_rows(acc, divisor[u32(row)], n, pitch_);
      const LocalTensor<T> out = out_rows.template AllocTensor<T>();
      Cast(out, acc, RoundMode::CAST_RINT, n * pitch_);
      out_rows.EnQue(out);
      store_out(tile, row, min_of(slab_, rows - row), out_rows);
    }
    PipeBarrier<PIPE_V>();  // the next task takes acc over
  }

  // No query of this tile's task sees a key: the AIC skips it.
  __aicore__ inline void write_empty(const Tile& tile, TQue<TPosition::VECOUT, 1>& out_rows) {
    const int64_t rows = half_rows(tile.rows, first_row_);
    if (rows == 0) return;
    const float sink = sink_of(tile);
    const LocalTensor<float> lse = statistics_.template AllocTensor<float>();
    Duplicate(lse, sink, u32(2 * half_q));  // and softmax_max
    Duplicate(lse[u32(2 * half_q)], sum_without_keys(sink), u32(half_q));
    statistics_.EnQue(lse);
    store_statistics(tile);
    for (int64_t row = 0; row < rows; row += slab_) {
      const LocalTensor<int16_t> out = out_rows.template AllocTensor<int16_t>();
      Duplicate(out, int16_t{0}, u32(slab_) * pitch_);
      out_rows.EnQue(out);
      store_out(tile, row, min_of(slab_, rows - row), out_rows);
    }
  }

 private:
  // Of the tile's head; -inf, which changes nothing, if there is none.
  __aicore__ inline float sink_of(const Tile& tile) const {
    return tiling_->has_sink ? sink_.GetValue(static_cast<uint64_t>(tile.head)) : minus_infinity;
  }

  // A row that sees no key has exactly its sink: what Exp and Ln give is near it only.
  __aicore__ static inline float sum_without_keys(float sink) {
    return sink > minus_infinity ? 1.0f : 0.0f;
  }

  // As a last key without a value: m' = max(m, sink), l' = shrink l + exp(sink - m'), and acc is to
  // become shrink acc, with shrink = exp(m - m'). Were it in the running maximum, small weights
  // beside a large sink would be lost to the 16 bits of P.
  __aicore__ inline void add_sink(const RunningRows& of, float sink) {
    const uint32_t n = u32(half_q);
    const LocalTensor<float> term = divisor_.Get<float>();
    const LocalTensor<float> shrink = shrink_.Get<float>();
    Maxs(term, of.m, sink, n);
    PipeBarrier<PIPE_V>();
    Sub(shrink, of.m, term, n);
    PipeBarrier<PIPE_V>();
    Exp(shrink, shrink, n);
    Adds(of.m, term, 0.0f, n);
    PipeBarrier<PIPE_V>();
    Mul(of.l, of.l, shrink, n);
    Muls(term, of.m, -1.0f, n);
    PipeBarrier<PIPE_V>();
    Adds(term, term, sink, n);
    PipeBarrier<PIPE_V>();
    Exp(term, term, n);
    PipeBarrier<PIPE_V>();
    Add(of.l, of.l, term, n);
    PipeBarrier<PIPE_V>();
  }

  __aicore__ inline void write_statistics(const Tile& tile, const RunningRows& of,
                                          const LocalTensor<float>& divisor, float sink) {
    const uint32_t n = u32(half_q);
    const LocalTensor<uint8_t> sees_keys = sees_keys_.Get<uint8_t>();
    const LocalTensor<float> lse = statistics_.template AllocTensor<float>();
    const LocalTensor<float> softmax_max = lse[n];
    const LocalTensor<float> softmax_sum = lse[2 * n];
    Ln(lse, divisor, n);
    PipeBarrier<PIPE_V>();
    Add(lse, lse, of.m, n);
    Select(softmax_max, sees_keys, of.m, sink, SELMODE::VSEL_TENSOR_SCALAR_MODE, n);
    Select(softmax_sum, sees_keys, of.l, sum_without_keys(sink), SELMODE::VSEL_TENSOR_SCALAR_MODE,
           n);
    PipeBarrier<PIPE_V>();
    Select(lse, sees_keys, lse, sink, SELMODE::VSEL_TENSOR_SCALAR_MODE, n);
    statistics_.EnQue(lse);
    store_statistics(tile);
  }

  // --- UB to GM: true rows and columns only ---

  __aicore__ inline void store_statistics(const Tile& tile) {
    LocalTensor<float> from = statistics_.template DeQue<float>();
    const uint64_t place = static_cast<uint64_t>(query_at(tiling_->lse, tile, first_row_));
    DataCopyExtParams copy;
    copy.blockCount = 1;
    copy.blockLen = u32(half_rows(tile.rows, first_row_) * float_bytes);
    copy.srcStride = 0;
    copy.dstStride = 0;
    DataCopyPad(lse_[place], from, copy);
    DataCopyPad(softmax_max_[place], from[u32(half_q)], copy);
    DataCopyPad(softmax_sum_[place], from[u32(2 * half_q)], copy);
    statistics_.FreeTensor(from);
  }

  __aicore__ inline void store_out(const Tile& tile, int64_t row, int64_t rows,
                                   TQue<TPosition::VECOUT, 1>& out_rows) {
    LocalTensor<T> from = out_rows.template DeQue<T>();
    const int64_t pitch = tiling_->out.seqlen;
    const uint64_t place = static_cast<uint64_t>(query_at(tiling_->out, tile, first_row_ + row));
    DataCopyExtParams copy;
    copy.blockCount = u16(rows);
    copy.blockLen = u32(tiling_->head_dim_v * value_bytes);
    copy.srcStride = 0;  // a row takes whole blocks of 32 B
    copy.dstStride = rows > 1 ? u32((pitch - tiling_->head_dim_v) * value_bytes) : 0;
    DataCopyPad(out_[place], from, copy);
    out_rows.FreeTensor(from);
  }

  const Tiling* tiling_ = nullptr;
  int64_t first_row_ = 0;
  int64_t slab_ = 0;
  uint32_t pitch_ = 0;  // head_dim_v, rounded up to 16
  GlobalTensor<float> sink_;
  GlobalTensor<T> out_;
  GlobalTensor<float> lse_;
  GlobalTensor<float> softmax_max_;
  GlobalTensor<float> softmax_sum_;
  TQue<TPosition::VECOUT, 1> statistics_;  // 2 x (3, half_q): lse, softmax_max, softmax_sum
  TBuf<TPosition::VECCALC> divisor_;       // (half_q)
  TBuf<TPosition::VECCALC> shrink_;        // (half_q): by the sink
  TBuf<TPosition::VECCALC> sees_keys_;     // (half_q) bits
};

}  // namespace flash
