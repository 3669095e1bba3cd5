// What an AIV writes for its half of a block of queries: out, lse, softmax_max and softmax_sum.
#pragma once

#include "slab.h"

namespace flash {

// Of half_q queries. A row that sees no key has l = 0 and acc = 0.
struct RunningRows {
  LocalTensor<float> m;    // (half_q)
  LocalTensor<float> l;    // (half_q)
  LocalTensor<float> acc;  // (half_q, pitch)
};

template <typename T>
class Results {
 public:
  // first_row: of this AIV in each block of queries.
  __aicore__ inline void init(TPipe& pipe, const Addresses& addresses, const ForwardTiling& tiling,
                              int64_t first_row) {
    tiling_ = &tiling;
    first_row_ = first_row;
    slab_ = slab_rows(tiling.head_dim);
    pitch_ = u32(round_up(tiling.head_dim, fractal));
    out_.SetGlobalBuffer(reinterpret_cast<__gm__ T*>(addresses.out));
    lse_.SetGlobalBuffer(reinterpret_cast<__gm__ float*>(addresses.lse));
    softmax_max_.SetGlobalBuffer(reinterpret_cast<__gm__ float*>(addresses.softmax_max));
    softmax_sum_.SetGlobalBuffer(reinterpret_cast<__gm__ float*>(addresses.softmax_sum));
    pipe.InitBuffer(out_rows_, slots, u32(slab_ * pitch_ * value_bytes));
    pipe.InitBuffer(statistics_, slots, u32(3 * half_q * float_bytes));
    pipe.InitBuffer(divisor_, u32(half_q * float_bytes));
    pipe.InitBuffer(sees_keys_, 32);
  }

  // out = acc / l, lse = m + ln l. Overwrites acc.
  __aicore__ inline void write(const Task& task, const RunningRows& of, SlabScratch& scratch) {
    const LocalTensor<float> divisor = divisor_.Get<float>();
    Maxs(divisor, of.l, smallest_sum, u32(half_q));  // without keys: 0 / smallest_sum = 0
    PipeBarrier<PIPE_V>();
    write_statistics(task, of, divisor);

    const int64_t rows = half_rows(task, first_row_);
    for (int64_t row = 0; row < rows; row += slab_) {
      const uint32_t n = u32(round_up(min_of(slab_, rows - row), fractal));
      const LocalTensor<float> acc = of.acc[u32(row) * pitch_];
      scratch.divide_rows(acc, divisor[u32(row)], n, pitch_);
      const LocalTensor<T> out = out_rows_.template AllocTensor<T>();
      Cast(out, acc, RoundMode::CAST_RINT, n * pitch_);
      out_rows_.EnQue(out);
      store_out(task, row, min_of(slab_, rows - row));
    }
    PipeBarrier<PIPE_V>();  // the next task takes acc over
  }

  // No query of this task sees a key: the AIC skips it.
  __aicore__ inline void write_empty(const Task& task) {
    const int64_t rows = half_rows(task, first_row_);
    if (rows == 0) return;
    const LocalTensor<float> lse = statistics_.template AllocTensor<float>();
    Duplicate(lse, minus_infinity, u32(2 * half_q));     // and softmax_max
    Duplicate(lse[u32(2 * half_q)], 0.0f, u32(half_q));  // softmax_sum
    statistics_.EnQue(lse);
    store_statistics(task);
    for (int64_t row = 0; row < rows; row += slab_) {
      const LocalTensor<int16_t> out = out_rows_.template AllocTensor<int16_t>();
      Duplicate(out, int16_t{0}, u32(slab_) * pitch_);
      out_rows_.EnQue(out);
      store_out(task, row, min_of(slab_, rows - row));
    }
  }

 private:
  __aicore__ inline void write_statistics(const Task& task, const RunningRows& of,
                                          const LocalTensor<float>& divisor) {
    const uint32_t n = u32(half_q);
    const LocalTensor<uint8_t> sees_keys = sees_keys_.Get<uint8_t>();
    const LocalTensor<float> lse = statistics_.template AllocTensor<float>();
    const LocalTensor<float> softmax_max = lse[n];
    const LocalTensor<float> softmax_sum = lse[2 * n];
    CompareScalar(sees_keys, of.l, 0.0f, CMPMODE::GT, n);
    Adds(softmax_sum, of.l, 0.0f, n);
    Ln(lse, divisor, n);
    PipeBarrier<PIPE_V>();
    Add(lse, lse, of.m, n);
    Select(softmax_max, sees_keys, of.m, minus_infinity, SELMODE::VSEL_TENSOR_SCALAR_MODE, n);
    PipeBarrier<PIPE_V>();
    Select(lse, sees_keys, lse, minus_infinity, SELMODE::VSEL_TENSOR_SCALAR_MODE, n);
    statistics_.EnQue(lse);
    store_statistics(task);
  }

  // --- UB to GM: true rows and columns only ---

  __aicore__ inline void store_statistics(const Task& task) {
    LocalTensor<float> from = statistics_.template DeQue<float>();
    const int64_t line = (task.batch * tiling_->heads_q + task.head) * tiling_->seqlen_q;
    const uint64_t place = static_cast<uint64_t>(line + task.row + first_row_);
    DataCopyExtParams copy;
    copy.blockCount = 1;
    copy.blockLen = u32(half_rows(task, first_row_) * float_bytes);
    copy.srcStride = 0;
    copy.dstStride = 0;
    DataCopyPad(lse_[place], from, copy);
    DataCopyPad(softmax_max_[place], from[u32(half_q)], copy);
    DataCopyPad(softmax_sum_[place], from[u32(2 * half_q)], copy);
    statistics_.FreeTensor(from);
  }

  __aicore__ inline void store_out(const Task& task, int64_t row, int64_t rows) {
    LocalTensor<T> from = out_rows_.template DeQue<T>();
    const Strides& to = tiling_->out;
    const int64_t query = task.row + first_row_ + row;
    const int64_t place = task.batch * to.batch + query * to.seqlen + task.head * to.head;
    DataCopyExtParams copy;
    copy.blockCount = u16(rows);
    copy.blockLen = u32(tiling_->head_dim * value_bytes);
    copy.srcStride = 0;  // a row takes whole blocks of 32 B
    copy.dstStride = u32((to.seqlen - tiling_->head_dim) * value_bytes);
    DataCopyPad(out_[static_cast<uint64_t>(place)], from, copy);
    out_rows_.FreeTensor(from);
  }

  const ForwardTiling* tiling_ = nullptr;
  int64_t first_row_ = 0;
  int64_t slab_ = 0;
  uint32_t pitch_ = 0;  // head_dim, rounded up to 16
  GlobalTensor<T> out_;
  GlobalTensor<float> lse_;
  GlobalTensor<float> softmax_max_;
  GlobalTensor<float> softmax_sum_;
  TQue<TPosition::VECOUT, 1> out_rows_;    // 2 x (slab, pitch)
  TQue<TPosition::VECOUT, 1> statistics_;  // 2 x (3, half_q): lse, softmax_max, softmax_sum
  TBuf<TPosition::VECCALC> divisor_;       // (half_q)
  TBuf<TPosition::VECCALC> sees_keys_;     // (half_q) bits
};

}  // namespace flash
