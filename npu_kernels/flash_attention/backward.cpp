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

template <typename T>
__aicore__ inline void backward_rows(const GradientAddresses& addresses,
                                     const GradientTiling& tiling) {
  DeltaCore<T> core;
  core.init(addresses, tiling);
  core.process();
}

template <typename T, Pass pass>
__aicore__ inline void backward_pass(const GradientAddresses& addresses,
                                     const GradientTiling& tiling) {
  if ASCEND_IS_AIC {
    GradientCube<T, pass> core;
    core.init(addresses, tiling);
    core.process();
  }
  if ASCEND_IS_AIV {
    GradientVector<T, pass> core;
    core.init(addresses, tiling);
    core.process();
  }
}

__aicore__ inline GradientAddresses of_rows(GM_ADDR out, GM_ADDR dout, GM_ADDR dlse, GM_ADDR delta,
                                            GM_ADDR tables) {
  GradientAddresses addresses{};
  addresses.problem.out = out;
  addresses.problem.tables = tables;
  addresses.dout = dout;
  addresses.dlse = dlse;
  addresses.delta = delta;
  return addresses;
}

}  // namespace flash

extern "C" __global__ __aicore__ void flash_backward_rows_fp16(GM_ADDR out, GM_ADDR dout,
                                                               GM_ADDR dlse, GM_ADDR delta,
                                                               GM_ADDR tables,
                                                               flash::GradientTiling tiling) {
  KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_AIV_ONLY);
  flash::backward_rows<half>(flash::of_rows(out, dout, dlse, delta, tables), tiling);
}

extern "C" __global__ __aicore__ void flash_backward_rows_bf16(GM_ADDR out, GM_ADDR dout,
                                                               GM_ADDR dlse, GM_ADDR delta,
                                                               GM_ADDR tables,
                                                               flash::GradientTiling tiling) {
  KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_AIV_ONLY);
  flash::backward_rows<bfloat16_t>(flash::of_rows(out, dout, dlse, delta, tables), tiling);
}

extern "C" __global__ __aicore__ void flash_backward_keys_fp16(
    GM_ADDR q, GM_ADDR k, GM_ADDR v, GM_ADDR bias, GM_ADDR slopes, GM_ADDR keep, GM_ADDR dropout,
    GM_ADDR dout, GM_ADDR lse, GM_ADDR delta, GM_ADDR dk, GM_ADDR dv, GM_ADDR tables,
    GM_ADDR workspace, flash::GradientTiling tiling) {
  KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_MIX_AIC_1_2);
  flash::backward_pass<half, flash::Pass::keys>(
      {{q, k, v, bias, slopes, nullptr, keep, dropout, nullptr, lse, nullptr, nullptr, tables,
        workspace},
       dout,
       nullptr,
       delta,
       dk,
       dv,
       nullptr},
      tiling);
}

extern "C" __global__ __aicore__ void flash_backward_keys_bf16(
    GM_ADDR q, GM_ADDR k, GM_ADDR v, GM_ADDR bias, GM_ADDR slopes, GM_ADDR keep, GM_ADDR dropout,
    GM_ADDR dout, GM_ADDR lse, GM_ADDR delta, GM_ADDR dk, GM_ADDR dv, GM_ADDR tables,
    GM_ADDR workspace, flash::GradientTiling tiling) {
  KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_MIX_AIC_1_2);
  flash::backward_pass<bfloat16_t, flash::Pass::keys>(
      {{q, k, v, bias, slopes, nullptr, keep, dropout, nullptr, lse, nullptr, nullptr, tables,
        workspace},
       dout,
       nullptr,
       delta,
       dk,
       dv,
       nullptr},
      tiling);
}

extern "C" __global__ __aicore__ void flash_backward_queries_fp16(
    GM_ADDR q, GM_ADDR k, GM_ADDR v, GM_ADDR bias, GM_ADDR slopes, GM_ADDR keep, GM_ADDR dropout,
    GM_ADDR dout, GM_ADDR lse, GM_ADDR delta, GM_ADDR dq, GM_ADDR dx, GM_ADDR tables,
    GM_ADDR workspace, flash::GradientTiling tiling) {
  KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_MIX_AIC_1_2);
  flash::backward_pass<half, flash::Pass::queries>(
      {{q, k, v, bias, slopes, nullptr, keep, dropout, nullptr, lse, nullptr, nullptr, tables,
        workspace},
       dout,
       nullptr,
       delta,
       dq,
       nullptr,
       dx},
      tiling);
}

extern "C" __global__ __aicore__ void flash_backward_queries_bf16(
    GM_ADDR q, GM_ADDR k, GM_ADDR v, GM_ADDR bias, GM_ADDR slopes, GM_ADDR keep, GM_ADDR dropout,
    GM_ADDR dout, GM_ADDR lse, GM_ADDR delta, GM_ADDR dq, GM_ADDR dx, GM_ADDR tables,
    GM_ADDR workspace, flash::GradientTiling tiling) {
  KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_MIX_AIC_1_2);
  flash::backward_pass<bfloat16_t, flash::Pass::queries>(
      {{q, k, v, bias, slopes, nullptr, keep, dropout, nullptr, lse, nullptr, nullptr, tables,
        workspace},
       dout,
       nullptr,
       delta,
       dq,
       nullptr,
       dx},
      tiling);
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
