// Probes of a vector core.
#include "probe/probe.h"

extern "C" __global__ __aicore__ void flash_probe_vector(GM_ADDR arguments) {
  KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_AIV_ONLY);
  flash::probe_vector(arguments);
}
