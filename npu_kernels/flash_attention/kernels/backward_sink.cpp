// dsink.
#include "backward/backward.h"

extern "C" __global__ __aicore__ void flash_backward_sink(GM_ADDR arguments) {
  KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_AIV_ONLY);
  flash::backward_sink(arguments);
}
