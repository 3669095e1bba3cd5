// Integer and bit operations of the vector unit.
#include <limits>
#include <type_traits>

#include "lanes.h"

namespace emulator {
namespace {

// Integers: computed in 64 bits; what does not fit is not documented.
template <typename T, VectorOp op>
void integers(void* d, const void* a, const void* b, LaneContext& c, int64_t n) {
  constexpr bool scalar =
      op == VectorOp::adds || op == VectorOp::muls || op == VectorOp::maxs || op == VectorOp::mins;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t x = static_cast<const T*>(a)[i];
    const int64_t y = scalar ? c.integer : static_cast<int64_t>(static_cast<const T*>(b)[i]);
    int64_t z = 0;
    if constexpr (op == VectorOp::add || op == VectorOp::adds) z = x + y;
    if constexpr (op == VectorOp::sub) z = x - y;
    if constexpr (op == VectorOp::mul || op == VectorOp::muls) z = x * y;
    if constexpr (op == VectorOp::max || op == VectorOp::maxs) z = x > y ? x : y;
    if constexpr (op == VectorOp::min || op == VectorOp::mins) z = x < y ? x : y;
    if (z < std::numeric_limits<T>::min() || z > std::numeric_limits<T>::max()) c.overflowed = true;
    static_cast<T*>(d)[i] = static_cast<T>(z);
  }
}

template <typename T, VectorOp op>
void bits(void* d, const void* a, const void* b, LaneContext& c, int64_t n) {
  using U = std::make_unsigned_t<T>;
  constexpr int width = static_cast<int>(sizeof(T)) * 8;
  const int by = static_cast<int>(c.integer);
  for (int64_t i = 0; i < n; ++i) {
    const U x = static_cast<const U*>(a)[i];
    U z = 0;
    if constexpr (op == VectorOp::bit_and) z = x & static_cast<const U*>(b)[i];
    if constexpr (op == VectorOp::bit_or) z = x | static_cast<const U*>(b)[i];
    if constexpr (op == VectorOp::bit_not) z = static_cast<U>(~x);
    if constexpr (op == VectorOp::shift_left) {
      z = static_cast<U>(by >= width ? 0 : static_cast<uint64_t>(x) << by);
      const U sign = static_cast<U>(U{1} << (width - 1));
      // a signed left shift keeps the sign bit
      if constexpr (std::is_signed_v<T>)
        z = static_cast<U>((z & static_cast<U>(~sign)) | (x & sign));
    }
    if constexpr (op == VectorOp::shift_right) {
      if constexpr (std::is_signed_v<T>) {
        z = static_cast<U>(static_cast<int64_t>(static_cast<T>(x)) >>
                           (by >= width ? width - 1 : by));
      } else {
        z = static_cast<U>(by >= width ? 0 : x >> by);
      }
    }
    static_cast<U*>(d)[i] = z;
  }
}

template <typename T>
LaneFunction shift_function(VectorOp op) {
  if (op == VectorOp::shift_left) return bits<T, VectorOp::shift_left>;
  if (op == VectorOp::shift_right) return bits<T, VectorOp::shift_right>;
  return nullptr;
}

template <typename T>
LaneFunction signed_function(VectorOp op) {
  switch (op) {
    case VectorOp::add:
      return integers<T, VectorOp::add>;
    case VectorOp::sub:
      return integers<T, VectorOp::sub>;
    case VectorOp::mul:
      return integers<T, VectorOp::mul>;
    case VectorOp::max:
      return integers<T, VectorOp::max>;
    case VectorOp::min:
      return integers<T, VectorOp::min>;
    case VectorOp::adds:
      return integers<T, VectorOp::adds>;
    case VectorOp::muls:
      return integers<T, VectorOp::muls>;
    case VectorOp::maxs:
      return integers<T, VectorOp::maxs>;
    case VectorOp::mins:
      return integers<T, VectorOp::mins>;
    default:
      return shift_function<T>(op);
  }
}

LaneFunction logic_function(VectorOp op) {  // 16 bits only
  switch (op) {
    case VectorOp::bit_and:
      return bits<uint16_t, VectorOp::bit_and>;
    case VectorOp::bit_or:
      return bits<uint16_t, VectorOp::bit_or>;
    case VectorOp::bit_not:
      return bits<uint16_t, VectorOp::bit_not>;
    default:
      return nullptr;
  }
}

}  // namespace

LaneFunction integer_function(VectorOp op, Type type) {
  const bool logic = op == VectorOp::bit_and || op == VectorOp::bit_or || op == VectorOp::bit_not;
  switch (type) {
    case Type::i32:
      return signed_function<int32_t>(op);
    case Type::i16:
      return logic ? logic_function(op) : signed_function<int16_t>(op);
    case Type::u32:
      return shift_function<uint32_t>(op);
    case Type::u16:
      return logic ? logic_function(op) : shift_function<uint16_t>(op);
    default:
      return nullptr;
  }
}

}  // namespace emulator
