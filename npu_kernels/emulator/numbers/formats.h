// half and bfloat16_t: storage types of 16 bits, and conversions that give the same bits anywhere.
#pragma once

#include <cstdint>
#include <cstring>

namespace AscendC {

// CANN's names. CAST_ROUND is half away from zero, CAST_RINT half to even.
enum class RoundMode : uint8_t {
  CAST_NONE,
  CAST_RINT,
  CAST_FLOOR,
  CAST_CEIL,
  CAST_ROUND,
  CAST_TRUNC,
  CAST_ODD,
};

}  // namespace AscendC

namespace emulator {

template <typename To, typename From>
inline To bit_cast(const From& from) {
  static_assert(sizeof(To) == sizeof(From), "bit_cast keeps the size");
  To to;
  std::memcpy(&to, &from, sizeof(To));
  return to;
}

// Exact. Branch-free, so that loops over it vectorise.
inline float half_to_float(uint16_t h) {
  const uint32_t sign = static_cast<uint32_t>(h & 0x8000u) << 16;
  const uint32_t magnitude = h & 0x7FFFu;
  // Subnormals: the magnitude is an integer number of 2^-24.
  const float small = static_cast<float>(static_cast<int32_t>(magnitude)) * 0x1p-24f;
  const uint32_t normal = (magnitude << 13) + (112u << 23);
  const uint32_t special = (magnitude << 13) | 0x7F800000u;
  uint32_t bits = magnitude >= 0x7C00u ? special : normal;
  bits = magnitude < 0x0400u ? bit_cast<uint32_t>(small) : bits;
  return bit_cast<float>(bits | sign);
}

// To nearest, ties to even. NaN stays NaN, too large becomes infinity.
inline uint16_t float_to_half(float x) {
  const uint32_t bits = bit_cast<uint32_t>(x);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const uint32_t magnitude = bits & 0x7FFFFFFFu;
  // Below 2^-14: adding 1/2 rounds at the spacing of half's subnormals, 2^-24.
  const float shifted = bit_cast<float>(magnitude < 0x38800000u ? magnitude : 0u) + 0.5f;
  const uint32_t small = bit_cast<uint32_t>(shifted) - 0x3F000000u;
  const uint32_t odd = (magnitude >> 13) & 1u;
  const uint32_t normal = (magnitude - (112u << 23) + 0x0FFFu + odd) >> 13;
  const uint32_t nan = 0x7E00u | ((magnitude >> 13) & 0x1FFu);
  uint32_t result = magnitude < 0x38800000u ? small : normal;
  result = magnitude >= 0x477FF000u ? 0x7C00u : result;
  result = magnitude > 0x7F800000u ? nan : result;
  return static_cast<uint16_t>(result | sign);
}

inline float bf16_to_float(uint16_t b) {
  return bit_cast<float>(static_cast<uint32_t>(b) << 16);
}

inline uint16_t float_to_bf16(float x) {
  const uint32_t bits = bit_cast<uint32_t>(x);
  const uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
  const uint32_t nan = (bits >> 16) | 0x0040u;
  return static_cast<uint16_t>((bits & 0x7FFFFFFFu) > 0x7F800000u ? nan : rounded);
}

// Every mode. One value at a time: for the rarer modes.
uint16_t float_to_half(float x, AscendC::RoundMode mode);
uint16_t float_to_bf16(float x, AscendC::RoundMode mode);

// CTRL[48] = 0: infinities become the largest number, NaN becomes 0.
inline uint16_t saturated(uint16_t bits, bool bf16) {
  const uint16_t infinity = bf16 ? 0x7F80 : 0x7C00;
  const uint16_t magnitude = bits & 0x7FFF;
  if (magnitude < infinity) return bits;
  if (magnitude > infinity) return 0;
  return static_cast<uint16_t>((bits & 0x8000) | (infinity - 1));
}

}  // namespace emulator

// Values of 16 bits as the kernel sees them. Arithmetic goes through the vector unit, never here.
struct half {
  uint16_t bits;
  half() = default;
  explicit half(float x) : bits(emulator::float_to_half(x)) {}
  explicit operator float() const { return emulator::half_to_float(bits); }
};

struct bfloat16_t {
  uint16_t bits;
  bfloat16_t() = default;
  explicit bfloat16_t(float x) : bits(emulator::float_to_bf16(x)) {}
  explicit operator float() const { return emulator::bf16_to_float(bits); }
};

namespace emulator {

enum class Type : uint8_t { f32, f16, bf16, i32, u32, i16, u16, i8, u8, u64 };

template <typename T>
struct TypeOf;
template <>
struct TypeOf<float> {
  static constexpr Type value = Type::f32;
};
template <>
struct TypeOf<half> {
  static constexpr Type value = Type::f16;
};
template <>
struct TypeOf<bfloat16_t> {
  static constexpr Type value = Type::bf16;
};
template <>
struct TypeOf<int32_t> {
  static constexpr Type value = Type::i32;
};
template <>
struct TypeOf<uint32_t> {
  static constexpr Type value = Type::u32;
};
template <>
struct TypeOf<int16_t> {
  static constexpr Type value = Type::i16;
};
template <>
struct TypeOf<uint16_t> {
  static constexpr Type value = Type::u16;
};
template <>
struct TypeOf<int8_t> {
  static constexpr Type value = Type::i8;
};
template <>
struct TypeOf<uint8_t> {
  static constexpr Type value = Type::u8;
};
template <>
struct TypeOf<uint64_t> {
  static constexpr Type value = Type::u64;
};

template <typename T>
constexpr Type type_of = TypeOf<T>::value;

constexpr int64_t size_of(Type type) {
  switch (type) {
    case Type::u64:
      return 8;
    case Type::f32:
    case Type::i32:
    case Type::u32:
      return 4;
    case Type::i8:
    case Type::u8:
      return 1;
    default:
      return 2;
  }
}

constexpr const char* name_of(Type type) {
  constexpr const char* names[] = {"float",   "half",     "bfloat16_t", "int32_t", "uint32_t",
                                   "int16_t", "uint16_t", "int8_t",     "uint8_t", "uint64_t"};
  return names[static_cast<int>(type)];
}

}  // namespace emulator
