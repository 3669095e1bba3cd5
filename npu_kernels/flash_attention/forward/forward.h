// FlashAttention forward for dav-c220 (Atlas A2, A3): what a kernel of it does.
//
// FlashAttention-2, algorithm 1, where the matrix products run on one kind of core (AIC) and the
// softmax on two of another (AIVs). Read sizes.h (tiles, budgets), problem.h (tasks), steps.h (what
// is done in which order), workspace.h (how the cores meet), cube_core.h (Q K^T and P V),
// vector_core.h (online softmax), scores.h and mask_bits.h (what it sees), slab.h (its vector
// instructions), results.h (what is written).
#pragma once

#include "forward/cube.h"
#include "forward/vector.h"

namespace flash {

template <typename T>
__aicore__ inline void forward(const Addresses& addresses, const Tiling& tiling) {
  if ASCEND_IS_AIC {
    CubeCore<T> core;
    core.init(addresses, tiling);
    core.process();
  }
  if ASCEND_IS_AIV {
    VectorCore<T> core;
    core.init(addresses, tiling);
    core.process();
  }
}

}  // namespace flash
