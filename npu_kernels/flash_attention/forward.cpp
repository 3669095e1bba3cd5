// FlashAttention forward for dav-c220 (Atlas A2, A3): the kernels, one per format.
//
// FlashAttention-2, algorithm 1, where the matrix products run on one kind of core (AIC) and the
// softmax on two of another (AIVs). Read tiling.h (tiles, tasks), steps.h (what is done in which
// order), workspace.h (how the cores meet), cube_core.h (Q K^T and P V), vector_core.h (online
// softmax), slab.h (its vector instructions), results.h (what is written).
#include "cube_core.h"
#include "vector_core.h"

namespace flash {

template <typename T>
__aicore__ inline void forward(const Addresses& addresses, const ForwardTiling& tiling) {
  if ASCEND_IS_AIC {
    CubeCore<T> core;
    core.init(addresses, tiling);
    core.process();
  }
  if ASCEND_IS_AIV {
    VectorCore<T> core;
    core.init(addresses, tiling);
    core.process();
  }
}

}  // namespace flash

extern "C" __global__ __aicore__ void flash_forward_fp16(GM_ADDR q, GM_ADDR k, GM_ADDR v,
                                                         GM_ADDR out, GM_ADDR lse,
                                                         GM_ADDR softmax_max, GM_ADDR softmax_sum,
                                                         GM_ADDR staircase, GM_ADDR workspace,
                                                         flash::ForwardTiling tiling) {
  KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_MIX_AIC_1_2);
  flash::forward<half>({q, k, v, out, lse, softmax_max, softmax_sum, staircase, workspace}, tiling);
}

extern "C" __global__ __aicore__ void flash_forward_bf16(GM_ADDR q, GM_ADDR k, GM_ADDR v,
                                                         GM_ADDR out, GM_ADDR lse,
                                                         GM_ADDR softmax_max, GM_ADDR softmax_sum,
                                                         GM_ADDR staircase, GM_ADDR workspace,
                                                         flash::ForwardTiling tiling) {
  KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_MIX_AIC_1_2);
  flash::forward<bfloat16_t>({q, k, v, out, lse, softmax_max, softmax_sum, staircase, workspace},
                             tiling);
}
