// The forward for fp16, as CANN compiles it: one kernel to a file, and nothing but addresses.
#include "forward/forward.h"
#include "tiling_at.h"

extern "C" __global__ __aicore__ void ascend_forward_fp16(
    GM_ADDR q, GM_ADDR k, GM_ADDR v, GM_ADDR bias, GM_ADDR slopes, GM_ADDR sink, GM_ADDR keep,
    GM_ADDR dropout, GM_ADDR out, GM_ADDR lse, GM_ADDR softmax_max, GM_ADDR softmax_sum,
    GM_ADDR tables, GM_ADDR workspace, GM_ADDR tiling) {
  KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_MIX_AIC_1_2);
  flash::Tiling read;
  flash::read_tiling(read, tiling);
  flash::forward<half>({q, k, v, bias, slopes, sink, keep, dropout, out, lse, softmax_max,
                        softmax_sum, tables, workspace},
                       read);
}
