// What AIC and AIVs of a group pass to each other in the backward: tiles in GM, and flags.
#pragma once

#include "kernel_operator.h"

#include "backward/arguments.h"
#include "common/workspace.h"

namespace flash {

// A copy of neighbouring fp32 values, such as statistics of rows.
__aicore__ inline DataCopyExtParams row_of(int64_t count) {
  DataCopyExtParams copy;
  copy.blockCount = 1;
  copy.blockLen = u32(count * float_bytes);
  copy.srcStride = 0;
  copy.dstStride = 0;
  return copy;
}

// Cross-core flags, mode 2, beside aic_with_aivs of the forward.
constexpr uint16_t products_ready = 4;  // AIC: S and dP of a step are in the workspace
constexpr uint16_t tiles_ready = 5;     // AIVs: P and dS are
constexpr uint16_t sums_ready = 6;      // AIC: the sums of a task are complete

// Two slots of each tile, by step, and of the sums, by task. No flag says that a slot is free
// again: whoever writes has waited for something that the slot's reader made.
//   S, dP(s+2): the AIC has waited for P and dS(s), made from S and dP(s).
//   P, dS(s+2): the AIVs have waited for S(s+2), which the cube stored after its sums of step s.
//   Sums of task t+2: their first step comes two steps or more after the last of t, and the AIC has
//   waited for its tiles, which each AIV stored after the results of t.
// An AIV without rows in a short block makes nothing, yet sets and waits for every flag.
template <typename T>
struct GradientWorkspace {
  GlobalTensor<float> scores[slots];      // S: (tiles, block_q, block_k)
  GlobalTensor<float> dweights[slots];    // dP: the same
  GlobalTensor<T> weights[slots];         // P
  GlobalTensor<T> dscores[slots];         // dS
  GlobalTensor<float> first_sum[slots];   // dk or dq: (128, head_dim rounded up to 16)
  GlobalTensor<float> second_sum[slots];  // dv: (128, head_dim_v rounded up to 16)

  __aicore__ inline void init(GM_ADDR workspace, int64_t group, int64_t head_dim,
                              int64_t head_dim_v) {
    const int64_t tiles = gradient_tiles(head_dim, head_dim_v);
    GM_ADDR at = workspace + group * gradient_group_bytes(head_dim, head_dim_v);
    for (int64_t slot = 0; slot < slots; ++slot) {
      at = place(scores[slot], at, tiles * scores_bytes);
      at = place(dweights[slot], at, tiles * scores_bytes);
      at = place(weights[slot], at, tiles * weights_bytes);
      at = place(dscores[slot], at, tiles * weights_bytes);
      at = place(first_sum[slot], at, sum_bytes(head_dim));
      at = place(second_sum[slot], at, sum_bytes(head_dim_v));
    }
  }
};

}  // namespace flash
