// FlashAttention forward for dav-c220 (Atlas A2, A3): what a kernel of it does.
//
// FlashAttention-2, algorithm 1, where the matrix products run on one kind of core (AIC) and the
// softmax on two of another (AIVs). Read common/sizes.h (tiles, budgets), common/problem.h (tasks),
// common/steps.h (what is done in which order), common/workspace.h (how the cores meet),
// forward/cube.h (Q K^T and P V), forward/vector.h (online softmax), common/scores.h and
// common/mask_bits.h (what it sees), common/row_slab.h (its vector instructions), forward/results.h
// (what is written).
#pragma once

#include "kernel_operator.h"

#include "common/read_arguments.h"
#include "forward/arguments.h"
#include "forward/cube.h"
#include "forward/vector.h"

namespace flash {

template <typename T>
__aicore__ inline void forward(GM_ADDR at) {
  ForwardArguments arguments;
  read_arguments(arguments, at);
  TPipe pipe;  // outside of the core: an object that holds it stays in memory
  if ASCEND_IS_AIC {
    CubeCore<T> core;
    core.init(pipe, arguments.addresses, arguments.tiling);
    core.process();
  }
  if ASCEND_IS_AIV {
    VectorCore<T> core;
    core.init(pipe, arguments.addresses, arguments.tiling);
    core.process();
  }
}

}  // namespace flash
