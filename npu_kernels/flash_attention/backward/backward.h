// FlashAttention backward for dav-c220 (Atlas A2, A3): what its kernels do.
//
// Launched one after the other: rows (delta.h), then the pass over keys (dk, dv) and the one over
// queries (dq), which differ in what their tasks own; then, if asked for, dbias (dbias.h) and dsink
// (dsink.h). Read sizes.h (passes, budgets), steps.h (what is done in which order), workspace.h
// (how the cores meet), cube.h (the products), vector.h (P and dS), results.h (what is written).
#pragma once

#include "kernel_operator.h"

#include "backward/arguments.h"
#include "backward/cube.h"
#include "backward/dbias.h"
#include "backward/delta.h"
#include "backward/dsink.h"
#include "backward/vector.h"
#include "common/read_arguments.h"

namespace flash {

// One kind of core does everything.
template <typename Core>
__aicore__ inline void process(GM_ADDR at) {
  BackwardArguments arguments;
  read_arguments(arguments, at);
  TPipe pipe;
  Core core;
  core.init(pipe, arguments);
  core.process();
}

template <typename T>
__aicore__ inline void backward_rows(GM_ADDR at) {
  process<DeltaCore<T>>(at);
}

template <typename T, Pass pass>
__aicore__ inline void backward_pass(GM_ADDR at) {
  if ASCEND_IS_AIC {
    process<GradientCube<T, pass>>(at);
  }
  if ASCEND_IS_AIV {
    process<GradientVector<T, pass>>(at);
  }
}

__aicore__ inline void backward_bias(GM_ADDR at) {
  process<BiasGradient>(at);
}

__aicore__ inline void backward_sink(GM_ADDR at) {
  process<SinkGradient>(at);
}

}  // namespace flash
