// dsink, as CANN compiles it: one kernel to a file, and nothing but addresses.
#include "backward/backward.h"
#include "tiling_at.h"

extern "C" __global__ __aicore__ void ascend_backward_sink(GM_ADDR sink, GM_ADDR lse, GM_ADDR delta,
                                                           GM_ADDR dsink, GM_ADDR tiling) {
  KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_AIV_ONLY);
  flash::GradientTiling read;
  flash::read_tiling(read, tiling);
  flash::backward_sink(sink, lse, delta, dsink, read);
}
