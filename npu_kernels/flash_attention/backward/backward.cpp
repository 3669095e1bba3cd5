// The backward's kernels, one per format and step.
#include "backward/backward.h"

extern "C" __global__ __aicore__ void flash_backward_rows_fp16(GM_ADDR out, GM_ADDR dout,
                                                               GM_ADDR dlse, GM_ADDR delta,
                                                               GM_ADDR tables,
                                                               flash::GradientTiling tiling) {
  KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_AIV_ONLY);
  flash::backward_rows<half>(out, dout, dlse, delta, tables, tiling);
}

extern "C" __global__ __aicore__ void flash_backward_rows_bf16(GM_ADDR out, GM_ADDR dout,
                                                               GM_ADDR dlse, GM_ADDR delta,
                                                               GM_ADDR tables,
                                                               flash::GradientTiling tiling) {
  KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_AIV_ONLY);
  flash::backward_rows<bfloat16_t>(out, dout, dlse, delta, tables, tiling);
}

extern "C" __global__ __aicore__ void flash_backward_keys_fp16(
    GM_ADDR q, GM_ADDR k, GM_ADDR v, GM_ADDR bias, GM_ADDR slopes, GM_ADDR keep, GM_ADDR dropout,
    GM_ADDR dout, GM_ADDR lse, GM_ADDR delta, GM_ADDR dk, GM_ADDR dv, GM_ADDR tables,
    GM_ADDR workspace, flash::GradientTiling tiling) {
  KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_MIX_AIC_1_2);
  flash::backward_pass<half, flash::Pass::keys>(
      flash::problem_of(q, k, v, bias, slopes, keep, dropout, lse, tables, workspace),
      {dout, delta, dk, dv, nullptr}, tiling);
}

extern "C" __global__ __aicore__ void flash_backward_keys_bf16(
    GM_ADDR q, GM_ADDR k, GM_ADDR v, GM_ADDR bias, GM_ADDR slopes, GM_ADDR keep, GM_ADDR dropout,
    GM_ADDR dout, GM_ADDR lse, GM_ADDR delta, GM_ADDR dk, GM_ADDR dv, GM_ADDR tables,
    GM_ADDR workspace, flash::GradientTiling tiling) {
  KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_MIX_AIC_1_2);
  flash::backward_pass<bfloat16_t, flash::Pass::keys>(
      flash::problem_of(q, k, v, bias, slopes, keep, dropout, lse, tables, workspace),
      {dout, delta, dk, dv, nullptr}, tiling);
}

extern "C" __global__ __aicore__ void flash_backward_queries_fp16(
    GM_ADDR q, GM_ADDR k, GM_ADDR v, GM_ADDR bias, GM_ADDR slopes, GM_ADDR keep, GM_ADDR dropout,
    GM_ADDR dout, GM_ADDR lse, GM_ADDR delta, GM_ADDR dq, GM_ADDR dx, GM_ADDR tables,
    GM_ADDR workspace, flash::GradientTiling tiling) {
  KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_MIX_AIC_1_2);
  flash::backward_pass<half, flash::Pass::queries>(
      flash::problem_of(q, k, v, bias, slopes, keep, dropout, lse, tables, workspace),
      {dout, delta, dq, nullptr, dx}, tiling);
}

extern "C" __global__ __aicore__ void flash_backward_queries_bf16(
    GM_ADDR q, GM_ADDR k, GM_ADDR v, GM_ADDR bias, GM_ADDR slopes, GM_ADDR keep, GM_ADDR dropout,
    GM_ADDR dout, GM_ADDR lse, GM_ADDR delta, GM_ADDR dq, GM_ADDR dx, GM_ADDR tables,
    GM_ADDR workspace, flash::GradientTiling tiling) {
  KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_MIX_AIC_1_2);
  flash::backward_pass<bfloat16_t, flash::Pass::queries>(
      flash::problem_of(q, k, v, bias, slopes, keep, dropout, lse, tables, workspace),
      {dout, delta, dq, nullptr, dx}, tiling);
}

extern "C" __global__ __aicore__ void flash_backward_bias(GM_ADDR dx, GM_ADDR dbias, GM_ADDR tables,
                                                          flash::GradientTiling tiling) {
  KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_AIV_ONLY);
  flash::backward_bias(dx, dbias, tables, tiling);
}

extern "C" __global__ __aicore__ void flash_backward_sink(GM_ADDR sink, GM_ADDR lse, GM_ADDR delta,
                                                          GM_ADDR dsink,
                                                          flash::GradientTiling tiling) {
  KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_AIV_ONLY);
  flash::backward_sink(sink, lse, delta, dsink, tiling);
}
