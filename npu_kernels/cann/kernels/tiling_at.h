// The tiling as a kernel on a device is given it: by address. The stubs that ascendc_library
// generates know pointers and numbers only, no struct of ours.
#pragma once

#include "kernel_operator.h"

namespace flash {

template <typename Tiling>
__aicore__ inline void read_tiling(Tiling& tiling, GM_ADDR at) {
  static_assert(sizeof(Tiling) % sizeof(int64_t) == 0, "read by words");
  AscendC::GlobalTensor<int64_t> words;
  words.SetGlobalBuffer(reinterpret_cast<__gm__ int64_t*>(at));
  auto* to = reinterpret_cast<int64_t*>(&tiling);
  for (uint64_t word = 0; word < sizeof(Tiling) / sizeof(int64_t); ++word) {
    to[word] = words.GetValue(word);
  }
}

}  // namespace flash
