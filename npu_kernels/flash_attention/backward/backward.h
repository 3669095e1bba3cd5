// FlashAttention backward for dav-c220 (Atlas A2, A3): what its kernels run, for either format.
//
// Launched one after the other: rows (delta.h), then the pass over keys (dk, dv) and the one over
// queries (dq), which differ in what their tasks own; then, if asked for, dbias (bias_gradient.h)
// and dsink (sink_gradient.h). Read gradient_sizes.h (passes, budgets), gradient_steps.h (what is
// done in which order), gradient_workspace.h (how the cores meet), gradient_cube.h (the products),
// gradient_vector.h (P and dS), gradient_results.h (what is written).
#pragma once

#include "backward/cube.h"
#include "backward/dbias.h"
#include "backward/delta.h"
#include "backward/dsink.h"
#include "backward/vector.h"

namespace flash {

template <typename T>
__aicore__ inline void backward_rows(GM_ADDR out, GM_ADDR dout, GM_ADDR dlse, GM_ADDR delta,
                                     GM_ADDR tables, const GradientTiling& tiling) {
  DeltaCore<T> core;
  core.init(out, dout, dlse, delta, tables, tiling);
  core.process();
}

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

__aicore__ inline void backward_bias(GM_ADDR dx, GM_ADDR dbias, GM_ADDR tables,
                                     const GradientTiling& tiling) {
  BiasGradient core;
  core.init(dx, dbias, tables, tiling);
  core.process();
}

__aicore__ inline void backward_sink(GM_ADDR sink, GM_ADDR lse, GM_ADDR delta, GM_ADDR dsink,
                                     const GradientTiling& tiling) {
  SinkGradient core;
  core.init(sink, lse, delta, dsink, tiling);
  core.process();
}

}  // namespace flash
