// Probes of a vector core: one instruction on values of GM, and nothing else.
#pragma once

#include "kernel_operator.h"

#include "common/read_arguments.h"
#include "common/workspace.h"
#include "probe/problem.h"

namespace flash {

class VectorProbe {
 public:
  __aicore__ inline void init(TPipe& pipe, const ProbeArguments& arguments) {
    arguments_ = &arguments;
    x_.SetGlobalBuffer(reinterpret_cast<__gm__ float*>(arguments.x));
    pipe.InitBuffer(values_, 1, u32(probe_values * float_bytes));
    pipe.InitBuffer(results_, 1, u32(probe_values * float_bytes));
  }

  __aicore__ inline void process() {
    switch (static_cast<Probe>(arguments_->operation)) {
      case Probe::to_half:
        return cast<half>();
      case Probe::to_bf16:
        return cast<bfloat16_t>();
      case Probe::padded_rows:
        return copy_rows();
      case Probe::copies:
        return copy_often();
      default:
        return compute();
    }
  }

 private:
  __aicore__ inline uint32_t count() const { return u32(arguments_->count); }

  __aicore__ inline void compute() {
    const uint32_t n = count();
    LocalTensor<float> x = load();
    const LocalTensor<float> y = results_.AllocTensor<float>();
    switch (static_cast<Probe>(arguments_->operation)) {
      case Probe::exp:
        Exp(y, x, static_cast<int32_t>(n));
        break;
      case Probe::ln:
        Ln(y, x, static_cast<int32_t>(n));
        break;
      default:
        Muls(y, x, 1.0f, static_cast<int32_t>(n));
        break;
    }
    results_.EnQue(y);
    values_.FreeTensor(x);
    store<float>(n);
  }

  template <typename T>
  __aicore__ inline void cast() {
    LocalTensor<float> x = load();
    const LocalTensor<T> y = results_.AllocTensor<T>();
    Cast(y, x, RoundMode::CAST_RINT, count());
    results_.EnQue(y);
    values_.FreeTensor(x);
    store<T>(count());
  }

  // Each row fills a block of 32 B: what is behind its data comes out, too.
  __aicore__ inline void copy_rows() {
    const uint32_t rows = count() / u32(padded_row);
    DataCopyExtParams copy;
    copy.blockCount = u16(rows);
    copy.blockLen = u32(padded_row * float_bytes);
    copy.srcStride = 0;
    copy.dstStride = 0;
    const LocalTensor<float> x = values_.AllocTensor<float>();
    DataCopyPad(x, x_, copy, DataCopyPadExtParams<float>{});
    values_.EnQue(x);
    pass_on(rows * u32(block_bytes / float_bytes));
  }

  // One at a time, since each writes what the one before it wrote.
  __aicore__ inline void copy_often() {
    const LocalTensor<float> x = values_.AllocTensor<float>();
    for (int64_t i = 0; i < arguments_->count; ++i) {
      DataCopy(x, x_, u32(block_bytes / float_bytes));
      PipeBarrier<PIPE_MTE2>();
    }
    values_.EnQue(x);
    pass_on(u32(block_bytes / float_bytes));
  }

  // To the result, bit by bit: there is no copy within UB.
  __aicore__ inline void pass_on(uint32_t n) {
    LocalTensor<float> x = values_.DeQue<float>();
    const LocalTensor<float> y = results_.AllocTensor<float>();
    const LocalTensor<uint16_t> bits = x.ReinterpretCast<uint16_t>();
    Or(y.ReinterpretCast<uint16_t>(), bits, bits, static_cast<int32_t>(2 * n));
    results_.EnQue(y);
    values_.FreeTensor(x);
    store<float>(n);
  }

  __aicore__ inline LocalTensor<float> load() {
    const LocalTensor<float> x = values_.AllocTensor<float>();
    DataCopy(x, x_, count());
    values_.EnQue(x);
    return values_.DeQue<float>();
  }
  template <typename T>
  __aicore__ inline void store(uint32_t n) {
    GlobalTensor<T> out;
    out.SetGlobalBuffer(reinterpret_cast<__gm__ T*>(arguments_->out));
    LocalTensor<T> y = results_.DeQue<T>();
    DataCopy(out, y, n);
    results_.FreeTensor(y);
  }

  const ProbeArguments* arguments_ = nullptr;
  GlobalTensor<float> x_;
  TQue<TPosition::VECIN, 1> values_;    // (probe_values)
  TQue<TPosition::VECOUT, 1> results_;  // (probe_values)
};

}  // namespace flash
