// The forward for bf16.
#include "forward/forward.h"

extern "C" __global__ __aicore__ void flash_forward_bf16(GM_ADDR arguments) {
  KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_MIX_AIC_1_2);
  flash::forward<bfloat16_t>(arguments);
}
