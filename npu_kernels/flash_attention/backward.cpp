// FlashAttention backward for dav-c220 (Atlas A2, A3): the kernels, one per format.
//
// Launched one after the other: rows (delta.h), then the pass over keys (dk, dv) and the one over
// queries (dq), which differ in what their tasks own; then, if asked for, dbias (bias_gradient.h)
// and dsink (sink_gradient.h). Read gradient_sizes.h (passes, budgets),
// gradient_steps.h (what is done in which order), gradient_workspace.h (how the cores meet),
// gradient_cube.h (the products), gradient_vector.h (P and dS), gradient_results.h (what is
// written).
#include "bias_gradient.h"
#include "delta.h"
#include "gradient_cube.h"
#include "gradient_vector.h"
#include "sink_gradient.h"

namespace flash {

template <typename T, Pass pass>
__aicore__ inline void backward_pass(const Addresses& problem, const GradientAddresses& addresses,
                                     const GradientTiling& tiling) {
  if ASCEND_IS_AIC {
    GradientCube<T, pass> core;
    core.init(problem, addresses, tiling);
    core.process();
  }
  if ASCEND_IS_AIV {
    GradientVector<T, pass> core;
    core.init(problem, addresses, tiling);
    core.process();
  }
}

// What a pass reads of the forward's arguments.
__aicore__ inline Addresses problem_of(GM_ADDR q, GM_ADDR k, GM_ADDR v, GM_ADDR bias,
                                       GM_ADDR slopes, GM_ADDR keep, GM_ADDR dropout, GM_ADDR lse,
                                       GM_ADDR tables, GM_ADDR workspace) {
  return Addresses{q,       k,       v,   bias,    slopes,  nullptr, keep,
                   dropout, nullptr, lse, nullptr, nullptr, tables,  workspace};
}

}  // namespace flash

extern "C" __global__ __aicore__ void flash_backward_rows_fp16(GM_ADDR out, GM_ADDR dout,
                                                               GM_ADDR dlse, GM_ADDR delta,
                                                               GM_ADDR tables,
                                                               flash::GradientTiling tiling) {
  KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_AIV_ONLY);
  flash::DeltaCore<half> core;
  core.init(out, dout, dlse, delta, tables, tiling);
  core.process();
}

extern "C" __global__ __aicore__ void flash_backward_rows_bf16(GM_ADDR out, GM_ADDR dout,
                                                               GM_ADDR dlse, GM_ADDR delta,
                                                               GM_ADDR tables,
                                                               flash::GradientTiling tiling) {
  KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_AIV_ONLY);
  flash::DeltaCore<bfloat16_t> core;
  core.init(out, dout, dlse, delta, tables, tiling);
  core.process();
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
  flash::BiasGradient core;
  core.init(dx, dbias, tables, tiling);
  core.process();
}

extern "C" __global__ __aicore__ void flash_backward_sink(GM_ADDR sink, GM_ADDR lse, GM_ADDR delta,
                                                          GM_ADDR dsink,
                                                          flash::GradientTiling tiling) {
  KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_AIV_ONLY);
  flash::SinkGradient core;
  core.init(sink, lse, delta, dsink, tiling);
  core.process();
}
