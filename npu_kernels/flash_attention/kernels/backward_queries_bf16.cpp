// The backward's pass over queries for bf16.
#include "backward/backward.h"

extern "C" __global__ __aicore__ void flash_backward_queries_bf16(GM_ADDR arguments) {
  KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_MIX_AIC_1_2);
  flash::backward_pass<bfloat16_t, flash::Pass::queries>(arguments);
}
