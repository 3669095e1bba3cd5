// Exp as the emulator computes it: without libm, so that every machine gives the same bits.
#pragma once

#include <cstdint>

#include "numbers/formats.h"
#include "numbers/scramble.h"

namespace emulator {

// x = n ln 2 + r, |r| <= ln(2)/2; e^r by its Taylor series to r^12 in fp64 (truncation 2e-16).
inline float exp_from_polynomial(float x) {
  constexpr double log2_e = 1.4426950408889634;
  constexpr double ln2_high = 0.693147180369123816490;  // 33 bits: n * ln2_high is exact
  constexpr double ln2_low = 1.90821492927058770002e-10;
  constexpr double round_to_integer = 0x1.8p52;
  // Beyond these the result is 0 or infinity in fp32 whatever the rest does.
  float bounded = x < -110.0f ? -110.0f : x;
  bounded = bounded > 90.0f ? 90.0f : bounded;
  const double wide = static_cast<double>(bounded);
  const double shifted = wide * log2_e + round_to_integer;
  const double n = shifted - round_to_integer;
  const double r = (wide - n * ln2_high) - n * ln2_low;
  double p = 1.0 / 479001600.0;
  p = p * r + 1.0 / 39916800.0;
  p = p * r + 1.0 / 3628800.0;
  p = p * r + 1.0 / 362880.0;
  p = p * r + 1.0 / 40320.0;
  p = p * r + 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  p = p * r + 1.0;
  p = p * r + 1.0;
  const uint64_t integer = bit_cast<uint64_t>(shifted);  // n in the low bits, two's complement
  const double scale = bit_cast<double>((integer << 52) + (uint64_t{1023} << 52));
  const float result = static_cast<float>(p * scale);
  return x != x ? x : result;
}

// A number of ulps in [-most, most], fixed by the argument and the seed.
inline int32_t ulps_off(float argument, int most, uint32_t seed) {
  const uint32_t h = scramble(bit_cast<uint32_t>(argument), seed);
  const uint32_t choices = 2 * static_cast<uint32_t>(most) + 1;
  return static_cast<int32_t>(((h >> 16) * choices) >> 16) - most;
}

// Positive numbers only, and never across 0 or infinity.
inline float disturbed(float y, float argument, int most, uint32_t seed) {
  const int32_t bits = bit_cast<int32_t>(y);
  const int32_t moved = bits + ulps_off(argument, most, seed);
  const bool stays = (bits > most) & (bits < 0x7F800000 - most);
  return bit_cast<float>(stays ? moved : bits);
}

inline uint16_t disturbed_half(uint16_t y, float argument, int most, uint32_t seed) {
  if (y <= most || y >= 0x7C00 - most) return y;
  return static_cast<uint16_t>(y + ulps_off(argument, most, seed));
}

}  // namespace emulator
