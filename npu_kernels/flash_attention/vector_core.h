// An AIV's part of the forward: online softmax, and the running sum of P V. FlashAttention-2,
// algorithm 1, for half of a block's queries (64 rows), a slab of rows at a time.
//
// Of each row it keeps m, the largest score so far; l, the sum of exp(score - m); and acc, the sum
// of exp(score - m) v. When a later tile raises m, l and acc shrink by alpha = exp(m_old - m_new).
#pragma once

#include "slab.h"
#include "steps.h"
#include "workspace.h"

namespace flash {

template <typename T>
class VectorCore {
 public:
  __aicore__ inline void init(const Addresses& addresses, const ForwardTiling& tiling) {
    tiling_ = &tiling;
    group_ = GetBlockIdx() / vector_cores;
    first_row_ = GetSubBlockIdx() * half_q;
    slab_ = slab_rows(tiling.head_dim);
    pitch_ = u32(round_up(tiling.head_dim, fractal));
    workspace_.init(addresses.workspace, group_, tiling.head_dim);
    out_.SetGlobalBuffer(reinterpret_cast<__gm__ T*>(addresses.out));
    lse_.SetGlobalBuffer(reinterpret_cast<__gm__ float*>(addresses.lse));
    softmax_max_.SetGlobalBuffer(reinterpret_cast<__gm__ float*>(addresses.softmax_max));
    softmax_sum_.SetGlobalBuffer(reinterpret_cast<__gm__ float*>(addresses.softmax_sum));
    staircase_.SetGlobalBuffer(addresses.staircase);

    const int64_t rows_of_floats = slab_ * float_bytes;
    pipe_.InitBuffer(scores_, slots, u32(block_k * rows_of_floats));
    pipe_.InitBuffer(partial_, slots, u32(pitch_ * rows_of_floats));
    pipe_.InitBuffer(bits_, slots, u32(half_q * staircase_row_bytes));
    pipe_.InitBuffer(weights_, slots, u32(slab_ * block_k * value_bytes));
    pipe_.InitBuffer(results_, slots, u32(slab_ * pitch_ * value_bytes));
    pipe_.InitBuffer(row_results_, slots, u32(3 * half_q * float_bytes));
    pipe_.InitBuffer(acc_, u32(half_q * pitch_ * float_bytes));
    pipe_.InitBuffer(statistics_, u32(9 * half_q * float_bytes));
    pipe_.InitBuffer(alive_, 32);
    slab_scratch_.init(pipe_, u32(slab_));
  }

  // The update of step s waits for the cube; the softmax of step s + 1 comes first.
  __aicore__ inline void process() {
    for (int64_t i = tiling_->first_task[group_]; i < tiling_->first_task[group_ + 1]; ++i) {
      const Task task = task_at(*tiling_, i);
      if (task.key_limit == 0) write_empty(task);
    }
    Steps steps(*tiling_, group_);
    Step step;
    Step before;
    bool any = false;
    while (steps.next(step)) {
      softmax(step);
      if (any) update(before);
      before = step;
      any = true;
    }
    if (any) update(before);
  }

 private:
  // P = exp(scale S - m), and m, l, alpha.
  __aicore__ inline void softmax(const Step& step) {
    CrossCoreWaitFlag(scores_ready);
    const int64_t rows = padded_rows(step.task);
    const uint32_t slot = step.slot();
    if (step.is_first()) forget(step);
    const bool is_cut = visible_keys(*tiling_, first_query(step.task)) < step.key + step.keys;
    LocalTensor<uint8_t> bits;
    if (is_cut && rows > 0) bits = load_bits(step, rows);

    for (int64_t row = 0; row < rows; row += slab_) {
      const uint32_t n = u32(min_of(slab_, rows - row));
      const uint32_t count = n * u32(block_k);
      const uint64_t place = static_cast<uint64_t>((first_row_ + row) * block_k);

      LocalTensor<float> s = scores_.template AllocTensor<float>();
      DataCopy(s, workspace_.scores[slot][place], count);
      scores_.EnQue(s);
      s = scores_.template DeQue<float>();

      Muls(s, s, tiling_->scale, count);
      PipeBarrier<PIPE_V>();
      if (is_cut) hide(s, bits[u32(row * staircase_row_bytes)], n);
      if (step.keys < block_k) hide_tail(s, u32(step.keys), n);

      const LocalTensor<float> m = running_max(step)[u32(row)];
      const LocalTensor<float> l = running_sum(step)[u32(row)];
      const LocalTensor<float> alpha = correction(step)[u32(row)];
      const LocalTensor<float> in_tile = slab_scratch_.per_row();
      slab_scratch_.row_max(in_tile, s, n);
      Max(in_tile, in_tile, m, n);
      PipeBarrier<PIPE_V>();
      Sub(alpha, m, in_tile, n);  // m_old - m_new
      PipeBarrier<PIPE_V>();
      Exp(alpha, alpha, n);  // 0 for the first tile that the row sees
      Max(m, m, in_tile, n);
      PipeBarrier<PIPE_V>();

      slab_scratch_.subtract_rows(s, m, n);
      Exp(s, s, count);
      PipeBarrier<PIPE_V>();

      slab_scratch_.row_sum(in_tile, s, n);
      Mul(l, l, alpha, n);
      PipeBarrier<PIPE_V>();
      Add(l, l, in_tile, n);

      LocalTensor<T> p = weights_.template AllocTensor<T>();
      Cast(p, s, RoundMode::CAST_RINT, count);
      scores_.FreeTensor(s);
      weights_.EnQue(p);
      p = weights_.template DeQue<T>();
      DataCopy(workspace_.weights[slot][place], p, count);
      weights_.FreeTensor(p);
      PipeBarrier<PIPE_V>();
    }
    if (is_cut && rows > 0) bits_.FreeTensor(bits);
    // Without rows nothing above ties what was read of earlier slots to this flag.
    if (rows == 0) PipeBarrier<PIPE_ALL>();
    CrossCoreSetFlag<aic_with_aivs, PIPE_MTE3>(weights_ready);
  }

  // acc = alpha acc + P V; after the last tile out = acc / l.
  __aicore__ inline void update(const Step& step) {
    CrossCoreWaitFlag(partial_ready);
    const int64_t rows = padded_rows(step.task);
    for (int64_t row = 0; row < rows; row += slab_) {
      const uint32_t n = u32(min_of(slab_, rows - row));
      const uint64_t place = static_cast<uint64_t>((first_row_ + row) * pitch_);
      LocalTensor<float> pv = partial_.template AllocTensor<float>();
      DataCopy(pv, workspace_.partial[step.slot()][place], n * pitch_);
      partial_.EnQue(pv);
      pv = partial_.template DeQue<float>();

      const LocalTensor<float> acc = acc_.template Get<float>()[u32(row) * pitch_];
      if (step.is_first()) {
        Adds(acc, pv, 0.0f, n * pitch_);  // nothing to correct yet
      } else {
        slab_scratch_.multiply_rows(acc, correction(step)[u32(row)], n, pitch_);
        Add(acc, acc, pv, n * pitch_);
      }
      PipeBarrier<PIPE_V>();
      partial_.FreeTensor(pv);
    }
    if (step.is_last() && rows > 0) finish(step);
  }

  // --- The start and the end of a task ---

  // m is not -inf but a finite number below any score: a row that sees no key has
  // exp(m_old - m_new) = 1 and exp(hidden - m) = 0 instead of NaN, and stays recognisable by l = 0.
  __aicore__ inline void forget(const Step& step) {
    Duplicate(running_max(step), lowest_max, u32(half_q));
    Duplicate(running_sum(step), 0.0f, u32(half_q));
    PipeBarrier<PIPE_V>();
  }

  __aicore__ inline void finish(const Step& step) {
    const LocalTensor<float> m = running_max(step);
    const LocalTensor<float> l = running_sum(step);
    const LocalTensor<float> divisor = statistic(6);
    const LocalTensor<uint8_t> alive = alive_.template Get<uint8_t>();
    CompareScalar(alive, l, 0.0f, CMPMODE::GT, u32(half_q));
    Maxs(divisor, l, smallest_sum, u32(half_q));  // a row without keys: 0 / smallest_sum = 0
    PipeBarrier<PIPE_V>();

    LocalTensor<float> results = row_results_.template AllocTensor<float>();
    const LocalTensor<float> lse = results;
    const LocalTensor<float> highest = results[u32(half_q)];
    const LocalTensor<float> sum = results[u32(2 * half_q)];
    Ln(lse, divisor, u32(half_q));
    Adds(sum, l, 0.0f, u32(half_q));
    Select(highest, alive, m, minus_infinity, SELMODE::VSEL_TENSOR_SCALAR_MODE, u32(half_q));
    PipeBarrier<PIPE_V>();
    Add(lse, lse, m, u32(half_q));
    PipeBarrier<PIPE_V>();
    Select(lse, alive, lse, minus_infinity, SELMODE::VSEL_TENSOR_SCALAR_MODE, u32(half_q));
    store_row_results(results, step.task);

    const int64_t rows = true_rows(step.task);
    for (int64_t row = 0; row < rows; row += slab_) {
      const uint32_t n = u32(round_up(min_of(slab_, rows - row), fractal));
      const LocalTensor<float> acc = acc_.template Get<float>()[u32(row) * pitch_];
      slab_scratch_.divide_rows(acc, divisor[u32(row)], n, pitch_);
      LocalTensor<T> out = results_.template AllocTensor<T>();
      Cast(out, acc, RoundMode::CAST_RINT, n * pitch_);
      PipeBarrier<PIPE_V>();
      store_out(out, step.task, row, min_of(slab_, rows - row));
    }
  }

  // No query of this task sees a key: the AIC skips it.
  __aicore__ inline void write_empty(const Task& task) {
    const int64_t rows = true_rows(task);
    if (rows == 0) return;
    LocalTensor<float> results = row_results_.template AllocTensor<float>();
    Duplicate(results, minus_infinity, u32(2 * half_q));     // lse, softmax_max
    Duplicate(results[u32(2 * half_q)], 0.0f, u32(half_q));  // softmax_sum
    store_row_results(results, task);
    for (int64_t row = 0; row < rows; row += slab_) {
      LocalTensor<T> out = results_.template AllocTensor<T>();
      Duplicate(out.template ReinterpretCast<int16_t>(), int16_t{0}, u32(slab_) * pitch_);
      store_out(out, task, row, min_of(slab_, rows - row));
    }
  }

  // --- Between GM and UB ---

  // 64 consecutive rows of the staircase are the mask of this tile: row r sees its first
  // visible_keys(first_query + r) - key columns.
  __aicore__ inline LocalTensor<uint8_t> load_bits(const Step& step, int64_t rows) {
    const int64_t columns = visible_keys(*tiling_, first_query(step.task)) - step.key;
    const int64_t row = min_of(max_of(block_k + columns, 0), staircase_rows - half_q);
    LocalTensor<uint8_t> bits = bits_.template AllocTensor<uint8_t>();
    DataCopy(bits, staircase_[static_cast<uint64_t>(row * staircase_row_bytes)],
             u32(rows * staircase_row_bytes));
    bits_.EnQue(bits);
    return bits_.template DeQue<uint8_t>();
  }

  __aicore__ inline void store_row_results(LocalTensor<float>& results, const Task& task) {
    row_results_.EnQue(results);
    results = row_results_.template DeQue<float>();
    const int64_t line = (task.batch * tiling_->heads_q + task.head) * tiling_->seqlen_q;
    const uint64_t place = static_cast<uint64_t>(line + first_query(task));
    const DataCopyExtParams copy{1, u32(true_rows(task) * float_bytes), 0, 0, 0};
    DataCopyPad(lse_[place], results, copy);
    DataCopyPad(softmax_max_[place], results[u32(half_q)], copy);
    DataCopyPad(softmax_sum_[place], results[u32(2 * half_q)], copy);
    row_results_.FreeTensor(results);
  }

  __aicore__ inline void store_out(LocalTensor<T>& out, const Task& task, int64_t row,
                                   int64_t rows) {
    results_.EnQue(out);
    out = results_.template DeQue<T>();
    const Strides& to = tiling_->out;
    const int64_t place =
        task.batch * to.batch + task.head * to.head + (first_query(task) + row) * to.seqlen;
    DataCopyExtParams copy;
    copy.blockCount = u16(rows);
    copy.blockLen = u32(tiling_->head_dim * value_bytes);
    copy.srcStride = 0;
    copy.dstStride = u32((to.seqlen - tiling_->head_dim) * value_bytes);
    DataCopyPad(out_[static_cast<uint64_t>(place)], out, copy);
    results_.FreeTensor(out);
  }

  // --- Rows ---

  __aicore__ inline int64_t first_query(const Task& task) const { return task.row + first_row_; }
  // Of a task, those of this core: real ones, and with those that the cube added to make 16.
  __aicore__ inline int64_t true_rows(const Task& task) const {
    return min_of(max_of(task.rows - first_row_, 0), half_q);
  }
  __aicore__ inline int64_t padded_rows(const Task& task) const {
    return round_up(true_rows(task), fractal);
  }
  // m and l of this task while those of the task before are still in use; alpha of this step.
  __aicore__ inline LocalTensor<float> running_max(const Step& s) {
    return statistic(s.task_slot());
  }
  __aicore__ inline LocalTensor<float> running_sum(const Step& s) {
    return statistic(2 + s.task_slot());
  }
  __aicore__ inline LocalTensor<float> correction(const Step& s) { return statistic(4 + s.slot()); }
  __aicore__ inline LocalTensor<float> statistic(uint32_t index) {
    return statistics_.template Get<float>()[index * u32(half_q)];
  }

  const ForwardTiling* tiling_ = nullptr;
  int64_t group_ = 0;
  int64_t first_row_ = 0;  // 0 or 64: which half of each block of queries
  int64_t slab_ = 0;
  uint32_t pitch_ = 0;  // head_dim, rounded up to 16
  Workspace<T> workspace_;
  GlobalTensor<T> out_;
  GlobalTensor<float> lse_;
  GlobalTensor<float> softmax_max_;
  GlobalTensor<float> softmax_sum_;
  GlobalTensor<uint8_t> staircase_;
  TPipe pipe_;
  TQue<TPosition::VECIN, 1> scores_;        // 2 x (slab, block_k) fp32
  TQue<TPosition::VECIN, 1> partial_;       // 2 x (slab, pitch) fp32
  TQue<TPosition::VECIN, 1> bits_;          // 2 x (half_q, block_k / 8)
  TQue<TPosition::VECOUT, 1> weights_;      // 2 x (slab, block_k)
  TQue<TPosition::VECOUT, 1> results_;      // 2 x (slab, pitch)
  TQue<TPosition::VECOUT, 1> row_results_;  // 2 x (3, half_q): lse, softmax_max, softmax_sum
  TBuf<TPosition::VECCALC> acc_;            // (half_q, pitch) fp32
  TBuf<TPosition::VECCALC> statistics_;     // (7, half_q) fp32
  TBuf<TPosition::VECCALC> alive_;          // (half_q) bits
  SlabScratch slab_scratch_;
};

}  // namespace flash
