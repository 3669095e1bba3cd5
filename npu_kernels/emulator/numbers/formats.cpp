// Rounding of fp32 to 16 bits in every mode that Cast knows.
#include "numbers/formats.h"

namespace emulator {
namespace {

using AscendC::RoundMode;

struct Target {
  int significand;        // explicit bits
  int exponent_of_least;  // of the smallest subnormal: its spacing
  uint32_t infinity;      // bits
};

constexpr Target half_target{10, -24, 0x7C00};
constexpr Target bf16_target{7, -133, 0x7F80};

// Does the discarded part, `rest` of `unit`, push the magnitude up?
bool rounds_up(uint64_t kept, uint64_t rest, uint64_t unit, bool negative, RoundMode mode) {
  switch (mode) {
    case RoundMode::CAST_FLOOR:
      return negative && rest != 0;
    case RoundMode::CAST_CEIL:
      return !negative && rest != 0;
    case RoundMode::CAST_TRUNC:
      return false;
    case RoundMode::CAST_ROUND:
      return 2 * rest >= unit;
    case RoundMode::CAST_ODD:
      return rest != 0 && kept % 2 == 0;
    default:
      return 2 * rest > unit || (2 * rest == unit && kept % 2 == 1);
  }
}

uint16_t narrow(float x, const Target& target, RoundMode mode) {
  const uint32_t bits = bit_cast<uint32_t>(x);
  const bool negative = (bits >> 31) != 0;
  const uint16_t sign = negative ? 0x8000 : 0;
  const uint32_t magnitude = bits & 0x7FFFFFFFu;
  if (magnitude >= 0x7F800000u) return static_cast<uint16_t>(sign | target.infinity);
  // |x| = significand * 2^exponent
  const int biased = static_cast<int>(magnitude >> 23);
  const uint64_t significand = (magnitude & 0x7FFFFFu) | (biased != 0 ? 0x800000u : 0u);
  const int exponent = (biased != 0 ? biased : 1) - 150;
  // Keep 1 + target.significand bits, fewer below the smallest normal number.
  int drop = 23 - target.significand;
  if (exponent + drop < target.exponent_of_least) drop = target.exponent_of_least - exponent;
  if (drop > 60) drop = 60;
  const uint64_t unit = uint64_t{1} << drop;
  uint64_t kept = significand / unit;
  if (rounds_up(kept, significand % unit, unit, negative, mode)) ++kept;
  // In units of the smallest subnormal, the encoding is kept plus whole binades.
  const int binades = exponent + drop - target.exponent_of_least;
  uint64_t code = kept;
  if (binades > 0) code += static_cast<uint64_t>(binades) << target.significand;
  if (code >= target.infinity) {
    const bool towards_zero = mode == RoundMode::CAST_TRUNC || mode == RoundMode::CAST_ODD ||
                              (mode == RoundMode::CAST_FLOOR && !negative) ||
                              (mode == RoundMode::CAST_CEIL && negative);
    code = towards_zero ? target.infinity - 1 : target.infinity;
  }
  return static_cast<uint16_t>(sign | code);
}

}  // namespace

uint16_t float_to_half(float x, RoundMode mode) {
  if (mode == RoundMode::CAST_RINT || mode == RoundMode::CAST_NONE || x != x)
    return float_to_half(x);
  return narrow(x, half_target, mode);
}

uint16_t float_to_bf16(float x, RoundMode mode) {
  if (mode == RoundMode::CAST_RINT || x != x) return float_to_bf16(x);
  return narrow(x, bf16_target, mode);
}

}  // namespace emulator
