// Delta of the backward for bf16.
#include "backward/backward.h"

extern "C" __global__ __aicore__ void flash_backward_rows_bf16(GM_ADDR arguments) {
  KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_AIV_ONLY);
  flash::backward_rows<bfloat16_t>(arguments);
}
