// delta = rowsum(dout out) - dlse, what each row subtracts from dP; laid out like lse. AIVs only.
#pragma once

#include "kernel_operator.h"

#include "backward/steps.h"
#include "backward/workspace.h"
#include "common/row_slab.h"

namespace flash {

template <typename T>
class DeltaCore {
 public:
  // Two cores share a group's tasks, each its half of the queries.
  __aicore__ inline void init(TPipe& pipe, const BackwardArguments& arguments) {
    tiling_ = &arguments.tiling;
    const Tiling& t = tiling_->problem;
    const GradientAddresses& gradients = arguments.gradients;
    first_row_ = GetBlockIdx() % vector_cores * half_q;
    pitch_ = round_up(t.head_dim_v, fractal);
    tasks_.init(gm(arguments.problem.tables), t, GetBlockIdx() / vector_cores);
    out_.SetGlobalBuffer(reinterpret_cast<__gm__ T*>(arguments.problem.out));
    dout_.SetGlobalBuffer(reinterpret_cast<__gm__ T*>(gradients.dout));
    delta_.SetGlobalBuffer(reinterpret_cast<__gm__ float*>(gradients.delta));
    pipe.InitBuffer(out_rows_, slots, u32(slab * pitch_ * value_bytes));
    pipe.InitBuffer(dout_rows_, slots, u32(slab * pitch_ * value_bytes));
    pipe.InitBuffer(product_, u32(slab * pitch_ * float_bytes));
    pipe.InitBuffer(factor_, u32(slab * pitch_ * float_bytes));
    pipe.InitBuffer(folded_, u32(slab * block_k * float_bytes));
    pipe.InitBuffer(deltas_, slots, u32(half_q * float_bytes));
    if (tiling_->has_dlse) {
      dlse_.SetGlobalBuffer(reinterpret_cast<__gm__ float*>(gradients.dlse));
      pipe.InitBuffer(dlse_row_, slots, u32(half_q * float_bytes));
    }
    scratch_.init(pipe, u32(slab));
  }

  __aicore__ inline void process() {
    for (Task task; tasks_.next(task);) {
      const Tile tile = tile_of(task, 0);
      const int64_t rows = half_rows(tile.rows, first_row_);
      if (rows == 0) continue;
      const LocalTensor<float> deltas = deltas_.AllocTensor<float>();
      for (int64_t row = 0; row < rows; row += slab) {
        sum_products(deltas[u32(row)], tile, row, min_of(slab, rows - row));
      }
      if (tiling_->has_dlse) subtract_dlse(deltas, tile, rows);
      deltas_.EnQue(deltas);
      store(tile, rows);
    }
  }

 private:
  // deltas: of rows and of up to 15 more, which are 0.
  __aicore__ inline void sum_products(const LocalTensor<float>& deltas, const Tile& tile,
                                      int64_t row, int64_t rows) {
    const LocalTensor<float> product = product_.Get<float>();
    const LocalTensor<float> folded = folded_.Get<float>();
    const int32_t count = static_cast<int32_t>(rows * pitch_);
    const uint32_t n = u32(round_up(rows, fractal));
    widen(product, out_rows_, out_, query_at(tiling_->problem.out, tile, first_row_ + row), rows,
          tiling_->problem.out.seqlen);
    widen(factor_.Get<float>(), dout_rows_, dout_, query_at(tiling_->dout, tile, first_row_ + row),
          rows, tiling_->dout.seqlen);
    Duplicate(folded, 0.0f, n * u32(block_k));
    Mul(product, product, factor_.Get<float>(), count);
    PipeBarrier<PIPE_V>();
    // What stands beside a row's last value is no product.
    const int64_t columns = tiling_->problem.head_dim_v;
    const uint8_t pitch = static_cast<uint8_t>(pitch_ / block_lanes);
    for (uint32_t from = 0; from < columns; from += lanes) {
      const LocalTensor<float> into = folded[from % u32(block_k)];
      Add(into, into, product[from], static_cast<uint64_t>(min_of(lanes, columns - from)),
          static_cast<uint8_t>(rows),
          BinaryRepeatParams{1, 1, 1, score_blocks, score_blocks, pitch});
      PipeBarrier<PIPE_V>();
    }
    scratch_.row_sum(deltas, folded, n, 1);
  }

  // rows of 16 bits become fp32.
  __aicore__ inline void widen(const LocalTensor<float>& to, TQue<TPosition::VECIN, 1>& queue,
                               const GlobalTensor<T>& from, int64_t at, int64_t rows,
                               int64_t pitch) {
    const int64_t columns = tiling_->problem.head_dim_v;
    LocalTensor<T> loaded = queue.template AllocTensor<T>();
    DataCopyExtParams copy;
    copy.blockCount = u16(rows);
    copy.blockLen = u32(columns * value_bytes);
    copy.srcStride = rows > 1 ? u32((pitch - columns) * value_bytes) : 0;
    copy.dstStride = u32(pitch_ / fractal - ceil_div(columns, fractal));
    DataCopyPad(loaded, from[static_cast<uint64_t>(at)], copy, DataCopyPadExtParams<T>{});
    queue.EnQue(loaded);
    loaded = queue.template DeQue<T>();
    Cast(to, loaded, RoundMode::CAST_NONE, static_cast<int32_t>(rows * pitch_));
    PipeBarrier<PIPE_V>();
    queue.FreeTensor(loaded);
  }

  __aicore__ inline void subtract_dlse(const LocalTensor<float>& deltas, const Tile& tile,
                                       int64_t rows) {
    LocalTensor<float> dlse = dlse_row_.AllocTensor<float>();
    DataCopyPad(dlse, dlse_[row_at(tile)], row_of(rows), DataCopyPadExtParams<float>{});
    dlse_row_.EnQue(dlse);
    dlse = dlse_row_.DeQue<float>();
    Sub(deltas, deltas, dlse, static_cast<int32_t>(rows));
    PipeBarrier<PIPE_V>();
    dlse_row_.FreeTensor(dlse);
  }

  __aicore__ inline void store(const Tile& tile, int64_t rows) {
    LocalTensor<float> from = deltas_.DeQue<float>();
    DataCopyPad(delta_[row_at(tile)], from, row_of(rows));
    deltas_.FreeTensor(from);
  }

  __aicore__ inline uint64_t row_at(const Tile& tile) const {
    return static_cast<uint64_t>(query_at(tiling_->problem.lse, tile, first_row_));
  }

  static constexpr int64_t slab = gradient_slab;

  const GradientTiling* tiling_ = nullptr;
  int64_t first_row_ = 0;
  int64_t pitch_ = 0;  // head_dim_v, rounded up to 16
  Tasks tasks_;
  GlobalTensor<T> out_;
  GlobalTensor<T> dout_;
  GlobalTensor<float> dlse_;
  GlobalTensor<float> delta_;
  TQue<TPosition::VECIN, 1> out_rows_;   // 2 x (slab, pitch)
  TQue<TPosition::VECIN, 1> dout_rows_;  // 2 x (slab, pitch)
  TQue<TPosition::VECIN, 1> dlse_row_;   // 2 x (half_q)
  TQue<TPosition::VECOUT, 1> deltas_;    // 2 x (half_q)
  TBuf<TPosition::VECCALC> product_;     // (slab, pitch) fp32
  TBuf<TPosition::VECCALC> factor_;      // (slab, pitch) fp32
  TBuf<TPosition::VECCALC> folded_;      // (slab, block_k) fp32
  SlabScratch scratch_;
};

}  // namespace flash
