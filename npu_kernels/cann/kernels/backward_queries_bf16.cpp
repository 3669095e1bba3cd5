// The backward's pass over queries for bf16, as CANN compiles it: one kernel to a file, and nothing
// but addresses.
#include "backward/backward.h"
#include "tiling_at.h"

extern "C" __global__ __aicore__ void ascend_backward_queries_bf16(
    GM_ADDR q, GM_ADDR k, GM_ADDR v, GM_ADDR bias, GM_ADDR slopes, GM_ADDR keep, GM_ADDR dropout,
    GM_ADDR dout, GM_ADDR lse, GM_ADDR delta, GM_ADDR dq, GM_ADDR dx, GM_ADDR tables,
    GM_ADDR workspace, GM_ADDR tiling) {
  KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_MIX_AIC_1_2);
  flash::GradientTiling read;
  flash::read_tiling(read, tiling);
  flash::backward_pass<bfloat16_t, flash::Pass::queries>(
      flash::problem_of(q, k, v, bias, slopes, keep, dropout, lse, tables, workspace),
      {dout, delta, dq, nullptr, dx}, read);
}
