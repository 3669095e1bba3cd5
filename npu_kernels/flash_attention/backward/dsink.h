// dsink = -sum over rows of exp(sink - lse) delta. AIVs only; a head has one owner, which adds its
// rows in the order of lse.
#pragma once

#include "kernel_operator.h"

#include "backward/workspace.h"
#include "common/row_slab.h"

namespace flash {

class SinkGradient {
 public:
  __aicore__ inline void init(TPipe& pipe, const BackwardArguments& arguments) {
    tiling_ = &arguments.tiling;
    sink_.SetGlobalBuffer(reinterpret_cast<__gm__ float*>(arguments.problem.sink));
    lse_.SetGlobalBuffer(reinterpret_cast<__gm__ float*>(arguments.problem.lse));
    delta_.SetGlobalBuffer(reinterpret_cast<__gm__ float*>(arguments.gradients.delta));
    dsink_.SetGlobalBuffer(reinterpret_cast<__gm__ float*>(arguments.gradients.dsink));
    pipe.InitBuffer(lse_rows_, slots, u32(part * float_bytes));
    pipe.InitBuffer(delta_rows_, slots, u32(part * float_bytes));
    pipe.InitBuffer(acc_, u32(part * float_bytes));
    pipe.InitBuffer(result_, slots, u32(block_bytes));
  }

  __aicore__ inline void process() {
    const Tiling& t = tiling_->problem;
    const int64_t lines = t.lse.batch == 0 ? 1 : t.batch;  // packed: one
    const int64_t rows = t.lse.head;                       // of a line
    const LocalTensor<float> acc = acc_.Get<float>();
    for (int64_t head = GetBlockIdx(); head < t.heads_q; head += GetBlockNum()) {
      const float sink = sink_.GetValue(static_cast<uint64_t>(head));
      Duplicate(acc, 0.0f, u32(part));
      PipeBarrier<PIPE_V>();
      for (int64_t line = 0; line < lines; ++line) {
        const int64_t begin = line * t.lse.batch + head * t.lse.head;
        for (int64_t row = 0; row < rows; row += part) {
          subtract(acc, begin + row, u32(min_of(part, rows - row)), sink);
        }
      }
      store(acc, head);
    }
  }

 private:
  static constexpr int64_t part = 1024;  // rows that are handled at once

  // acc -= exp(sink - lse) delta, row by row.
  __aicore__ inline void subtract(const LocalTensor<float>& acc, int64_t at, uint32_t n,
                                  float sink) {
    LocalTensor<float> lse = load(lse_rows_, lse_, at, n);
    LocalTensor<float> delta = load(delta_rows_, delta_, at, n);
    Muls(lse, lse, -1.0f, n);
    PipeBarrier<PIPE_V>();
    Adds(lse, lse, sink, n);
    PipeBarrier<PIPE_V>();
    Exp(lse, lse, n);
    PipeBarrier<PIPE_V>();
    Mul(lse, lse, delta, n);
    PipeBarrier<PIPE_V>();
    Sub(acc, acc, lse, n);
    PipeBarrier<PIPE_V>();
    lse_rows_.FreeTensor(lse);
    delta_rows_.FreeTensor(delta);
  }

  __aicore__ inline LocalTensor<float> load(TQue<TPosition::VECIN, 1>& queue,
                                            const GlobalTensor<float>& from, int64_t at,
                                            uint32_t n) {
    const LocalTensor<float> rows = queue.AllocTensor<float>();
    DataCopyPad(rows, from[static_cast<uint64_t>(at)], row_of(n), DataCopyPadExtParams<float>{});
    queue.EnQue(rows);
    return queue.DeQue<float>();
  }

  // The sum of acc, half by half.
  __aicore__ inline void store(const LocalTensor<float>& acc, int64_t head) {
    for (uint32_t half = u32(part / 2); half >= lanes; half /= 2) {
      Add(acc, acc, acc[half], half);
      PipeBarrier<PIPE_V>();
    }
    BlockReduceSum(acc[lanes], acc, 1, lanes, 1, 1, block_lanes);
    PipeBarrier<PIPE_V>();
    LocalTensor<float> result = result_.AllocTensor<float>();
    BlockReduceSum(result, acc[lanes], 1, block_lanes, 1, 1, block_lanes);
    PipeBarrier<PIPE_V>();  // the next head begins acc anew
    result_.EnQue(result);
    result = result_.DeQue<float>();
    DataCopyPad(dsink_[static_cast<uint64_t>(head)], result, row_of(1));
    result_.FreeTensor(result);
  }

  const GradientTiling* tiling_ = nullptr;
  GlobalTensor<float> sink_;
  GlobalTensor<float> lse_;
  GlobalTensor<float> delta_;
  GlobalTensor<float> dsink_;
  TQue<TPosition::VECIN, 1> lse_rows_;    // 2 x (part)
  TQue<TPosition::VECIN, 1> delta_rows_;  // 2 x (part)
  TBuf<TPosition::VECCALC> acc_;          // (part)
  TQue<TPosition::VECOUT, 1> result_;     // 1
};

}  // namespace flash
