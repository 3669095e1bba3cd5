// No more of Ascend C than read_arguments.h needs. A word comes from a function that the compiler
// does not see: it must believe what the loads' types say.
#pragma once

#include <cstdint>

#define __aicore__
#define __gm__
using GM_ADDR = uint8_t*;

int64_t opaque_word(const int64_t* at);

namespace AscendC {

enum class CacheLine { ENTIRE_DATA_CACHE };
enum class DcciDst { CACHELINE_OUT };

template <typename T>
struct GlobalTensor {
  const T* first;
  void SetGlobalBuffer(T* at) { first = at; }
  T GetValue(uint64_t i) const { return opaque_word(first + i); }
};

template <typename T, CacheLine, DcciDst>
void DataCacheCleanAndInvalid(const GlobalTensor<T>&) {}

}  // namespace AscendC
