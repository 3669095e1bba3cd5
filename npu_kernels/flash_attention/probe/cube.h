// Probes of a group: one product by one Mmad, and cores that wait for each other.
#pragma once

#include "kernel_operator.h"

#include "common/cube_pipeline.h"
#include "common/read_arguments.h"
#include "common/workspace.h"
#include "probe/problem.h"

namespace flash {

class CubeProbe {
 public:
  __aicore__ inline void init(TPipe& pipe, const ProbeArguments& arguments) {
    arguments_ = &arguments;
    a_.SetGlobalBuffer(reinterpret_cast<__gm__ half*>(arguments.x));
    b_.SetGlobalBuffer(reinterpret_cast<__gm__ half*>(arguments.y));
    out_.SetGlobalBuffer(reinterpret_cast<__gm__ float*>(arguments.out));
    pipe.InitBuffer(a_l1_, u32(block_q * chunk * value_bytes));
    pipe.InitBuffer(b_l1_, u32(block_k * fractal * value_bytes));
    legs_.init(pipe);
  }

  __aicore__ inline void multiply() {
    const int64_t depth = arguments_->count;
    legs_.all_slots_are_free();
    legs_.load_rows(a_l1_.Get<half>(), a_, fractal, fractal, depth, depth);
    legs_.load_rows(b_l1_.Get<half>(), b_, depth, round_up(depth, fractal), fractal, fractal);
    SetFlag<HardEvent::MTE2_MTE1>(0);
    WaitFlag<HardEvent::MTE2_MTE1>(0);
    const uint32_t l0 = legs_.take_l0();
    const uint32_t l0c = legs_.take_l0c();
    legs_.load_a(l0, a_l1_.Get<half>(), fractal, depth);
    legs_.load_b(l0, b_l1_.Get<half>(), depth, fractal);
    legs_.multiply(l0c, l0, fractal, fractal, depth, true);
    legs_.store(out_, l0c, fractal, fractal, fractal);
    legs_.wait_for_all_slots();
  }

 private:
  const ProbeArguments* arguments_ = nullptr;
  GlobalTensor<half> a_;
  GlobalTensor<half> b_;
  GlobalTensor<float> out_;
  TBuf<TPosition::A1> a_l1_;  // (16, depth), in strips of 128 rows
  TBuf<TPosition::B1> b_l1_;  // (depth, 16), likewise
  CubeLegs<half> legs_;
};

__aicore__ inline void wait_for_each_other(int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    if ASCEND_IS_AIC {
      CrossCoreSetFlag<aic_with_aivs, PIPE_FIX>(scores_ready);
      CrossCoreWaitFlag(weights_ready);
    }
    if ASCEND_IS_AIV {
      CrossCoreWaitFlag(scores_ready);
      CrossCoreSetFlag<aic_with_aivs, PIPE_MTE3>(weights_ready);
    }
  }
}

}  // namespace flash
