// How a kernel gets its arguments: it is given one address in GM, and reads a struct from there.
// The stub generator of CANN 8.x knows pointers and numbers only, no struct of ours.
#pragma once

#include "kernel_operator.h"

namespace flash {

// The words are copied, not written through a pointer to words: a compiler may assume that no field
// of another type changes by that.
template <typename Arguments>
__aicore__ inline void read_arguments(Arguments& arguments, GM_ADDR at) {
  constexpr uint64_t word_bytes = sizeof(int64_t);
  static_assert(sizeof(Arguments) % word_bytes == 0, "read by words");
  AscendC::GlobalTensor<int64_t> words;
  words.SetGlobalBuffer(reinterpret_cast<__gm__ int64_t*>(at));
  // The scalar unit reads GM through its data cache, which may hold what was there before this
  // launch. Once for all that a core reads so: these, tables, slopes and sinks.
  AscendC::DataCacheCleanAndInvalid<int64_t, AscendC::CacheLine::ENTIRE_DATA_CACHE,
                                    AscendC::DcciDst::CACHELINE_OUT>(words);
  auto* bytes = reinterpret_cast<uint8_t*>(&arguments);
  for (uint64_t i = 0; i < sizeof(Arguments) / word_bytes; ++i) {
    const int64_t word = words.GetValue(i);
    __builtin_memcpy(bytes + i * word_bytes, &word, word_bytes);
  }
}

}  // namespace flash
