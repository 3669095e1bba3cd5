// Probes of a group.
#include "probe/probe.h"

extern "C" __global__ __aicore__ void flash_probe_cube(GM_ADDR arguments) {
  KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_MIX_AIC_1_2);
  flash::probe_cube(arguments);
}
