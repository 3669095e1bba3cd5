// Bits that look random, and are the same in every run: by a word and a seed.
#pragma once

#include <cstdint>

namespace emulator {

inline uint32_t fold(uint64_t seed) {
  return static_cast<uint32_t>(seed ^ (seed >> 32));
}

inline uint32_t scramble(uint32_t word, uint32_t seed) {
  uint32_t h = word ^ seed;
  h = (h ^ (h >> 16)) * 0x7FEB352Du;
  h = (h ^ (h >> 15)) * 0x846CA68Bu;
  return h ^ (h >> 16);
}

}  // namespace emulator
