// FlashAttention forward for dav-c220 (Atlas A2, A3): the kernels, one per format.
//
// FlashAttention-2, algorithm 1, where the matrix products run on one kind of core (AIC) and the
// softmax on two of another (AIVs). Read sizes.h (tiles, budgets), problem.h (tasks), steps.h (what
// is done in which order), workspace.h (how the cores meet), cube_core.h (Q K^T and P V),
// vector_core.h (online softmax), scores.h and mask_bits.h (what it sees), slab.h (its vector
// instructions), results.h (what is written).
#include "cube_core.h"
#include "vector_core.h"

namespace flash {

template <typename T>
__aicore__ inline void forward(const Addresses& addresses, const Tiling& tiling) {
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
                                                         GM_ADDR bias, GM_ADDR slopes, GM_ADDR sink,
                                                         GM_ADDR keep, GM_ADDR dropout, GM_ADDR out,
                                                         GM_ADDR lse, GM_ADDR softmax_max,
                                                         GM_ADDR softmax_sum, GM_ADDR tables,
                                                         GM_ADDR workspace, flash::Tiling tiling) {
  KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_MIX_AIC_1_2);
  flash::forward<half>({q, k, v, bias, slopes, sink, keep, dropout, out, lse, softmax_max,
                        softmax_sum, tables, workspace},
                       tiling);
}

extern "C" __global__ __aicore__ void flash_forward_bf16(GM_ADDR q, GM_ADDR k, GM_ADDR v,
                                                         GM_ADDR bias, GM_ADDR slopes, GM_ADDR sink,
                                                         GM_ADDR keep, GM_ADDR dropout, GM_ADDR out,
                                                         GM_ADDR lse, GM_ADDR softmax_max,
                                                         GM_ADDR softmax_sum, GM_ADDR tables,
                                                         GM_ADDR workspace, flash::Tiling tiling) {
  KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_MIX_AIC_1_2);
  flash::forward<bfloat16_t>({q, k, v, bias, slopes, sink, keep, dropout, out, lse, softmax_max,
                              softmax_sum, tables, workspace},
                             tiling);
}
