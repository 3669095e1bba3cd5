#include "numbers/lanes.h"

#include <cmath>
#include <limits>

#include "numbers/dispatch.h"
#include "numbers/transcendental.h"

namespace emulator {
namespace {

struct AddLanes {
  static float of(float a, float b) { return a + b; }
};
struct SubLanes {
  static float of(float a, float b) { return a - b; }
};
struct MulLanes {
  static float of(float a, float b) { return a * b; }
};
struct DivLanes {
  static float of(float a, float b) { return a / b; }
};
// NaN wins, so that what nobody defined stays visible.
struct MaxLanes {
  static float of(float a, float b) { return (a > b) | (a != a) ? a : b; }
};
struct MinLanes {
  static float of(float a, float b) { return (a < b) | (a != a) ? a : b; }
};

float load(const float* p, int64_t i) {
  return p[i];
}
float load(const uint16_t* p, int64_t i) {
  return half_to_float(p[i]);
}
void store(float* p, int64_t i, float x) {
  p[i] = x;
}
void store(uint16_t* p, int64_t i, float x) {
  p[i] = float_to_half(x);
}

// half: each operation in fp32, then rounded. 24 bits are enough for that to be one rounding.
template <typename Op, typename Bits>
[[gnu::always_inline]] inline void both_loop(void* dst, const void* a, const void* b, int64_t n) {
  auto* to = static_cast<Bits*>(dst);
  const auto* x = static_cast<const Bits*>(a);
  const auto* y = static_cast<const Bits*>(b);
  for (int64_t i = 0; i < n; ++i) store(to, i, Op::of(load(x, i), load(y, i)));
}

template <typename Op, typename Bits>
[[gnu::always_inline]] inline void scalar_loop(void* dst, const void* a, float scalar, int64_t n) {
  auto* to = static_cast<Bits*>(dst);
  const auto* x = static_cast<const Bits*>(a);
  for (int64_t i = 0; i < n; ++i) store(to, i, Op::of(load(x, i), scalar));
}

// One function per operation and type: target_clones takes no templates.
EMULATOR_VECTORISED void add_f32(void* d, const void* a, const void* b, LaneContext&, int64_t n) {
  both_loop<AddLanes, float>(d, a, b, n);
}
EMULATOR_VECTORISED void sub_f32(void* d, const void* a, const void* b, LaneContext&, int64_t n) {
  both_loop<SubLanes, float>(d, a, b, n);
}
EMULATOR_VECTORISED void mul_f32(void* d, const void* a, const void* b, LaneContext&, int64_t n) {
  both_loop<MulLanes, float>(d, a, b, n);
}
EMULATOR_VECTORISED void div_f32(void* d, const void* a, const void* b, LaneContext&, int64_t n) {
  both_loop<DivLanes, float>(d, a, b, n);
}
EMULATOR_VECTORISED void max_f32(void* d, const void* a, const void* b, LaneContext&, int64_t n) {
  both_loop<MaxLanes, float>(d, a, b, n);
}
EMULATOR_VECTORISED void min_f32(void* d, const void* a, const void* b, LaneContext&, int64_t n) {
  both_loop<MinLanes, float>(d, a, b, n);
}
EMULATOR_VECTORISED void adds_f32(void* d, const void* a, const void*, LaneContext& c, int64_t n) {
  scalar_loop<AddLanes, float>(d, a, c.scalar, n);
}
EMULATOR_VECTORISED void muls_f32(void* d, const void* a, const void*, LaneContext& c, int64_t n) {
  scalar_loop<MulLanes, float>(d, a, c.scalar, n);
}
EMULATOR_VECTORISED void maxs_f32(void* d, const void* a, const void*, LaneContext& c, int64_t n) {
  scalar_loop<MaxLanes, float>(d, a, c.scalar, n);
}
EMULATOR_VECTORISED void mins_f32(void* d, const void* a, const void*, LaneContext& c, int64_t n) {
  scalar_loop<MinLanes, float>(d, a, c.scalar, n);
}
EMULATOR_VECTORISED void exp_f32(void* d, const void* a, const void*, LaneContext& c, int64_t n) {
  auto* to = static_cast<float*>(d);
  const auto* x = static_cast<const float*>(a);
  if (c.exp_ulps == 0) {
    for (int64_t i = 0; i < n; ++i) to[i] = exp_from_polynomial(x[i]);
  } else {
    for (int64_t i = 0; i < n; ++i) {
      const float argument = x[i];
      to[i] = disturbed(exp_from_polynomial(argument), argument, c.exp_ulps, c.seed);
    }
  }
}
EMULATOR_VECTORISED void abs_f32(void* d, const void* a, const void*, LaneContext&, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    static_cast<float*>(d)[i] = std::fabs(static_cast<const float*>(a)[i]);
  }
}
void ln_f32(void* d, const void* a, const void*, LaneContext& c, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const float argument = static_cast<const float*>(a)[i];
    const float exact = ln_of(argument);
    const float size = disturbed(std::fabs(exact), argument, c.ln_ulps, c.seed);
    static_cast<float*>(d)[i] = std::copysign(size, exact);
  }
}

// half: rarely on a hot path, so one width of vectors will do.
template <typename Op>
void both_f16(void* d, const void* a, const void* b, LaneContext&, int64_t n) {
  both_loop<Op, uint16_t>(d, a, b, n);
}
template <typename Op>
void scalar_f16(void* d, const void* a, const void*, LaneContext& c, int64_t n) {
  scalar_loop<Op, uint16_t>(d, a, c.scalar, n);
}
void exp_f16(void* d, const void* a, const void*, LaneContext& c, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const float argument = load(static_cast<const uint16_t*>(a), i);
    const uint16_t rounded = float_to_half(exp_from_polynomial(argument));
    static_cast<uint16_t*>(d)[i] = disturbed_half(rounded, argument, c.exp_ulps, c.seed);
  }
}
void ln_f16(void* d, const void* a, const void*, LaneContext&, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    static_cast<uint16_t*>(d)[i] = float_to_half(ln_of(load(static_cast<const uint16_t*>(a), i)));
  }
}

void abs_f16(void* d, const void* a, const void*, LaneContext&, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    static_cast<uint16_t*>(d)[i] = static_cast<const uint16_t*>(a)[i] & 0x7FFF;
  }
}

LaneFunction f32_function(VectorOp op) {
  switch (op) {
    case VectorOp::add:
      return add_f32;
    case VectorOp::sub:
      return sub_f32;
    case VectorOp::mul:
      return mul_f32;
    case VectorOp::div:
      return div_f32;
    case VectorOp::max:
      return max_f32;
    case VectorOp::min:
      return min_f32;
    case VectorOp::adds:
      return adds_f32;
    case VectorOp::muls:
      return muls_f32;
    case VectorOp::maxs:
      return maxs_f32;
    case VectorOp::mins:
      return mins_f32;
    case VectorOp::exp:
      return exp_f32;
    case VectorOp::ln:
      return ln_f32;
    case VectorOp::abs:
      return abs_f32;
    default:
      return nullptr;
  }
}

LaneFunction f16_function(VectorOp op) {
  switch (op) {
    case VectorOp::add:
      return both_f16<AddLanes>;
    case VectorOp::sub:
      return both_f16<SubLanes>;
    case VectorOp::mul:
      return both_f16<MulLanes>;
    case VectorOp::div:
      return both_f16<DivLanes>;
    case VectorOp::max:
      return both_f16<MaxLanes>;
    case VectorOp::min:
      return both_f16<MinLanes>;
    case VectorOp::adds:
      return scalar_f16<AddLanes>;
    case VectorOp::muls:
      return scalar_f16<MulLanes>;
    case VectorOp::maxs:
      return scalar_f16<MaxLanes>;
    case VectorOp::mins:
      return scalar_f16<MinLanes>;
    case VectorOp::exp:
      return exp_f16;
    case VectorOp::ln:
      return ln_f16;
    case VectorOp::abs:
      return abs_f16;
    default:
      return nullptr;
  }
}

}  // namespace

LaneFunction lane_function(VectorOp op, Type type) {
  if (type == Type::f32) return f32_function(op);
  if (type == Type::f16) return f16_function(op);
  return integer_function(op, type);
}

float exp_of(float x) {
  return exp_from_polynomial(x);
}

float ln_of(float x) {
  if (!(x > 0.0f)) {
    if (x != 0.0f) return std::numeric_limits<float>::quiet_NaN();
    return -std::numeric_limits<float>::infinity();
  }
  if (x == std::numeric_limits<float>::infinity()) return x;
  // x = m 2^e, m in [sqrt(1/2), sqrt(2)); ln m = 2 atanh(s), s = (m - 1) / (m + 1)
  const double wide = static_cast<double>(x);
  const uint64_t code = bit_cast<uint64_t>(wide);
  int64_t exponent = static_cast<int64_t>(code >> 52) - 1023;
  double m = bit_cast<double>((code & 0x000FFFFFFFFFFFFFu) | 0x3FF0000000000000u);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    ++exponent;
  }
  const double s = (m - 1.0) / (m + 1.0);
  const double square = s * s;
  double series = 0.0;
  for (int k = 23; k >= 1; k -= 2) series = series * square + 1.0 / k;
  return static_cast<float>(static_cast<double>(exponent) * 0.6931471805599453 + 2.0 * s * series);
}

}  // namespace emulator
