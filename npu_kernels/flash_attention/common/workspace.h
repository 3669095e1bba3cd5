// What AIC and AIVs of a group pass to each other: tiles in GM, and a flag for each kind.
#pragma once

#include "kernel_operator.h"

#include "common/addresses.h"
#include "common/sizes.h"

namespace flash {

using namespace AscendC;

constexpr __aicore__ inline uint16_t u16(int64_t n) {
  return static_cast<uint16_t>(n);
}
constexpr __aicore__ inline uint32_t u32(int64_t n) {
  return static_cast<uint32_t>(n);
}

__aicore__ inline GM_ADDR gm(Address address) {
  return reinterpret_cast<GM_ADDR>(address);
}

// Lets `tensor` begin at `at`. Returns where it ends.
template <typename U>
__aicore__ inline GM_ADDR place(GlobalTensor<U>& tensor, GM_ADDR at, int64_t bytes) {
  tensor.SetGlobalBuffer(reinterpret_cast<__gm__ U*>(at), static_cast<uint64_t>(bytes) / sizeof(U));
  return at + bytes;
}

// Cross-core flags, mode 2: the AIC raises both AIVs', or both AIVs together raise the AIC's.
constexpr uint8_t aic_with_aivs = 2;
constexpr uint16_t scores_ready = 4;   // AIC: S of a step is in the workspace
constexpr uint16_t weights_ready = 5;  // AIVs: P is
constexpr uint16_t partial_ready = 6;  // AIC: P V is

// Two slots of each tile. No flag says that a slot is free again: whoever writes step s + 2 has
// waited for something that its reader made from step s.
//   S(s+2): the AIC has waited for P(s), made from S(s).
//   P(s+2): the AIVs have waited for S(s+2), which the cube made after P(s) V.
//   P V(s+2): the AIC has waited for P(s+2), which each AIV made after it had added P V(s) to acc.
// An AIV without rows in a short block makes nothing, yet sets and waits for every flag: the AIC
// counts both. Its rows of the slots then stay as they are, too.
template <typename T>
struct Workspace {
  GlobalTensor<float> scores[slots];   // (blocks, tiles, block_q, block_k)
  GlobalTensor<T> weights[slots];      // (blocks, tiles, block_q, block_k)
  GlobalTensor<float> partial[slots];  // (blocks, block_q, head_dim_v rounded up to 16)

  __aicore__ inline void init(GM_ADDR workspace, int64_t group, int64_t head_dim,
                              int64_t head_dim_v) {
    const int64_t blocks = most_blocks(head_dim, head_dim_v);
    const int64_t tiles = step_tiles(head_dim, head_dim_v);
    GM_ADDR at = workspace + group * group_workspace_bytes(head_dim, head_dim_v);
    for (int64_t slot = 0; slot < slots; ++slot) {
      at = place(scores[slot], at, blocks * tiles * scores_bytes);
      at = place(weights[slot], at, blocks * tiles * weights_bytes);
      at = place(partial[slot], at, blocks * partial_bytes(head_dim_v));
    }
  }
};

}  // namespace flash
