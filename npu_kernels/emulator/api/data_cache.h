// Maintenance of the data cache, through which the scalar unit reads GM.
#pragma once

#include "api/tensor.h"

namespace AscendC {

enum class CacheLine : uint64_t { SINGLE_CACHE_LINE, ENTIRE_DATA_CACHE };
enum class DcciDst : uint64_t {
  CACHELINE_ALL,
  CACHELINE_UB,
  CACHELINE_OUT,
  CACHELINE_ATOMIC,
};

// The line of `dst`, from its address on, or everything. Nothing is written back: GM has no
// SetValue here.
template <typename T, CacheLine entireType, DcciDst dcciDst = DcciDst::CACHELINE_ALL>
void DataCacheCleanAndInvalid(const GlobalTensor<T>& dst, Site site = Site()) {
  static_assert(dcciDst == DcciDst::CACHELINE_OUT || dcciDst == DcciDst::CACHELINE_ALL,
                "GM: CACHELINE_OUT; atomics are not for this chip");
  constexpr bool all = entireType == CacheLine::ENTIRE_DATA_CACHE;
  emulator::drop_from_cache(dst.place(), all, site);
}

}  // namespace AscendC
