// Delta of the backward for fp16.
#include "backward/backward.h"

extern "C" __global__ __aicore__ void flash_backward_rows_fp16(GM_ADDR arguments) {
  KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_AIV_ONLY);
  flash::backward_rows<half>(arguments);
}
