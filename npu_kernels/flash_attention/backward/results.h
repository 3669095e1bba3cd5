// What an AIV writes for its half of an owner's block: dk and dv, or dq, from their sums.
#pragma once

#include "kernel_operator.h"

#include "backward/workspace.h"
#include "common/row_slab.h"

namespace flash {

// One gradient, and where a block of it lies.
struct GradientBlock {
  uint64_t place;   // of this half's first row, in elements
  int64_t rows;     // of this half
  int64_t columns;  // head_dim or head_dim_v
  int64_t pitch;    // from row to row, in elements
  float factor;     // what the sums lack
};

// Slabs go through the queues of the tiles: they are idle when a task ends. Each holds
// (gradient_slab, block_k) values.
template <typename T>
class GradientResults {
 public:
  // sum: (128, columns rounded up to 16) fp32 in the workspace, of which this core's rows are
  // stored, times factor.
  __aicore__ inline void write(const GlobalTensor<T>& to, const GradientBlock& block,
                               const GlobalTensor<float>& sum, int64_t first_row,
                               TQue<TPosition::VECIN, 1>& in, TQue<TPosition::VECOUT, 1>& out) {
    const int64_t pitch = round_up(block.columns, fractal);
    const int64_t slab = gradient_slab * block_k / pitch;
    for (int64_t row = 0; row < block.rows; row += slab) {
      const int64_t rows = min_of(slab, block.rows - row);
      const uint32_t count = u32(rows * pitch);
      LocalTensor<float> values = in.template AllocTensor<float>();
      DataCopy(values, sum[static_cast<uint64_t>((first_row + row) * pitch)], count);
      in.EnQue(values);
      values = in.template DeQue<float>();
      Muls(values, values, block.factor, static_cast<int32_t>(count));
      PipeBarrier<PIPE_V>();
      const LocalTensor<T> rounded = out.template AllocTensor<T>();
      Cast(rounded, values, RoundMode::CAST_RINT, count);
      in.FreeTensor(values);
      out.EnQue(rounded);
      store(to, block, row, rows, out);
    }
  }

  // Nothing reaches these rows: 0.
  __aicore__ inline void write_zeros(const GlobalTensor<T>& to, const GradientBlock& block,
                                     TQue<TPosition::VECOUT, 1>& out) {
    const int64_t pitch = round_up(block.columns, fractal);
    const int64_t slab = gradient_slab * block_k / pitch;
    for (int64_t row = 0; row < block.rows; row += slab) {
      const int64_t rows = min_of(slab, block.rows - row);
      const LocalTensor<int16_t> zeros = out.template AllocTensor<int16_t>();
      Duplicate(zeros, int16_t{0}, static_cast<int32_t>(rows * pitch));
      out.EnQue(zeros);
      store(to, block, row, rows, out);
    }
  }

 private:
  // True rows and columns only.
  __aicore__ inline void store(const GlobalTensor<T>& to, const GradientBlock& block, int64_t row,
                               int64_t rows, TQue<TPosition::VECOUT, 1>& out) {
    LocalTensor<T> from = out.template DeQue<T>();
    DataCopyExtParams copy;
    copy.blockCount = u16(rows);
    copy.blockLen = u32(block.columns * value_bytes);
    copy.srcStride = 0;  // a row takes whole blocks of 32 B
    copy.dstStride = rows > 1 ? u32((block.pitch - block.columns) * value_bytes) : 0;
    DataCopyPad(to[block.place + static_cast<uint64_t>(row * block.pitch)], from, copy);
    out.FreeTensor(from);
  }
};

}  // namespace flash
