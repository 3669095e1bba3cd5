// Gather: elements of UB picked by byte offsets.
#pragma once

#include "api/vector_reduce.h"

namespace emulator {

void gather_elements(Type type, const Place& dst, const Place& src, const Place& offsets,
                     int64_t base, int64_t count, Site site);

}  // namespace emulator

namespace AscendC {

// dst[i] = the element of src at byte srcBaseAddr + srcOffset[i]. A count of 0 does nothing.
template <typename T>
void Gather(const LocalTensor<T>& dst, const LocalTensor<T>& src,
            const LocalTensor<uint32_t>& srcOffset, uint32_t srcBaseAddr, uint32_t count,
            Site site = Site()) {
  emulator::gather_elements(emulator::type_of<T>, dst.place(), src.place(), srcOffset.place(),
                            srcBaseAddr, count, site);
}

}  // namespace AscendC
