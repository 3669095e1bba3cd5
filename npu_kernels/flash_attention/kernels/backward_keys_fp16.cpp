// The backward's pass over keys for fp16.
#include "backward/backward.h"

extern "C" __global__ __aicore__ void flash_backward_keys_fp16(GM_ADDR arguments) {
  KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_MIX_AIC_1_2);
  flash::backward_pass<half, flash::Pass::keys>(arguments);
}
