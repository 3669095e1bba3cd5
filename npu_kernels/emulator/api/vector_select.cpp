// Compare to bits, Select by bits.
#include <array>

#include "api/vector_reduce.h"

namespace emulator {
namespace {

using AscendC::CMPMODE;
using AscendC::SELMODE;

bool holds(float a, float b, CMPMODE mode) {
  switch (mode) {
    case CMPMODE::LT:
      return a < b;
    case CMPMODE::GT:
      return a > b;
    case CMPMODE::EQ:
      return a == b;
    case CMPMODE::LE:
      return a <= b;
    case CMPMODE::GE:
      return a >= b;
    default:
      return a != b;
  }
}

float float_at(const Instruction& in, const Place& place, Type type, int64_t index) {
  float x = 0;
  if (type == Type::f32) {
    std::memcpy(&x, in.bytes_of(place, index * 4), sizeof x);
  } else {
    widen(&x, in.bytes_of(place, index * 2), 1, false);
  }
  return x;
}

}  // namespace

void compare(const char* call, Type type, const Place& dst, const Place& a, const Place* b,
             const LaneContext& scalar, CMPMODE mode, int64_t count, Site site) {
  Instruction in(this_core(), PIPE_V, call, site, 0);
  const int64_t size = size_of(type);
  const bool integer = type == Type::i32 && mode == CMPMODE::EQ;
  if (type != Type::f32 && type != Type::f16 && !integer) {
    in.fail(std::string("not for ") + name_of(type) + ": half and float, or int32_t with EQ");
  }
  if (count <= 0 || count * size % repeat_bytes != 0) {
    in.fail("count is " + std::to_string(count) +
            ": count * sizeof(T) must be a multiple of 256 B");
  }
  const Shape shape = shape_of(in, Repeat::count(count), size);
  touch(in, contiguous(a, size, shape.lanes), shape, false);
  if (b != nullptr) touch(in, contiguous(*b, size, shape.lanes), shape, false);
  in.need_memory(dst, Memory::ub, "the destination");
  in.need_aligned(dst, block_bytes, "the destination");
  in.write(dst, 0, count / 8);
  const bool two = b != nullptr;
  in.run([=, second = two ? *b : a](const Instruction& it) {
    std::vector<uint8_t> bits(static_cast<size_t>(count / 8), 0);
    for (int64_t i = 0; i < count; ++i) {
      bool bit = false;
      if (integer) {
        int32_t x = 0;
        int32_t y = static_cast<int32_t>(scalar.integer);
        std::memcpy(&x, it.bytes_of(a, i * size), sizeof x);
        if (two) std::memcpy(&y, it.bytes_of(second, i * size), sizeof y);
        bit = x == y;
      } else {
        const float x = float_at(it, a, type, i);
        bit = holds(x, two ? float_at(it, second, type, i) : scalar.scalar, mode);
      }
      if (bit) bits[static_cast<size_t>(i / 8)] |= static_cast<uint8_t>(1u << (i % 8));
    }
    std::memcpy(it.bytes_of(dst, 0), bits.data(), bits.size());
  });
}

void select(Type type, const Place& dst, const Place& bits, const Place& src0, const Place* src1,
            const uint8_t* scalar, SELMODE mode, const Repeat& repeat,
            const AscendC::BinaryRepeatParams& p, Site site) {
  Instruction in(this_core(), PIPE_V, "Select", site, 0);
  if (type != Type::f32 && type != Type::f16) in.fail("for half and float");
  const SELMODE wanted =
      src1 == nullptr ? SELMODE::VSEL_TENSOR_SCALAR_MODE : SELMODE::VSEL_TENSOR_TENSOR_MODE;
  if (mode != wanted) in.fail("the mode does not fit the arguments (mode 0 is not modelled)");
  const MemoryLimits& ub = limits_of[static_cast<int>(Memory::ub)];
  if (in.core.framework.top(Memory::ub) > ub.usable - select_reserve_bytes) {
    in.fail("uses the last 8 KB of UB, which are given to a buffer");
  }
  const int64_t size = size_of(type);
  const Shape shape = shape_of(in, repeat, size);
  if (shape.repeats == 0) return;
  const bool counts = repeat.kind == Repeat::Kind::count;
  const auto operand = [&](const Place& place, int64_t block, int64_t step) {
    return counts ? contiguous(place, size, shape.lanes) : Operand{place, size, block, step};
  };
  const Operand d = operand(dst, p.dstBlkStride, p.dstRepStride);
  const Operand first = operand(src0, p.src0BlkStride, p.src0RepStride);
  const Operand second = operand(src1 != nullptr ? *src1 : src0, p.src1BlkStride, p.src1RepStride);
  if (d.block_stride == 0) in.fail("the destination's block stride is 0");
  if (shape.repeats > 1 && d.repeat_stride == 0) in.fail("each repeat overwrites the one before");
  in.need_memory(bits, Memory::ub, "selMask");
  in.need_aligned(bits, block_bytes, "selMask");
  const int64_t used_lanes = (shape.repeats - 1) * shape.lanes + shape.lanes_in(shape.repeats - 1);
  in.read(bits, 0, ceil_div(shape.prefix ? used_lanes : shape.repeats * shape.lanes, 8));
  touch(in, first, shape, false);
  if (src1 != nullptr) touch(in, second, shape, false);
  check_overlap(in, d, first, shape);
  if (src1 != nullptr) check_overlap(in, d, second, shape);
  touch(in, d, shape, true);
  std::array<uint8_t, repeat_bytes> scalars{};
  for (int64_t i = 0; scalar != nullptr && i < repeat_bytes; i += size) {
    std::memcpy(scalars.data() + i, scalar, static_cast<size_t>(size));
  }
  const bool two = src1 != nullptr;
  in.run([=](const Instruction& it) {
    alignas(64) uint8_t ones[repeat_bytes] = {};
    alignas(64) uint8_t zeros[repeat_bytes];
    std::memcpy(zeros, scalars.data(), sizeof zeros);
    const uint8_t* flags = it.bytes_of(bits, 0);
    for (int64_t r = 0; r < shape.repeats; ++r) {
      gather(it, first, shape, r, ones);
      if (two) gather(it, second, shape, r, zeros);
      for (int64_t lane = 0; lane < shape.lanes; ++lane) {
        const int64_t bit = r * shape.lanes + lane;
        if (shape.prefix && lane >= shape.lanes_in(r)) break;
        if (((flags[bit / 8] >> (bit % 8)) & 1u) != 0) continue;
        std::memcpy(ones + lane * size, zeros + lane * size, static_cast<size_t>(size));
      }
      scatter(it, d, shape, r, ones);
    }
  });
}

}  // namespace emulator
