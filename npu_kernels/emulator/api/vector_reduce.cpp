#include "api/vector_reduce.h"

#include <algorithm>

namespace emulator {
namespace {

using AscendC::ReduceOrder;

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
  in.run([=](const Instruction& it) {
    float values[max_lanes];
    for (int64_t r = 0; r < shape.repeats; ++r) {
      load_lanes(it, from, shape, r, type, values);
      uint8_t* to = it.bytes_of(dst, r * s.dst_repeat * result);
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
  });
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
  const auto offset = [=](int64_t r, int64_t b) { return (r * s.dst_repeat * blocks + b) * size; };
  need_apart(in, dst, offset(shape.repeats - 1, blocks), from, shape);
  touch(in, from, shape, false);
  for (int64_t r = 0; r < shape.repeats; ++r) {
    for (int64_t b = 0; b < blocks; ++b) {
      if (any_active(shape, b * per_block, per_block)) in.write(dst, offset(r, b), size);
    }
  }
  in.run([=](const Instruction& it) {
    float values[max_lanes];
    for (int64_t r = 0; r < shape.repeats; ++r) {
      load_lanes(it, from, shape, r, type, values);
      for (int64_t b = 0; b < blocks; ++b) {
        const int64_t first = b * per_block;
        if (!any_active(shape, first, per_block)) continue;
        const float result =
            op == ReduceOp::sum
                ? sum_of(values, shape, first, per_block, type)
                : values[index_of_best(values, shape, first, per_block, op == ReduceOp::max)];
        store_value(it.bytes_of(dst, offset(r, b)), result, type);
      }
    }
  });
}

}  // namespace emulator
