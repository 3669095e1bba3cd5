// Dropout's keep bits for dav-c220 (Atlas A2, A3), on its vector cores alone. Read
// dropout_problem.h (tasks, tables), dropout_core.h (from elements to tiles of bits), philox.h.
#include "dropout/vector.h"

extern "C" __global__ __aicore__ void dropout_mask(GM_ADDR bits, GM_ADDR tables,
                                                   flash::MaskTiling tiling) {
  KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_AIV_ONLY);
  flash::DropoutCore core;
  core.init(bits, tables, tiling);
  core.process();
}
