// An AIV's part of the forward: online softmax, and the running sum of P V. FlashAttention-2,
// algorithm 1, for half of a block's queries (64 rows), a slab of rows at a time.
//
// Of each row it keeps m, the largest score so far; l, the sum of exp(score - m); and acc, the sum
// of exp(score - m) v. When a later tile raises m, l and acc shrink by alpha = exp(m_old - m_new).
#pragma once

#include "kernel_operator.h"

#include "common/mask_bits.h"
#include "common/row_slab.h"
#include "common/scores.h"
#include "common/steps.h"
#include "common/workspace.h"
#include "forward/results.h"

namespace flash {

template <typename T>
class VectorCore {
 public:
  __aicore__ inline void init(TPipe& pipe, const Addresses& addresses, const Tiling& tiling) {
    tiling_ = &tiling;
    tables_ = gm(addresses.tables);
    group_ = GetBlockIdx() / vector_cores;
    first_row_ = GetSubBlockIdx() * half_q;
    slab_ = slab_rows(tiling.head_dim_v);
    pitch_ = u32(round_up(tiling.head_dim_v, fractal));
    workspace_.init(gm(addresses.workspace), group_, tiling.head_dim_v);
    pipe.InitBuffer(s_, slots, u32(slab_ * block_k * float_bytes));
    pipe.InitBuffer(weights_, slots, u32(slab_ * block_k * value_bytes));
    pipe.InitBuffer(partial_, slots, u32(slab_ * pitch_ * float_bytes));
    pipe.InitBuffer(acc_, u32(half_q * pitch_ * float_bytes));
    pipe.InitBuffer(statistics_, u32(3 * slots * half_q * float_bytes));
    scratch_.init(pipe, u32(slab_));
    scores_.init(pipe, addresses, tiling, slab_, first_row_);
    bits_.init(pipe, addresses, tiling, first_row_);
    results_.init(pipe, addresses, tiling, first_row_);
  }

  // Two steps deep: the softmax of the next tile comes before the update by this tile's P V, which
  // the cube multiplies in the meantime.
  __aicore__ inline void process() {
    Tasks tasks;
    tasks.init(tables_, *tiling_, group_);
    for (Task task; tasks.next(task);) {
      if (task.keys.is_empty()) results_.write_empty(tile_of(task, 0));
    }
    Steps steps;
    steps.init(tables_, *tiling_, group_);
    Step step;
    Step following;
    bool more = steps.next(step);
    if (more) softmax(step);
    while (more) {
      more = steps.next(following);
      if (more) softmax(following);
      update(step);
      if (step.is_last) results_.write(step.tile, running(step), scratch_);
      step = following;
    }
  }

 private:
  // P = exp(x - m) of one tile, x its scores; m, l and alpha.
  __aicore__ inline void softmax(const Step& step) {
    const Tile& tile = step.tile;
    const int64_t rows = padded_rows(tile);
    if (rows > 0) bits_.take(tile);
    CrossCoreWaitFlag(scores_ready);
    if (step.is_first) forget(running(step));

    for (int64_t row = 0; row < rows; row += slab_) {
      const uint32_t n = u32(min_of(slab_, rows - row));
      LocalTensor<float> s = load_scores(step, row, n);  // (n, block_k)
      scores_.scale_and_cap(s, n);
      scores_.add_pairs(s, tile, row, n, scratch_);
      bits_.hide(s, row, n);
      if (tile.keys < block_k) hide_tail(s, u32(tile.keys), n);

      const LocalTensor<float> m = running(step).m[u32(row)];
      const LocalTensor<float> l = running(step).l[u32(row)];
      const LocalTensor<float> alpha = correction(step)[u32(row)];
      raise_max(m, alpha, s, n);
      scratch_.subtract_rows(s, m, n);
      Exp(s, s, n * u32(block_k));  // 0 where hidden
      PipeBarrier<PIPE_V>();
      add_sum(l, alpha, s, n);
      bits_.drop(s, row, n);
      store_weights(step, row, s, n);
    }
    if (rows > 0) bits_.release();
    CrossCoreSetFlag<aic_with_aivs, PIPE_MTE3>(weights_ready);
  }

  // acc = alpha acc + P V.
  __aicore__ inline void update(const Step& step) {
    CrossCoreWaitFlag(partial_ready);
    const int64_t rows = padded_rows(step.tile);
    for (int64_t row = 0; row < rows; row += slab_) {
      const uint32_t n = u32(min_of(slab_, rows - row));
      LocalTensor<float> pv = load_partial(step, row, n);  // (n, pitch)
      const LocalTensor<float> acc = running(step).acc[u32(row) * pitch_];
      if (step.is_first) {
        Adds(acc, pv, 0.0f, n * pitch_);  // nothing to correct yet
      } else {
        scratch_.multiply_rows(acc, correction(step)[u32(row)], n, pitch_);
        Add(acc, acc, pv, n * pitch_);
      }
      PipeBarrier<PIPE_V>();
      partial_.FreeTensor(pv);
    }
  }

  // m is not -inf but a finite number below any score: a row that sees no key has
  // exp(m_old - m_new) = 1 and exp(hidden - m) = 0 instead of NaN, and stays recognisable by l = 0.
  __aicore__ inline void forget(const RunningRows& rows) {
    Duplicate(rows.m, lowest_max, u32(half_q));
    Duplicate(rows.l, 0.0f, u32(half_q));
    PipeBarrier<PIPE_V>();
  }

  // m_new = max(m, row maxima of s); alpha = exp(m - m_new).
  __aicore__ inline void raise_max(const LocalTensor<float>& m, const LocalTensor<float>& alpha,
                                   const LocalTensor<float>& s, uint32_t n) {
    const LocalTensor<float> m_new = scratch_.per_row();
    scratch_.row_max(m_new, s, n);
    Max(m_new, m_new, m, n);
    PipeBarrier<PIPE_V>();
    Sub(alpha, m, m_new, n);
    PipeBarrier<PIPE_V>();
    Exp(alpha, alpha, n);  // 0 for the first tile in which the row sees a key
    Max(m, m, m_new, n);
    PipeBarrier<PIPE_V>();
  }

  // l = alpha l + row sums of p, which are not rounded yet.
  __aicore__ inline void add_sum(const LocalTensor<float>& l, const LocalTensor<float>& alpha,
                                 const LocalTensor<float>& p, uint32_t n) {
    const LocalTensor<float> in_tile = scratch_.per_row();
    scratch_.row_sum(in_tile, p, n);
    Mul(l, l, alpha, n);
    PipeBarrier<PIPE_V>();
    Add(l, l, in_tile, n);
    PipeBarrier<PIPE_V>();
  }

  // --- Between the workspace and UB ---

  __aicore__ inline LocalTensor<float> load_scores(const Step& step, int64_t row, uint32_t n) {
    const LocalTensor<float> s = s_.template AllocTensor<float>();
    const uint64_t place = static_cast<uint64_t>((first_row_ + row) * block_k);
    DataCopy(s, workspace_.scores[step.slot()][place], n * u32(block_k));
    s_.EnQue(s);
    return s_.template DeQue<float>();
  }

  __aicore__ inline void store_weights(const Step& step, int64_t row, LocalTensor<float>& s,
                                       uint32_t n) {
    LocalTensor<T> p = weights_.template AllocTensor<T>();
    Cast(p, s, RoundMode::CAST_RINT, n * u32(block_k));
    s_.FreeTensor(s);
    weights_.EnQue(p);
    p = weights_.template DeQue<T>();
    const uint64_t place = static_cast<uint64_t>((first_row_ + row) * block_k);
    DataCopy(workspace_.weights[step.slot()][place], p, n * u32(block_k));
    weights_.FreeTensor(p);
  }

  __aicore__ inline LocalTensor<float> load_partial(const Step& step, int64_t row, uint32_t n) {
    const LocalTensor<float> pv = partial_.template AllocTensor<float>();
    const uint64_t place = static_cast<uint64_t>((first_row_ + row) * pitch_);
    DataCopy(pv, workspace_.partial[step.slot()][place], n * pitch_);
    partial_.EnQue(pv);
    return partial_.template DeQue<float>();
  }

  // --- Rows ---

  // Rows of this core, with those that the cube added to make 16.
  __aicore__ inline int64_t padded_rows(const Tile& tile) const {
    return round_up(half_rows(tile.rows, first_row_), fractal);
  }
  // m and l of a task are begun while those of the task before are still in use.
  __aicore__ inline RunningRows running(const Step& step) {
    const LocalTensor<float> all = statistics_.Get<float>();
    return RunningRows{all[step.task_slot() * u32(half_q)],
                       all[(u32(slots) + step.task_slot()) * u32(half_q)], acc_.Get<float>()};
  }
  __aicore__ inline LocalTensor<float> correction(const Step& step) {
    return statistics_.Get<float>()[(2 * u32(slots) + step.slot()) * u32(half_q)];
  }

  const Tiling* tiling_ = nullptr;
  GM_ADDR tables_ = nullptr;
  int64_t group_ = 0;
  int64_t first_row_ = 0;  // 0 or 64: which half of each block of queries
  int64_t slab_ = 0;
  uint32_t pitch_ = 0;  // head_dim_v, rounded up to 16
  Workspace<T> workspace_;
  TQue<TPosition::VECIN, 1> s_;          // 2 x (slab, block_k) fp32
  TQue<TPosition::VECOUT, 1> weights_;   // 2 x (slab, block_k)
  TQue<TPosition::VECIN, 1> partial_;    // 2 x (slab, pitch) fp32
  TBuf<TPosition::VECCALC> acc_;         // (half_q, pitch) fp32
  TBuf<TPosition::VECCALC> statistics_;  // m, l, alpha: 2 x (half_q) fp32 of each
  SlabScratch scratch_;
  Scores<T> scores_;
  MaskBits bits_;
  Results<T> results_;
};

}  // namespace flash
