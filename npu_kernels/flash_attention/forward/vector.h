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
#include "common/workspace.h"
#include "forward/results.h"
#include "forward/steps.h"

namespace flash {

template <typename T>
class VectorCore {
 public:
  __aicore__ inline void init(TPipe& pipe, const Addresses& addresses, const Tiling& tiling) {
    tiling_ = &tiling;
    tables_ = gm(addresses.tables);
    group_ = GetBlockIdx() / vector_cores;
    first_row_ = GetSubBlockIdx() * half_q;
    plan_ = forward_plan(tiling);
    pitch_ = u32(round_up(tiling.head_dim_v, fractal));
    workspace_.init(gm(addresses.workspace), group_, tiling.head_dim, tiling.head_dim_v);
    pipe.InitBuffer(loaded_, slots, u32(plan_.slab * block_k * float_bytes));
    pipe.InitBuffer(stored_, slots, u32(plan_.slab * block_k * value_bytes));
    pipe.InitBuffer(acc_, u32(plan_.blocks * half_q * pitch_ * float_bytes));
    pipe.InitBuffer(statistics_, u32(3 * slots * plan_.blocks * half_q * float_bytes));
    scratch_.init_without_tree(pipe, u32(plan_.slab));
    scores_.init(pipe, addresses, tiling, plan_.slab, first_row_);
    bits_.init(pipe, addresses, tiling, first_row_, plan_.tiles, 1);
    results_.init(pipe, addresses, tiling, first_row_);
  }

  // Two steps deep: the softmax of the next step comes before the update by this step's P V, which
  // the cube multiplies in the meantime.
  __aicore__ inline void process() {
    Tasks tasks;
    tasks.init(tables_, *tiling_, group_);
    for (Task task; tasks.next(task);) {
      for (int64_t i = 0; i < blocks_of(task); ++i) {
        const Task block = block_of(*tiling_, task, i);
        if (block.keys.is_empty()) results_.write_empty(tile_of(block, 0), stored_);
      }
    }
    ForwardSteps steps;
    steps.init(tables_, *tiling_, group_);
    ForwardStep step;
    ForwardStep following;
    bool more = steps.next(step);
    if (more) softmax(step);
    while (more) {
      more = steps.next(following);
      if (more) softmax(following);
      update(step);
      step = following;
    }
  }

 private:
  __aicore__ inline void softmax(const ForwardStep& step) {
    CrossCoreWaitFlag(scores_ready);
    for (int64_t block = 0; block < plan_.blocks; ++block) {
      if (step.has[block]) softmax(step.blocks[block], block);
    }
    CrossCoreSetFlag<aic_with_aivs, PIPE_MTE3>(weights_ready);
  }
  // acc = alpha acc + P V; out, when the block has seen all its keys.
  __aicore__ inline void update(const ForwardStep& step) {
    CrossCoreWaitFlag(partial_ready);
    for (int64_t block = 0; block < plan_.blocks; ++block) {
      if (!step.has[block]) continue;
      const Step& of = step.blocks[block];
      update(of, block);
      if (of.is_last) results_.write(of.tile, running(of, block), scratch_, stored_);
    }
  }

  // P = exp(x - m) of a block's tiles, x their scores; m, l and alpha.
  __aicore__ inline void softmax(const Step& step, int64_t block) {
    const int64_t rows = padded_rows(step.tile);
    if (rows == 0) return;
    const RunningRows running_rows = running(step, block);
    bits_.take(step);
    if (step.is_first) forget(running_rows);

    const uint32_t tiles = u32(step.tiles);
    const int64_t slab = plan_.slab / step.tiles / block_lanes * block_lanes;
    for (int64_t row = 0; row < rows; row += slab) {
      const uint32_t n = u32(min_of(slab, rows - row));
      LocalTensor<float> s = load_scores(step, block, row, n);  // (tiles, n, block_k)
      LocalTensor<T> p = stored_.template AllocTensor<T>();
      scratch_.lend_tree(p.template ReinterpretCast<float>());
      scores_.scale_and_cap(s, tiles * n);
      for (uint32_t i = 0; i < tiles; ++i) see(s[i * n * u32(block_k)], step, i, row, n);
      const LocalTensor<float> m = running_rows.m[u32(row)];
      const LocalTensor<float> l = running_rows.l[u32(row)];
      const LocalTensor<float> alpha = correction(step, block)[u32(row)];
      raise_max(m, alpha, s, n, tiles);
      scratch_.subtract_rows(s, m, n, tiles);
      Exp(s, s, tiles * n * u32(block_k));  // 0 where hidden
      PipeBarrier<PIPE_V>();
      add_sum(l, alpha, s, n, tiles);
      for (uint32_t i = 0; i < tiles; ++i) bits_.drop(s[i * n * u32(block_k)], i, row, n);
      Cast(p, s, RoundMode::CAST_RINT, tiles * n * u32(block_k));
      loaded_.FreeTensor(s);
      store_weights(p, step, block, row, n);
    }
    bits_.release();
  }

  // s: (n, block_k), of tile i of the step: what its rows from `row` on see.
  __aicore__ inline void see(const LocalTensor<float>& s, const Step& step, int64_t i, int64_t row,
                             uint32_t n) {
    if (scores_.has_pairs()) scores_.add_pairs(s, step.at(i), row, n, scratch_);
    bits_.hide(s, i, row, n);
    const int64_t keys = step.keys - i * block_k;
    if (keys < block_k) hide_tail(s, u32(keys), n);
  }

  __aicore__ inline void update(const Step& step, int64_t block) {
    const int64_t rows = padded_rows(step.tile);
    const int64_t slab = value_rows(plan_.slab, pitch_);
    for (int64_t row = 0; row < rows; row += slab) {
      const uint32_t n = u32(min_of(slab, rows - row));
      LocalTensor<float> pv = load_partial(step, block, row, n);  // (n, pitch)
      const LocalTensor<float> acc = running(step, block).acc[u32(row) * pitch_];
      if (step.is_first) {
        Adds(acc, pv, 0.0f, n * pitch_);  // nothing to correct yet
      } else {
        scratch_.multiply_rows(acc, correction(step, block)[u32(row)], n, pitch_);
        Add(acc, acc, pv, n * pitch_);
      }
      PipeBarrier<PIPE_V>();
      loaded_.FreeTensor(pv);
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
                                   const LocalTensor<float>& s, uint32_t n, uint32_t tiles) {
    const LocalTensor<float> m_new = scratch_.per_row();
    scratch_.row_max(m_new, s, n, tiles);
    Max(m_new, m_new, m, n);
    PipeBarrier<PIPE_V>();
    Sub(alpha, m, m_new, n);
    PipeBarrier<PIPE_V>();
    Exp(alpha, alpha, n);  // 0 for the first step in which the row sees a key
    Max(m, m, m_new, n);
    PipeBarrier<PIPE_V>();
  }

  // l = alpha l + row sums of p, which are not rounded yet.
  __aicore__ inline void add_sum(const LocalTensor<float>& l, const LocalTensor<float>& alpha,
                                 const LocalTensor<float>& p, uint32_t n, uint32_t tiles) {
    const LocalTensor<float> in_step = scratch_.per_row();
    scratch_.row_sum(in_step, p, n, tiles);
    Mul(l, l, alpha, n);
    PipeBarrier<PIPE_V>();
    Add(l, l, in_step, n);
    PipeBarrier<PIPE_V>();
  }

  // --- Between the workspace and UB ---

  // Of each tile n rows of this half, from `row` on.
  __aicore__ inline LocalTensor<float> load_scores(const Step& step, int64_t block, int64_t row,
                                                   uint32_t n) {
    const LocalTensor<float> s = loaded_.template AllocTensor<float>();
    DataCopyParams copy = rows_of_tiles(step, n, float_bytes);
    copy.srcStride = u16((block_q - n) * block_k * float_bytes / block_bytes);
    DataCopy(s, workspace_.scores[step.slot()][first_value(block, row)], copy);
    loaded_.EnQue(s);
    return loaded_.template DeQue<float>();
  }

  __aicore__ inline void store_weights(LocalTensor<T>& p, const Step& step, int64_t block,
                                       int64_t row, uint32_t n) {
    stored_.EnQue(p);
    p = stored_.template DeQue<T>();
    DataCopyParams copy = rows_of_tiles(step, n, value_bytes);
    copy.dstStride = u16((block_q - n) * block_k * value_bytes / block_bytes);
    DataCopy(workspace_.weights[step.slot()][first_value(block, row)], p, copy);
    stored_.FreeTensor(p);
  }
  __aicore__ static inline DataCopyParams rows_of_tiles(const Step& step, uint32_t n,
                                                        int64_t bytes) {
    DataCopyParams copy;
    copy.blockCount = u16(step.tiles);
    copy.blockLen = u16(n * block_k * bytes / block_bytes);
    return copy;
  }
  // Of a block's tiles in the workspace, in values.
  __aicore__ inline uint64_t first_value(int64_t block, int64_t row) const {
    return static_cast<uint64_t>((block * plan_.tiles * block_q + first_row_ + row) * block_k);
  }

  __aicore__ inline LocalTensor<float> load_partial(const Step& step, int64_t block, int64_t row,
                                                    uint32_t n) {
    const LocalTensor<float> pv = loaded_.template AllocTensor<float>();
    const uint64_t place = static_cast<uint64_t>((block * block_q + first_row_ + row) * pitch_);
    DataCopy(pv, workspace_.partial[step.slot()][place], n * pitch_);
    loaded_.EnQue(pv);
    return loaded_.template DeQue<float>();
  }

  // --- Rows ---

  // Rows of this core, with those that the cube added to make 16.
  __aicore__ inline int64_t padded_rows(const Tile& tile) const {
    return round_up(half_rows(tile.rows, first_row_), fractal);
  }
  // m and l of a task are begun while those of the task before are still in use; acc is not.
  __aicore__ inline RunningRows running(const Step& step, int64_t block) {
    const LocalTensor<float> acc = acc_.Get<float>();
    return RunningRows{statistic(0, step.task_slot(), block), statistic(1, step.task_slot(), block),
                       acc[u32(block * half_q) * pitch_]};
  }
  __aicore__ inline LocalTensor<float> correction(const Step& step, int64_t block) {
    return statistic(2, step.slot(), block);
  }
  __aicore__ inline LocalTensor<float> statistic(uint32_t kind, uint32_t slot, int64_t block) {
    const uint32_t place = (kind * u32(slots) + slot) * u32(plan_.blocks) + u32(block);
    return statistics_.Get<float>()[place * u32(half_q)];
  }

  const Tiling* tiling_ = nullptr;
  GM_ADDR tables_ = nullptr;
  int64_t group_ = 0;
  int64_t first_row_ = 0;  // 0 or 64: which half of each block of queries
  ForwardPlan plan_{};
  uint32_t pitch_ = 0;  // head_dim_v, rounded up to 16
  Workspace<T> workspace_;
  TQue<TPosition::VECIN, 1> loaded_;     // scores or partial P V: 2 x (slab, block_k) fp32
  TQue<TPosition::VECOUT, 1> stored_;    // trees and weights, or out: 2 x (slab, block_k)
  TBuf<TPosition::VECCALC> acc_;         // (blocks, half_q, pitch) fp32
  TBuf<TPosition::VECCALC> statistics_;  // m, l, alpha: 2 x (blocks, half_q) fp32 of each
  SlabScratch scratch_;
  Scores<T> scores_;
  MaskBits bits_;
  Results<T> results_;
};

}  // namespace flash
