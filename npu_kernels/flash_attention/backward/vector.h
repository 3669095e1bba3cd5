// An AIV's part of the backward: P and dS of its half of a tile (64 rows), a slab of rows at a
// time, and in the end the gradients of its half of the owner's block.
//
//   P = exp(x - lse), x the scores as the softmax saw them
//   dX = P (Z dP - delta), Z what dropout multiplies a weight by
//   dS = dX (1 - tanh^2), the derivative of softcap
#pragma once

#include "kernel_operator.h"

#include "backward/results.h"
#include "backward/steps.h"
#include "backward/workspace.h"
#include "common/mask_bits.h"
#include "common/scores.h"

namespace flash {

template <typename T, Pass pass>
class GradientVector {
 public:
  __aicore__ inline void init(TPipe& pipe, const BackwardArguments& arguments) {
    tiling_ = &arguments.tiling;
    const Tiling& t = tiling_->problem;
    const Addresses& problem = arguments.problem;
    const GradientAddresses& gradients = arguments.gradients;
    tables_ = gm(problem.tables);
    group_ = GetBlockIdx() / vector_cores;
    first_row_ = GetSubBlockIdx() * half_q;
    workspace_.init(gm(problem.workspace), group_, t.head_dim, t.head_dim_v);
    lse_.SetGlobalBuffer(reinterpret_cast<__gm__ float*>(problem.lse));
    delta_.SetGlobalBuffer(reinterpret_cast<__gm__ float*>(gradients.delta));
    const Address first = pass == Pass::keys ? gradients.dk : gradients.dq;
    first_.SetGlobalBuffer(reinterpret_cast<__gm__ T*>(first));
    if (pass == Pass::keys) second_.SetGlobalBuffer(reinterpret_cast<__gm__ T*>(gradients.dv));
    const uint32_t tile = u32(gradient_slab * block_k);
    pipe.InitBuffer(products_, slots, 2 * tile * u32(float_bytes));
    if (pass == Pass::keys) pipe.InitBuffer(weights_, slots, tile * u32(value_bytes));
    pipe.InitBuffer(dscores_, slots, tile * u32(value_bytes));
    pipe.InitBuffer(loaded_rows_, 1, u32(2 * half_q * float_bytes));
    pipe.InitBuffer(rows_, u32(2 * half_q * float_bytes));
    if (t.softcap > 0.0f) pipe.InitBuffer(slope_, tile * u32(float_bytes));
    if (writes_dx()) {
      dx_gm_.SetGlobalBuffer(reinterpret_cast<__gm__ float*>(gradients.dx));
      pipe.InitBuffer(dx_, slots, tile * u32(float_bytes));
    }
    scratch_.init(pipe, u32(gradient_slab));
    scores_.init(pipe, problem, t, gradient_slab, first_row_);
    bits_.init(pipe, problem, t, first_row_, tiles(), slots);
  }

  // Two steps deep: the next step comes before the results of a task, whose last sums the cube
  // makes in the meantime.
  __aicore__ inline void process() {
    typename Walk<pass>::Tasks tasks;
    tasks.init(tables_, tiling_->problem, group_);
    for (typename Walk<pass>::Task task; tasks.next(task);) {
      if (is_empty(task)) write_zeros(first_tile(task), owned_head(task));
    }
    typename Walk<pass>::Steps steps;
    steps.init(tables_, tiling_->problem, group_, tiles());
    Step step;
    Step following;
    bool more = steps.next(step);
    if (more) differentiate(step);
    while (more) {
      more = steps.next(following);
      if (more) differentiate(following);
      if (step.is_last) write_results(step);
      step = following;
    }
  }

 private:
  __aicore__ inline void differentiate(const Step& step) {
    bits_.take(step);
    CrossCoreWaitFlag(products_ready);
    for (int64_t i = 0; i < step.tiles; ++i) {
      const Tile tile = step.at(i);
      const int64_t rows = round_up(half_rows(tile.rows, first_row_), fractal);
      if (rows > 0) load_rows(tile);
      for (int64_t row = 0; row < rows; row += gradient_slab) {
        differentiate(tile, Slab{step.slot(), i, row, u32(min_of(gradient_slab, rows - row))});
      }
    }
    bits_.release();
    CrossCoreSetFlag<aic_with_aivs, PIPE_MTE3>(tiles_ready);
  }

  // Rows of one tile that are handled at once.
  struct Slab {
    uint32_t slot;  // of the step
    int64_t i;      // of the step's tiles
    int64_t row;    // the first one, of this half
    uint32_t n;
  };
  __aicore__ inline void differentiate(const Tile& tile, const Slab& at) {
    const uint32_t count = at.n * u32(block_k);
    LocalTensor<float> s = load_products(at);
    const LocalTensor<float> dp = s[u32(gradient_slab * block_k)];
    weigh(s, tile, at);
    if (tiling_->problem.keep_prob < 1.0f) {
      bits_.drop(dp, at.i, at.row, at.n);
      Muls(dp, dp, 1.0f / tiling_->problem.keep_prob, count);
      PipeBarrier<PIPE_V>();
    }
    scratch_.subtract_rows(dp, delta()[u32(at.row)], at.n, 1);
    Mul(dp, dp, s, count);  // dX
    PipeBarrier<PIPE_V>();
    if (pass == Pass::keys) {
      bits_.drop(s, at.i, at.row, at.n);
      store(workspace_.weights[at.slot], weights_, s, at);
    }
    if (writes_dx()) store_dx(dp, tile, at);
    if (tiling_->problem.softcap > 0.0f) {
      Mul(dp, dp, slope_.Get<float>(), count);
      PipeBarrier<PIPE_V>();
    }
    store(workspace_.dscores[at.slot], dscores_, dp, at);
    products_.FreeTensor(s);
  }

  // s: (n, block_k), from Q K^T to P: 0 where a pair is hidden. Also the slope of softcap.
  __aicore__ inline void weigh(const LocalTensor<float>& s, const Tile& tile, const Slab& at) {
    const uint32_t count = at.n * u32(block_k);
    const float softcap = tiling_->problem.softcap;
    scores_.scale_and_cap(s, at.n);
    if (softcap > 0.0f) {
      const LocalTensor<float> slope = slope_.Get<float>();
      Muls(slope, s, 1.0f / softcap, count);
      PipeBarrier<PIPE_V>();
      Mul(slope, slope, slope, count);
      PipeBarrier<PIPE_V>();
      Muls(slope, slope, -1.0f, count);
      PipeBarrier<PIPE_V>();
      Adds(slope, slope, 1.0f, count);
      PipeBarrier<PIPE_V>();
    }
    scores_.add_pairs(s, tile, at.row, at.n, scratch_);
    bits_.hide(s, at.i, at.row, at.n);
    if (tile.keys < block_k) hide_tail(s, u32(tile.keys), at.n);
    scratch_.subtract_rows(s, lse()[u32(at.row)], at.n, 1);
    Exp(s, s, count);
    PipeBarrier<PIPE_V>();
  }

  // lse and delta of this half. Rows beyond the tile get 0. lse of a row that sees nothing is not
  // -inf but a finite number below any score: exp(hidden - lse) = 0 instead of NaN.
  __aicore__ inline void load_rows(const Tile& tile) {
    const uint32_t n = u32(half_rows(tile.rows, first_row_));
    const uint64_t place = static_cast<uint64_t>(query_at(tiling_->problem.lse, tile, first_row_));
    LocalTensor<float> loaded = loaded_rows_.template AllocTensor<float>();
    DataCopyPad(loaded, lse_[place], row_of(n), DataCopyPadExtParams<float>{});
    DataCopyPad(loaded[u32(half_q)], delta_[place], row_of(n), DataCopyPadExtParams<float>{});
    loaded_rows_.EnQue(loaded);
    loaded = loaded_rows_.template DeQue<float>();
    Duplicate(lse(), 0.0f, u32(2 * half_q));  // and delta
    PipeBarrier<PIPE_V>();
    Maxs(lse(), loaded, lowest_max, n);
    Adds(delta(), loaded[u32(half_q)], 0.0f, n);
    PipeBarrier<PIPE_V>();
    loaded_rows_.FreeTensor(loaded);
  }

  // --- Between the workspace and UB ---

  // S, and after it dP.
  __aicore__ inline LocalTensor<float> load_products(const Slab& at) {
    const LocalTensor<float> s = products_.template AllocTensor<float>();
    const uint32_t count = at.n * u32(block_k);
    DataCopy(s, workspace_.scores[at.slot][place_of(at)], count);
    DataCopy(s[u32(gradient_slab * block_k)], workspace_.dweights[at.slot][place_of(at)], count);
    products_.EnQue(s);
    return products_.template DeQue<float>();
  }
  __aicore__ inline void store(const GlobalTensor<T>& to, TQue<TPosition::VECOUT, 1>& queue,
                               const LocalTensor<float>& values, const Slab& at) {
    LocalTensor<T> rounded = queue.template AllocTensor<T>();
    Cast(rounded, values, RoundMode::CAST_RINT, at.n * u32(block_k));
    queue.EnQue(rounded);
    rounded = queue.template DeQue<T>();
    DataCopy(to[place_of(at)], rounded, at.n * u32(block_k));
    queue.FreeTensor(rounded);
  }
  // dX by tiles of (block_q, block_k), in the order of tiles of bits.
  __aicore__ inline void store_dx(const LocalTensor<float>& values, const Tile& tile,
                                  const Slab& at) {
    LocalTensor<float> copy = dx_.template AllocTensor<float>();
    Adds(copy, values, 0.0f, at.n * u32(block_k));
    dx_.EnQue(copy);
    copy = dx_.template DeQue<float>();
    const uint64_t place = static_cast<uint64_t>(dx_at(tile) + (first_row_ + at.row) * block_k);
    DataCopy(dx_gm_[place], copy, at.n * u32(block_k));
    dx_.FreeTensor(copy);
  }

  // --- Results ---

  __aicore__ inline void write_results(const Step& step) {
    CrossCoreWaitFlag(sums_ready);
    const uint32_t slot = step.task_slot();
    const int64_t head = head_k_of(tiling_->problem, step.tile);
    results_.write(first_, first_block(step.tile, head), workspace_.first_sum[slot], first_row_,
                   products_, dscores_);
    if (pass == Pass::keys) {
      results_.write(second_, second_block(step.tile, head), workspace_.second_sum[slot],
                     first_row_, products_, dscores_);
    }
  }
  __aicore__ inline void write_zeros(const Tile& tile, int64_t head) {
    results_.write_zeros(first_, first_block(tile, head), dscores_);
    if (pass == Pass::keys) results_.write_zeros(second_, second_block(tile, head), dscores_);
  }

  // dk or dq, of the owner of this tile. head: of its keys.
  __aicore__ inline GradientBlock first_block(const Tile& tile, int64_t head) const {
    const Tiling& t = tiling_->problem;
    if (pass == Pass::keys) return key_block(tiling_->dk, tile, head, t.head_dim, t.scale);
    return GradientBlock{static_cast<uint64_t>(query_at(tiling_->dq, tile, first_row_)),
                         half_rows(tile.rows, first_row_), t.head_dim, tiling_->dq.seqlen, t.scale};
  }
  // dv.
  __aicore__ inline GradientBlock second_block(const Tile& tile, int64_t head) const {
    const Tiling& t = tiling_->problem;
    return key_block(tiling_->dv, tile, head, t.head_dim_v, 1.0f / t.keep_prob);
  }
  __aicore__ inline GradientBlock key_block(const Strides& strides, const Tile& tile, int64_t head,
                                            int64_t columns, float factor) const {
    const int64_t at = key_at(strides, tile, head);
    return GradientBlock{static_cast<uint64_t>(at + first_row_ * strides.seqlen),
                         half_rows(tile.keys, first_row_), columns, strides.seqlen, factor};
  }
  __aicore__ inline Tile first_tile(const Task& task) const { return tile_of(task, 0); }
  __aicore__ inline Tile first_tile(const KeyTask& task) const { return tile_of(task, 0, 0); }
  __aicore__ inline int64_t owned_head(const Task&) const { return 0; }  // it owns no keys
  __aicore__ inline int64_t owned_head(const KeyTask& task) const { return task.head; }

  __aicore__ inline bool writes_dx() const { return pass == Pass::queries && tiling_->has_dbias; }
  __aicore__ inline int64_t tiles() const {
    return gradient_tiles(tiling_->problem.head_dim, tiling_->problem.head_dim_v);
  }
  // In values of a step's tiles in the workspace.
  __aicore__ inline uint64_t place_of(const Slab& at) const {
    return static_cast<uint64_t>((at.i * block_q + first_row_ + at.row) * block_k);
  }
  __aicore__ inline LocalTensor<float> lse() { return rows_.Get<float>(); }
  __aicore__ inline LocalTensor<float> delta() { return rows_.Get<float>()[u32(half_q)]; }

  const GradientTiling* tiling_ = nullptr;
  GM_ADDR tables_ = nullptr;
  int64_t group_ = 0;
  int64_t first_row_ = 0;  // 0 or 64: which half of each block
  GradientWorkspace<T> workspace_;
  GlobalTensor<float> lse_;
  GlobalTensor<float> delta_;
  GlobalTensor<float> dx_gm_;
  GlobalTensor<T> first_;
  GlobalTensor<T> second_;
  TQue<TPosition::VECIN, 1> products_;     // 2 x (2, slab, block_k) fp32: S, dP
  TQue<TPosition::VECOUT, 1> weights_;     // P: 2 x (slab, block_k)
  TQue<TPosition::VECOUT, 1> dscores_;     // 2 x (slab, block_k)
  TQue<TPosition::VECOUT, 1> dx_;          // 2 x (slab, block_k) fp32
  TQue<TPosition::VECIN, 1> loaded_rows_;  // (2, half_q): lse, delta
  TBuf<TPosition::VECCALC> rows_;          // (2, half_q): the same
  TBuf<TPosition::VECCALC> slope_;         // (slab, block_k) fp32
  SlabScratch scratch_;
  Scores<T> scores_;
  MaskBits bits_;
  GradientResults<T> results_;
};

}  // namespace flash
