// Integer and bit operations of the vector unit.
#include <algorithm>
#include <limits>
#include <type_traits>

#include "numbers/dispatch.h"
#include "numbers/lanes.h"

namespace emulator {
namespace {

template <typename T>
using Unsigned = std::make_unsigned_t<T>;

// Each gives the result modulo 2^n. The top bit of `lost` says that it did not fit, of which the
// documentation says nothing.
struct AddIntegers {
  template <typename T>
  static T of(T x, T y, T& lost) {
    const T z = static_cast<T>(static_cast<Unsigned<T>>(x) + static_cast<Unsigned<T>>(y));
    lost = static_cast<T>(lost | ((x ^ z) & (y ^ z)));
    return z;
  }
};
struct SubIntegers {
  template <typename T>
  static T of(T x, T y, T& lost) {
    const T z = static_cast<T>(static_cast<Unsigned<T>>(x) - static_cast<Unsigned<T>>(y));
    lost = static_cast<T>(lost | ((x ^ y) & (x ^ z)));
    return z;
  }
};
struct MulIntegers {
  template <typename T>
  static T of(T x, T y, T& lost) {
    const int64_t wide = static_cast<int64_t>(x) * y;
    const T z = static_cast<T>(wide);
    lost = wide == z ? lost : std::numeric_limits<T>::min();
    return z;
  }
};
struct MaxIntegers {
  template <typename T>
  static T of(T x, T y, T&) {
    return x > y ? x : y;
  }
};
struct MinIntegers {
  template <typename T>
  static T of(T x, T y, T&) {
    return x < y ? x : y;
  }
};

template <typename Op, typename T>
[[gnu::always_inline]] inline void both_loop(void* d, const void* a, const void* b, LaneContext& c,
                                             int64_t n) {
  auto* to = static_cast<T*>(d);
  const auto* x = static_cast<const T*>(a);
  const auto* y = static_cast<const T*>(b);
  T lost = 0;
  for (int64_t i = 0; i < n; ++i) to[i] = Op::of(x[i], y[i], lost);
  if (lost < 0) c.overflowed = true;
}

template <typename Op, typename T>
[[gnu::always_inline]] inline void scalar_loop(void* d, const void* a, LaneContext& c, int64_t n) {
  auto* to = static_cast<T*>(d);
  const auto* x = static_cast<const T*>(a);
  const T y = static_cast<T>(c.integer);
  T lost = 0;
  for (int64_t i = 0; i < n; ++i) to[i] = Op::of(x[i], y, lost);
  if (lost < 0) c.overflowed = true;
}

// Products with one number fit iff the other lies between two bounds: cheaper than wide products.
[[gnu::always_inline]] inline void muls_loop(int32_t* to, const int32_t* x, LaneContext& c,
                                             int64_t n) {
  constexpr int64_t lowest = std::numeric_limits<int32_t>::min();
  constexpr int64_t highest = std::numeric_limits<int32_t>::max();
  const int64_t by = static_cast<int32_t>(c.integer);
  const int64_t ends[2] = {by == 0 ? lowest : lowest / by, by == 0 ? highest : highest / by};
  const auto least = static_cast<int32_t>(by < 0 ? ends[1] : ends[0]);
  const auto most = static_cast<int32_t>(std::min(by < 0 ? ends[0] : ends[1], highest));
  const auto factor = static_cast<uint32_t>(by);
  int32_t lost = 0;
  for (int64_t i = 0; i < n; ++i) {
    lost |= -static_cast<int32_t>((x[i] < least) | (x[i] > most));
    to[i] = static_cast<int32_t>(static_cast<uint32_t>(x[i]) * factor);
  }
  if (lost < 0) c.overflowed = true;
}

template <typename T>
[[gnu::always_inline]] inline void shift_left_loop(void* d, const void* a, LaneContext& c,
                                                   int64_t n) {
  constexpr int width = static_cast<int>(sizeof(T)) * 8;
  using U = Unsigned<T>;
  // a signed left shift keeps the sign bit
  constexpr U sign = static_cast<U>(std::is_signed_v<T> ? U{1} << (width - 1) : 0);
  auto* to = static_cast<U*>(d);
  const auto* x = static_cast<const U*>(a);
  const bool empties = c.integer >= width;
  const int by = empties ? 0 : static_cast<int>(c.integer);
  const U kept = static_cast<U>(empties ? 0 : static_cast<U>(~sign));
  for (int64_t i = 0; i < n; ++i) {
    to[i] = static_cast<U>((static_cast<U>(x[i] << by) & kept) | (x[i] & sign));
  }
}

template <typename T>
[[gnu::always_inline]] inline void shift_right_loop(void* d, const void* a, LaneContext& c,
                                                    int64_t n) {
  constexpr int width = static_cast<int>(sizeof(T)) * 8;
  auto* to = static_cast<T*>(d);
  const auto* x = static_cast<const T*>(a);
  const bool empties = c.integer >= width;
  const int by = empties ? width - 1 : static_cast<int>(c.integer);
  const T kept = static_cast<T>(empties && !std::is_signed_v<T> ? 0 : ~T{0});
  for (int64_t i = 0; i < n; ++i) to[i] = static_cast<T>((x[i] >> by) & kept);
}

// One function per operation on 32 bits: target_clones takes no templates.
EMULATOR_VECTORISED void add_i32(void* d, const void* a, const void* b, LaneContext& c, int64_t n) {
  both_loop<AddIntegers, int32_t>(d, a, b, c, n);
}
EMULATOR_VECTORISED void sub_i32(void* d, const void* a, const void* b, LaneContext& c, int64_t n) {
  both_loop<SubIntegers, int32_t>(d, a, b, c, n);
}
EMULATOR_VECTORISED void mul_i32(void* d, const void* a, const void* b, LaneContext& c, int64_t n) {
  both_loop<MulIntegers, int32_t>(d, a, b, c, n);
}
EMULATOR_VECTORISED void max_i32(void* d, const void* a, const void* b, LaneContext& c, int64_t n) {
  both_loop<MaxIntegers, int32_t>(d, a, b, c, n);
}
EMULATOR_VECTORISED void min_i32(void* d, const void* a, const void* b, LaneContext& c, int64_t n) {
  both_loop<MinIntegers, int32_t>(d, a, b, c, n);
}
EMULATOR_VECTORISED void adds_i32(void* d, const void* a, const void*, LaneContext& c, int64_t n) {
  scalar_loop<AddIntegers, int32_t>(d, a, c, n);
}
EMULATOR_VECTORISED void muls_i32(void* d, const void* a, const void*, LaneContext& c, int64_t n) {
  muls_loop(static_cast<int32_t*>(d), static_cast<const int32_t*>(a), c, n);
}
EMULATOR_VECTORISED void maxs_i32(void* d, const void* a, const void*, LaneContext& c, int64_t n) {
  scalar_loop<MaxIntegers, int32_t>(d, a, c, n);
}
EMULATOR_VECTORISED void mins_i32(void* d, const void* a, const void*, LaneContext& c, int64_t n) {
  scalar_loop<MinIntegers, int32_t>(d, a, c, n);
}
EMULATOR_VECTORISED void left_i32(void* d, const void* a, const void*, LaneContext& c, int64_t n) {
  shift_left_loop<int32_t>(d, a, c, n);
}
EMULATOR_VECTORISED void right_i32(void* d, const void* a, const void*, LaneContext& c, int64_t n) {
  shift_right_loop<int32_t>(d, a, c, n);
}
EMULATOR_VECTORISED void left_u32(void* d, const void* a, const void*, LaneContext& c, int64_t n) {
  shift_left_loop<uint32_t>(d, a, c, n);
}
EMULATOR_VECTORISED void right_u32(void* d, const void* a, const void*, LaneContext& c, int64_t n) {
  shift_right_loop<uint32_t>(d, a, c, n);
}
EMULATOR_VECTORISED void and_u16(void* d, const void* a, const void* b, LaneContext&, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    static_cast<uint16_t*>(d)[i] =
        static_cast<const uint16_t*>(a)[i] & static_cast<const uint16_t*>(b)[i];
  }
}
EMULATOR_VECTORISED void or_u16(void* d, const void* a, const void* b, LaneContext&, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    static_cast<uint16_t*>(d)[i] =
        static_cast<const uint16_t*>(a)[i] | static_cast<const uint16_t*>(b)[i];
  }
}
EMULATOR_VECTORISED void not_u16(void* d, const void* a, const void*, LaneContext&, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    static_cast<uint16_t*>(d)[i] = static_cast<uint16_t>(~static_cast<const uint16_t*>(a)[i]);
  }
}

template <typename Op>
void both_i16(void* d, const void* a, const void* b, LaneContext& c, int64_t n) {
  both_loop<Op, int16_t>(d, a, b, c, n);
}
template <typename Op>
void scalar_i16(void* d, const void* a, const void*, LaneContext& c, int64_t n) {
  scalar_loop<Op, int16_t>(d, a, c, n);
}
template <typename T>
void left_16(void* d, const void* a, const void*, LaneContext& c, int64_t n) {
  shift_left_loop<T>(d, a, c, n);
}
template <typename T>
void right_16(void* d, const void* a, const void*, LaneContext& c, int64_t n) {
  shift_right_loop<T>(d, a, c, n);
}

LaneFunction i32_function(VectorOp op) {
  switch (op) {
    case VectorOp::add:
      return add_i32;
    case VectorOp::sub:
      return sub_i32;
    case VectorOp::mul:
      return mul_i32;
    case VectorOp::max:
      return max_i32;
    case VectorOp::min:
      return min_i32;
    case VectorOp::adds:
      return adds_i32;
    case VectorOp::muls:
      return muls_i32;
    case VectorOp::maxs:
      return maxs_i32;
    case VectorOp::mins:
      return mins_i32;
    case VectorOp::shift_left:
      return left_i32;
    case VectorOp::shift_right:
      return right_i32;
    default:
      return nullptr;
  }
}

LaneFunction i16_function(VectorOp op) {
  switch (op) {
    case VectorOp::add:
      return both_i16<AddIntegers>;
    case VectorOp::sub:
      return both_i16<SubIntegers>;
    case VectorOp::mul:
      return both_i16<MulIntegers>;
    case VectorOp::max:
      return both_i16<MaxIntegers>;
    case VectorOp::min:
      return both_i16<MinIntegers>;
    case VectorOp::adds:
      return scalar_i16<AddIntegers>;
    case VectorOp::muls:
      return scalar_i16<MulIntegers>;
    case VectorOp::maxs:
      return scalar_i16<MaxIntegers>;
    case VectorOp::mins:
      return scalar_i16<MinIntegers>;
    case VectorOp::shift_left:
      return left_16<int16_t>;
    case VectorOp::shift_right:
      return right_16<int16_t>;
    default:
      return nullptr;
  }
}

LaneFunction logic_function(VectorOp op) {  // 16 bits only
  switch (op) {
    case VectorOp::bit_and:
      return and_u16;
    case VectorOp::bit_or:
      return or_u16;
    case VectorOp::bit_not:
      return not_u16;
    default:
      return nullptr;
  }
}

LaneFunction unsigned_function(VectorOp op, LaneFunction left, LaneFunction right) {
  if (op == VectorOp::shift_left) return left;
  return op == VectorOp::shift_right ? right : nullptr;
}

}  // namespace

LaneFunction integer_function(VectorOp op, Type type) {
  const bool logic = op == VectorOp::bit_and || op == VectorOp::bit_or || op == VectorOp::bit_not;
  if (type == Type::i32) return i32_function(op);
  if (type == Type::u32) return unsigned_function(op, left_u32, right_u32);
  if (type != Type::i16 && type != Type::u16) return nullptr;
  if (logic) return logic_function(op);
  if (type == Type::i16) return i16_function(op);
  return unsigned_function(op, left_16<uint16_t>, right_16<uint16_t>);
}

}  // namespace emulator
