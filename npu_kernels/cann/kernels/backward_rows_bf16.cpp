// Delta of the backward for bf16, as CANN compiles it: one kernel to a file, and nothing but
// addresses.
#include "backward/backward.h"
#include "tiling_at.h"

extern "C" __global__ __aicore__ void ascend_backward_rows_bf16(GM_ADDR out, GM_ADDR dout,
                                                                GM_ADDR dlse, GM_ADDR delta,
                                                                GM_ADDR tables, GM_ADDR tiling) {
  KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_AIV_ONLY);
  flash::GradientTiling read;
  flash::read_tiling(read, tiling);
  flash::backward_rows<bfloat16_t>(out, dout, dlse, delta, tables, read);
}
