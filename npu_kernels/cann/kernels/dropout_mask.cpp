// Dropout's keep bits, as CANN compiles the kernel: one to a file, and nothing but addresses.
#include "dropout/vector.h"
#include "tiling_at.h"

extern "C" __global__ __aicore__ void ascend_dropout_mask(GM_ADDR bits, GM_ADDR tables,
                                                          GM_ADDR tiling) {
  KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_AIV_ONLY);
  flash::MaskTiling read;
  flash::read_tiling(read, tiling);
  flash::DropoutCore core;
  core.init(bits, tables, read);
  core.process();
}
