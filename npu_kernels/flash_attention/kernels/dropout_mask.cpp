// Dropout's keep bits.
#include "dropout/vector.h"

extern "C" __global__ __aicore__ void flash_dropout_mask(GM_ADDR arguments) {
  KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_AIV_ONLY);
  flash::dropout_mask(arguments);
}
