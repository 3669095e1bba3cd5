#include "vector_reduce.h"

#include <algorithm>

namespace emulator {
namespace {

using AscendC::CMPMODE;
using AscendC::ReduceOrder;
using AscendC::SELMODE;

constexpr int64_t max_lanes = 128;

// The lanes of one repeat as fp32. Which of them are active is the shape's business.
void load_lanes(const Instruction& in, const Operand& o, const Shape& shape, int64_t repeat,
                Type type, float* values) {
  alignas(64) uint8_t buffer[repeat_bytes] = {};
  gather(in, o, shape, repeat, buffer);
  if (type == Type::f32) {
    std::memcpy(values, buffer, repeat_bytes);
  } else {
    widen(values, buffer, max_lanes, false);
  }
}

void store_value(uint8_t* to, float value, Type type) {
  if (type == Type::f32) {
    std::memcpy(to, &value, sizeof value);
  } else {
    const uint16_t bits = float_to_half(value);
    std::memcpy(to, &bits, sizeof bits);
  }
}

// Adjacent pairs, then pairs of pairs: the documented order. Lanes that are off count as 0.
float sum_of(const float* values, const Shape& shape, int64_t first, int64_t count, Type type) {
  float tree[max_lanes];
  for (int64_t i = 0; i < count; ++i)
    tree[i] = shape.is_active(first + i) ? values[first + i] : 0.0f;
  for (int64_t width = count / 2; width > 0; width /= 2) {
    for (int64_t i = 0; i < width; ++i) {
      const float sum = tree[2 * i] + tree[2 * i + 1];
      tree[i] = type == Type::f32 ? sum : half_to_float(float_to_half(sum));
    }
  }
  return tree[0];
}

// Ties: the lowest index. The first NaN wins over everything.
int64_t index_of_best(const float* values, const Shape& shape, int64_t first, int64_t count,
                      bool greatest) {
  int64_t best = -1;
  for (int64_t i = first; i < first + count; ++i) {
    if (!shape.is_active(i)) continue;
    if (best < 0) {
      best = i;
      continue;
    }
    const float a = values[i];
    const float b = values[best];
    if (b == b && (a != a || (greatest ? a > b : a < b))) best = i;
  }
  return best;
}

bool any_active(const Shape& shape, int64_t first, int64_t count) {
  for (int64_t i = first; i < first + count; ++i) {
    if (shape.is_active(i)) return true;
  }
  return false;
}

void check_reduce(const Instruction& in, Type type, const Place& dst, const Place& src,
                  const Repeat& repeat, const ReduceStrides& s) {
  if (type != Type::f32 && type != Type::f16) in.fail("for half and float");
  in.need_memory(dst, Memory::ub, "the destination");
  in.need_memory(src, Memory::ub, "the source");
  in.need_range(repeat.repeats, 0, 255, "repeatTime");
  in.need_range(s.dst_repeat, 0, 65535, "dstRepStride");
  in.need_range(s.src_block, 0, 65535, "srcBlkStride");
  in.need_range(s.src_repeat, 0, 65535, "srcRepStride");
}

// The documentation allows a destination to be exactly the source, or apart; a result is smaller.
void need_apart(const Instruction& in, const Place& dst, int64_t dst_bytes, const Operand& src,
                const Shape& shape) {
  const int64_t last = (shape.repeats - 1) * src.repeat_stride + 7 * src.block_stride + 1;
  const bool apart =
      dst.start >= src.place.start + last * block_bytes || src.place.start >= dst.start + dst_bytes;
  if (!apart) in.fail("source and destination overlap in part");
}

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

}  // namespace

void whole_reduce(const char* call, ReduceOp op, Type type, const Place& dst, const Place& src,
                  const Repeat& repeat, const ReduceStrides& s, ReduceOrder order, Site site) {
  Instruction in(this_core(), PIPE_V, call, site, 0);
  check_reduce(in, type, dst, src, repeat, s);
  const int64_t size = size_of(type);
  const bool pairs =
      order == ReduceOrder::ORDER_VALUE_INDEX || order == ReduceOrder::ORDER_INDEX_VALUE;
  const int64_t result = pairs ? 2 * size : size;
  in.need_aligned(dst, result, "the destination");
  const Shape shape = shape_of(in, repeat, size);
  if (shape.repeats == 0) return;
  const Operand from{src, size, s.src_block, s.src_repeat};
  need_apart(in, dst, (shape.repeats - 1) * s.dst_repeat * result + result, from, shape);
  touch(in, from, shape, false);
  for (int64_t r = 0; r < shape.repeats; ++r) in.write(dst, r * s.dst_repeat * result, result);
  float values[max_lanes];
  for (int64_t r = 0; r < shape.repeats; ++r) {
    load_lanes(in, from, shape, r, type, values);
    uint8_t* to = in.bytes_of(dst, r * s.dst_repeat * result);
    if (op == ReduceOp::sum) {
      store_value(to, sum_of(values, shape, 0, shape.lanes, type), type);
      continue;
    }
    const int64_t best = index_of_best(values, shape, 0, shape.lanes, op == ReduceOp::max);
    const uint32_t index = static_cast<uint32_t>(best);  // little-endian: 16 bits are its start
    const bool index_first =
        order == ReduceOrder::ORDER_INDEX_VALUE || order == ReduceOrder::ORDER_ONLY_INDEX;
    if (order != ReduceOrder::ORDER_ONLY_INDEX) {
      store_value(to + (index_first ? size : 0), values[best], type);
    }
    if (order != ReduceOrder::ORDER_ONLY_VALUE) {
      std::memcpy(to + (index_first ? 0 : size), &index, static_cast<size_t>(size));
    }
  }
}

void block_reduce(const char* call, ReduceOp op, Type type, const Place& dst, const Place& src,
                  const Repeat& repeat, const ReduceStrides& s, Site site) {
  Instruction in(this_core(), PIPE_V, call, site, 0);
  check_reduce(in, type, dst, src, repeat, s);
  const int64_t size = size_of(type);
  in.need_aligned(dst, size == 4 ? 32 : 16, "the destination");
  const Shape shape = shape_of(in, repeat, size);
  if (shape.repeats == 0) return;
  const Operand from{src, size, s.src_block, s.src_repeat};
  constexpr int64_t blocks = repeat_bytes / block_bytes;
  const int64_t per_block = block_bytes / size;
  const auto offset = [&](int64_t r, int64_t b) { return (r * s.dst_repeat * blocks + b) * size; };
  need_apart(in, dst, offset(shape.repeats - 1, blocks), from, shape);
  touch(in, from, shape, false);
  for (int64_t r = 0; r < shape.repeats; ++r) {
    for (int64_t b = 0; b < blocks; ++b) {
      if (any_active(shape, b * per_block, per_block)) in.write(dst, offset(r, b), size);
    }
  }
  float values[max_lanes];
  for (int64_t r = 0; r < shape.repeats; ++r) {
    load_lanes(in, from, shape, r, type, values);
    for (int64_t b = 0; b < blocks; ++b) {
      const int64_t first = b * per_block;
      if (!any_active(shape, first, per_block)) continue;
      const float result =
          op == ReduceOp::sum
              ? sum_of(values, shape, first, per_block, type)
              : values[index_of_best(values, shape, first, per_block, op == ReduceOp::max)];
      store_value(in.bytes_of(dst, offset(r, b)), result, type);
    }
  }
}

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
  std::vector<uint8_t> bits(static_cast<size_t>(count / 8), 0);
  for (int64_t i = 0; i < count; ++i) {
    bool bit = false;
    if (integer) {
      int32_t x = 0;
      int32_t y = static_cast<int32_t>(scalar.integer);
      std::memcpy(&x, in.bytes_of(a, i * size), sizeof x);
      if (b != nullptr) std::memcpy(&y, in.bytes_of(*b, i * size), sizeof y);
      bit = x == y;
    } else {
      const auto value = [&](const Place& place) {
        float x = 0;
        if (type == Type::f32) {
          std::memcpy(&x, in.bytes_of(place, i * size), sizeof x);
        } else {
          widen(&x, in.bytes_of(place, i * size), 1, false);
        }
        return x;
      };
      bit = holds(value(a), b != nullptr ? value(*b) : scalar.scalar, mode);
    }
    if (bit) bits[static_cast<size_t>(i / 8)] |= static_cast<uint8_t>(1u << (i % 8));
  }
  std::memcpy(in.bytes_of(dst, 0), bits.data(), bits.size());
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
  const uint8_t* flags =
      in.read(bits, 0, ceil_div(shape.prefix ? used_lanes : shape.repeats * shape.lanes, 8));
  touch(in, first, shape, false);
  if (src1 != nullptr) touch(in, second, shape, false);
  check_overlap(in, d, first, shape);
  if (src1 != nullptr) check_overlap(in, d, second, shape);
  touch(in, d, shape, true);
  alignas(64) uint8_t ones[repeat_bytes] = {};
  alignas(64) uint8_t zeros[repeat_bytes] = {};
  if (scalar != nullptr) {
    for (int64_t i = 0; i < repeat_bytes; i += size) {
      std::memcpy(zeros + i, scalar, static_cast<size_t>(size));
    }
  }
  for (int64_t r = 0; r < shape.repeats; ++r) {
    gather(in, first, shape, r, ones);
    if (src1 != nullptr) gather(in, second, shape, r, zeros);
    for (int64_t lane = 0; lane < shape.lanes; ++lane) {
      const int64_t bit = r * shape.lanes + lane;
      if (shape.prefix && lane >= shape.lanes_in(r)) break;
      if (((flags[bit / 8] >> (bit % 8)) & 1u) != 0) continue;
      std::memcpy(ones + lane * size, zeros + lane * size, static_cast<size_t>(size));
    }
    scatter(in, d, shape, r, ones);
  }
}

}  // namespace emulator
