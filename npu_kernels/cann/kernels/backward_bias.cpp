// dbias, as CANN compiles it: one kernel to a file, and nothing but addresses.
#include "backward/backward.h"
#include "tiling_at.h"

extern "C" __global__ __aicore__ void ascend_backward_bias(GM_ADDR dx, GM_ADDR dbias,
                                                           GM_ADDR tables, GM_ADDR tiling) {
  KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_AIV_ONLY);
  flash::GradientTiling read;
  flash::read_tiling(read, tiling);
  flash::backward_bias(dx, dbias, tables, read);
}
