#include "api/vector_convert.h"

#include <array>
#include <cmath>
#include <limits>

#include "numbers/dispatch.h"

namespace emulator {
namespace {

using AscendC::RoundMode;

EMULATOR_VECTORISED void half_from_float(uint16_t* to, const float* from, int64_t n, bool clamps) {
  if (clamps) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) to[i] = saturated(float_to_half(from[i]), false);
  } else {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) to[i] = float_to_half(from[i]);
  }
}
EMULATOR_VECTORISED void bf16_from_float(uint16_t* to, const float* from, int64_t n, bool clamps) {
  if (clamps) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) to[i] = saturated(float_to_bf16(from[i]), true);
  } else {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) to[i] = float_to_bf16(from[i]);
  }
}
EMULATOR_VECTORISED void float_from_half(float* to, const uint16_t* from, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] = half_to_float(from[i]);
}

int32_t rounded_integer(float x, RoundMode mode) {
  if (x != x) return 0;
  double r = static_cast<double>(x);
  switch (mode) {
    case RoundMode::CAST_FLOOR:
      r = std::floor(r);
      break;
    case RoundMode::CAST_CEIL:
      r = std::ceil(r);
      break;
    case RoundMode::CAST_TRUNC:
      r = std::trunc(r);
      break;
    case RoundMode::CAST_ROUND:
      r = std::trunc(r + (r < 0 ? -0.5 : 0.5));
      break;
    default:
      r = std::nearbyint(r);
      break;
  }
  constexpr double least = std::numeric_limits<int32_t>::min();
  constexpr double most = std::numeric_limits<int32_t>::max();
  return static_cast<int32_t>(r < least ? least : r > most ? most : r);
}

bool is_half_like(Type type) {
  return type == Type::f16 || type == Type::bf16;
}

// The modes that the documentation lists for a pair.
bool is_allowed(Type to, Type from, RoundMode mode) {
  const bool none = mode == RoundMode::CAST_NONE;
  const bool odd = mode == RoundMode::CAST_ODD;
  if (from == Type::f32 && to == Type::f16) return true;
  if (from == Type::f32 && to == Type::bf16) return !none && !odd;
  if (is_half_like(from) && to == Type::f32) return none;
  if (from == Type::u8 && to == Type::f16) return none;
  if (from == Type::i32 && to == Type::f32) return !odd;
  if (from == Type::f32 && to == Type::i32) return !none && !odd;
  return false;
}

void cast_lanes(Type to, Type from, RoundMode mode, bool clamps, uint8_t* dst, const uint8_t* src,
                int64_t n) {
  const bool nearest = mode == RoundMode::CAST_RINT || mode == RoundMode::CAST_NONE;
  auto* halves = reinterpret_cast<uint16_t*>(dst);
  auto* floats = reinterpret_cast<float*>(dst);
  if (from == Type::f32 && is_half_like(to)) {
    const auto* x = reinterpret_cast<const float*>(src);
    if (nearest) {
      (to == Type::f16 ? half_from_float : bf16_from_float)(halves, x, n, clamps);
      return;
    }
    for (int64_t i = 0; i < n; ++i) {
      const uint16_t bits = to == Type::f16 ? float_to_half(x[i], mode) : float_to_bf16(x[i], mode);
      halves[i] = clamps ? saturated(bits, to == Type::bf16) : bits;
    }
  } else if (from == Type::f16) {
    float_from_half(floats, reinterpret_cast<const uint16_t*>(src), n);
  } else if (from == Type::bf16) {
    widen(floats, src, n, true);
  } else if (from == Type::u8) {
    for (int64_t i = 0; i < n; ++i) halves[i] = float_to_half(static_cast<float>(src[i]));
  } else if (from == Type::i32) {
    const auto* x = reinterpret_cast<const int32_t*>(src);
    for (int64_t i = 0; i < n; ++i) floats[i] = static_cast<float>(x[i]);
  } else {
    const auto* x = reinterpret_cast<const float*>(src);
    for (int64_t i = 0; i < n; ++i) {
      reinterpret_cast<int32_t*>(dst)[i] = rounded_integer(x[i], mode);
    }
  }
}

}  // namespace

void cast(Type to, Type from, const Place& dst, const Place& src, RoundMode mode,
          const Repeat& repeat, const AscendC::UnaryRepeatParams& p, Site site) {
  Instruction in(this_core(), PIPE_V, "Cast", site, 0);
  if (!is_allowed(to, from, mode)) {
    in.fail(std::string("from ") + name_of(from) + " to " + name_of(to) +
            ": no such conversion, or not in this rounding mode");
  }
  if (from == Type::i32 && mode != RoundMode::CAST_RINT && mode != RoundMode::CAST_NONE) {
    in.fail("int32_t to float is modelled for CAST_RINT and CAST_NONE");
  }
  const int64_t to_size = size_of(to);
  const int64_t from_size = size_of(from);
  const Shape shape = shape_of(in, repeat, std::max(to_size, from_size));
  if (shape.repeats == 0) return;
  const bool counts = repeat.kind == Repeat::Kind::count;
  const Operand d = counts ? contiguous(dst, to_size, shape.lanes)
                           : Operand{dst, to_size, p.dstBlkStride, p.dstRepStride};
  const Operand s = counts ? contiguous(src, from_size, shape.lanes)
                           : Operand{src, from_size, p.srcBlkStride, p.srcRepStride};
  if (d.block_stride == 0) in.fail("the destination's block stride is 0");
  if (shape.repeats > 1 && d.repeat_stride == 0) in.fail("each repeat overwrites the one before");
  touch(in, s, shape, false);
  check_overlap(in, d, s, shape);
  touch(in, d, shape, true);
  const bool clamps = in.core.options().saturate && is_half_like(to);
  in.run([=](const Instruction& it) {
    alignas(64) uint8_t from_lanes[repeat_bytes];
    alignas(64) uint8_t to_lanes[repeat_bytes];
    for (int64_t r = 0; r < shape.repeats; ++r) {
      gather(it, s, shape, r, from_lanes);
      cast_lanes(to, from, mode, clamps, to_lanes, from_lanes,
                 shape.prefix ? shape.lanes_in(r) : shape.lanes);
      scatter(it, d, shape, r, to_lanes);
    }
  });
}

void duplicate(int64_t size, const Place& dst, const uint8_t* value, const Repeat& repeat,
               int64_t block_stride, int64_t repeat_stride, Site site) {
  Instruction in(this_core(), PIPE_V, "Duplicate", site, 0);
  if (size != 2 && size != 4) in.fail("for types of 16 and 32 bits");
  const Shape shape = shape_of(in, repeat, size);
  if (shape.repeats == 0) return;
  const Operand d{dst, size, block_stride, repeat_stride};
  if (block_stride == 0) in.fail("the destination's block stride is 0");
  if (shape.repeats > 1 && repeat_stride == 0) in.fail("each repeat overwrites the one before");
  touch(in, d, shape, true);
  std::array<uint8_t, repeat_bytes> lanes;
  for (int64_t i = 0; i < repeat_bytes; i += size) {
    std::memcpy(lanes.data() + i, value, static_cast<size_t>(size));
  }
  in.run([=](const Instruction& it) {
    for (int64_t r = 0; r < shape.repeats; ++r) scatter(it, d, shape, r, lanes.data());
  });
}

void brcb(int64_t size, const Place& dst, const Place& src, int64_t repeats,
          const AscendC::BrcbRepeatParams& p, Site site) {
  constexpr int64_t sources = 8;  // elements per repeat
  Instruction in(this_core(), PIPE_V, "Brcb", site, static_cast<uint64_t>(repeats));
  if (size != 2 && size != 4) in.fail("for types of 16 and 32 bits");
  in.need_memory(dst, Memory::ub, "the destination");
  in.need_memory(src, Memory::ub, "the source");
  in.need_aligned(dst, block_bytes, "the destination");
  in.need_aligned(src, block_bytes, "the source");
  if (p.dstBlkStride == 0) in.fail("dstBlkStride is 0");
  if (repeats > 1 && p.dstRepStride == 0) in.fail("each repeat overwrites the one before");
  if (repeats == 0) return;
  in.read(src, 0, repeats * sources * size);
  const int64_t last = ((repeats - 1) * p.dstRepStride + (sources - 1) * p.dstBlkStride + 1);
  const bool apart = dst.start >= src.start + repeats * sources * size ||
                     src.start >= dst.start + last * block_bytes;
  if (!apart) in.fail("source and destination overlap");
  const auto offset = [=](int64_t i) {
    return (i / sources * p.dstRepStride + i % sources * p.dstBlkStride) * block_bytes;
  };
  for (int64_t i = 0; i < repeats * sources; ++i) in.write(dst, offset(i), block_bytes);
  in.run([=](const Instruction& it) {
    const uint8_t* from = it.bytes_of(src, 0);
    for (int64_t i = 0; i < repeats * sources; ++i) {
      uint8_t* to = it.bytes_of(dst, offset(i));
      for (int64_t at = 0; at < block_bytes; at += size) {
        std::memcpy(to + at, from + i * size, static_cast<size_t>(size));
      }
    }
  });
}

}  // namespace emulator
