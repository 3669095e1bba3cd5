#include "machine/operands.h"

#include <algorithm>

#include "numbers/scramble.h"

namespace emulator {
namespace {

// Every operand of a count form is one run of elements.
bool is_contiguous(const Operand& o, const Shape& shape) {
  const bool follows = o.repeat_stride * block_bytes == shape.lanes * o.size || shape.repeats == 1;
  const bool full = shape.active == shape.lanes || shape.repeats == 1;
  return shape.prefix && o.block_stride == 1 && follows && full;
}

int64_t elements_of(const Shape& shape) {
  return (shape.repeats - 1) * shape.lanes + shape.last;
}

int64_t lanes_per_block(const Operand& o) {
  return block_bytes / o.size;
}

int64_t block_offset(const Operand& o, int64_t repeat, int64_t block) {
  return (repeat * o.repeat_stride + block * o.block_stride) * block_bytes;
}

// Active bytes of one block of a repeat.
uint32_t active_bytes(const Operand& o, const Shape& shape, int64_t repeat, int64_t block) {
  const int64_t first = block * lanes_per_block(o);
  if (shape.prefix) {
    const int64_t here = std::min(shape.lanes_in(repeat) - first, lanes_per_block(o));
    return here <= 0 ? 0 : block_mask(0, here * o.size);
  }
  uint32_t bytes = 0;
  for (int64_t i = 0; i < lanes_per_block(o); ++i) {
    if (shape.is_active(first + i)) bytes |= block_mask(i * o.size, (i + 1) * o.size);
  }
  return bytes;
}

int64_t blocks_of(const Operand& o, const Shape& shape) {
  return ceil_div(shape.lanes, lanes_per_block(o));
}

void compute(const Instruction& in, LaneFunction function, LaneContext context, const Operand& dst,
             const Operand& a, const Operand* b, const Shape& shape) {
  if (is_contiguous(dst, shape) && is_contiguous(a, shape) &&
      (b == nullptr || is_contiguous(*b, shape))) {
    function(in.bytes_of(dst.place, 0), in.bytes_of(a.place, 0),
             b != nullptr ? in.bytes_of(b->place, 0) : nullptr, context, elements_of(shape));
  } else {
    alignas(64) uint8_t buffers[3][repeat_bytes];
    // A run of lanes is used where it lies.
    const auto source = [&](const Operand& o, int64_t r, uint8_t* buffer) -> const uint8_t* {
      if (shape.prefix && o.block_stride == 1) return in.bytes_of(o.place, block_offset(o, r, 0));
      gather(in, o, shape, r, buffer);
      return buffer;
    };
    for (int64_t r = 0; r < shape.repeats; ++r) {
      const uint8_t* first = source(a, r, buffers[1]);
      const uint8_t* second = b != nullptr ? source(*b, r, buffers[2]) : nullptr;
      const bool direct = shape.prefix && dst.block_stride == 1;
      uint8_t* to = direct ? in.bytes_of(dst.place, block_offset(dst, r, 0)) : buffers[0];
      function(to, first, second, context, shape.prefix ? shape.lanes_in(r) : shape.lanes);
      if (!direct) scatter(in, dst, shape, r, buffers[0]);
    }
  }
  if (context.overflowed) in.fail("an integer result does not fit: what then is not documented");
}

}  // namespace

Operand contiguous(const Place& place, int64_t size, int64_t lanes) {
  return Operand{place, size, 1, lanes * size / block_bytes};
}

void touch(Instruction& in, const Operand& o, const Shape& shape, bool writes) {
  in.need_memory(o.place, Memory::ub, writes ? "the destination" : "a source");
  in.need_aligned(o.place, block_bytes, writes ? "the destination" : "a source");
  const auto range = [&](int64_t offset, int64_t bytes) {
    if (writes) {
      in.write(o.place, offset, bytes);
    } else {
      in.read(o.place, offset, bytes);
    }
  };
  if (is_contiguous(o, shape)) {
    range(0, elements_of(shape) * o.size);
    return;
  }
  for (int64_t r = 0; r < shape.repeats; ++r) {
    if (shape.prefix && o.block_stride == 1) {
      range(block_offset(o, r, 0), shape.lanes_in(r) * o.size);
      continue;
    }
    for (int64_t b = 0; b < blocks_of(o, shape); ++b) {
      const uint32_t lanes = active_bytes(o, shape, r, b);
      if (writes) {
        in.write_lanes(o.place, block_offset(o, r, b), lanes);
      } else {
        in.read_lanes(o.place, block_offset(o, r, b), lanes);
      }
    }
  }
}

void check_overlap(const Instruction& in, const Operand& dst, const Operand& src,
                   const Shape& shape) {
  const bool same = dst.place.start == src.place.start && dst.size == src.size &&
                    dst.block_stride == src.block_stride && dst.repeat_stride == src.repeat_stride;
  const int64_t dst_blocks = blocks_of(dst, shape);
  const int64_t src_blocks = blocks_of(src, shape);
  const auto end_of = [&](const Operand& o, int64_t blocks) {
    return o.place.start + block_offset(o, shape.repeats - 1, blocks - 1) + block_bytes;
  };
  const bool apart =
      end_of(dst, dst_blocks) <= src.place.start || end_of(src, src_blocks) <= dst.place.start;
  if (apart) return;
  if (same &&
      (shape.repeats == 1 || dst.repeat_stride >= (dst_blocks - 1) * dst.block_stride + 1)) {
    return;
  }
  const auto meet = [&](int64_t r, int64_t s) {
    for (int64_t i = 0; i < dst_blocks; ++i) {
      if (active_bytes(dst, shape, r, i) == 0) continue;
      for (int64_t j = 0; j < src_blocks; ++j) {
        if (active_bytes(src, shape, s, j) == 0) continue;
        if (dst.place.start + block_offset(dst, r, i) ==
            src.place.start + block_offset(src, s, j)) {
          return true;
        }
      }
    }
    return false;
  };
  for (int64_t r = 0; r < shape.repeats; ++r) {
    const bool coincide = same || (dst.size == src.size && dst.block_stride == src.block_stride &&
                                   dst.place.start + block_offset(dst, r, 0) ==
                                       src.place.start + block_offset(src, r, 0));
    if (!coincide && meet(r, r)) {
      in.fail("source and destination overlap in part in repeat " + std::to_string(r));
    }
    if (r + 1 < shape.repeats && meet(r, r + 1)) {
      in.fail("the destination of repeat " + std::to_string(r) + " is a source of the next");
    }
  }
}

void gather(const Instruction& in, const Operand& o, const Shape& shape, int64_t repeat,
            uint8_t* buffer) {
  const int64_t per_block = lanes_per_block(o);
  if (shape.prefix) {
    const int64_t bytes = shape.lanes_in(repeat) * o.size;
    for (int64_t b = 0; b * block_bytes < bytes; ++b) {
      std::memcpy(buffer + b * block_bytes, in.bytes_of(o.place, block_offset(o, repeat, b)),
                  static_cast<size_t>(std::min(block_bytes, bytes - b * block_bytes)));
    }
    return;
  }
  for (int64_t lane = 0; lane < shape.lanes; ++lane) {
    uint8_t* to = buffer + lane * o.size;
    std::memset(to, 0, static_cast<size_t>(o.size));
    if (!shape.is_active(lane)) continue;
    const int64_t offset = block_offset(o, repeat, lane / per_block) + lane % per_block * o.size;
    std::memcpy(to, in.bytes_of(o.place, offset), static_cast<size_t>(o.size));
  }
}

void scatter(const Instruction& in, const Operand& o, const Shape& shape, int64_t repeat,
             const uint8_t* buffer) {
  const int64_t per_block = lanes_per_block(o);
  if (shape.prefix) {
    const int64_t bytes = shape.lanes_in(repeat) * o.size;
    for (int64_t b = 0; b * block_bytes < bytes; ++b) {
      std::memcpy(in.bytes_of(o.place, block_offset(o, repeat, b)), buffer + b * block_bytes,
                  static_cast<size_t>(std::min(block_bytes, bytes - b * block_bytes)));
    }
    return;
  }
  for (int64_t lane = 0; lane < shape.lanes; ++lane) {
    if (!shape.is_active(lane)) continue;
    const int64_t offset = block_offset(o, repeat, lane / per_block) + lane % per_block * o.size;
    std::memcpy(in.bytes_of(o.place, offset), buffer + lane * o.size, static_cast<size_t>(o.size));
  }
}

void run_lanes(Instruction& in, LaneFunction function, LaneContext context, const Operand& dst,
               const Operand& a, const Operand* b, const Shape& shape) {
  if (shape.repeats == 0) return;
  if (shape.repeats > 1 && dst.repeat_stride == 0) in.fail("each repeat overwrites the one before");
  if (dst.block_stride == 0) in.fail("the destination's block stride is 0");
  touch(in, a, shape, false);
  if (b != nullptr) touch(in, *b, shape, false);
  check_overlap(in, dst, a, shape);
  if (b != nullptr) check_overlap(in, dst, *b, shape);
  touch(in, dst, shape, true);
  context.exp_ulps = in.core.options().exp_ulps;
  context.ln_ulps = in.core.options().ln_ulps;
  context.seed = fold(in.core.options().seed);
  const bool two = b != nullptr;
  in.run([function, context, dst, a, second = two ? *b : a, two, shape](const Instruction& it) {
    compute(it, function, context, dst, a, two ? &second : nullptr, shape);
  });
}

void binary(const char* call, VectorOp op, Type type, const Place& dst, const Place& a,
            const Place& b, const Repeat& repeat, const AscendC::BinaryRepeatParams& p, Site site) {
  Instruction in(this_core(), PIPE_V, call, site, 0);
  const LaneFunction function = lane_function(op, type);
  if (function == nullptr) in.fail(std::string("not for ") + name_of(type) + " on this chip");
  const int64_t size = size_of(type);
  const Shape shape = shape_of(in, repeat, size);
  LaneContext context;
  if (repeat.kind == Repeat::Kind::count) {
    const Operand second = contiguous(b, size, shape.lanes);
    run_lanes(in, function, context, contiguous(dst, size, shape.lanes),
              contiguous(a, size, shape.lanes), &second, shape);
    return;
  }
  const Operand second{b, size, p.src1BlkStride, p.src1RepStride};
  run_lanes(in, function, context, Operand{dst, size, p.dstBlkStride, p.dstRepStride},
            Operand{a, size, p.src0BlkStride, p.src0RepStride}, &second, shape);
}

void unary(const char* call, VectorOp op, Type type, const Place& dst, const Place& a,
           const LaneContext& scalar, const Repeat& repeat, const AscendC::UnaryRepeatParams& p,
           Site site) {
  Instruction in(this_core(), PIPE_V, call, site, 0);
  const LaneFunction function = lane_function(op, type);
  if (function == nullptr) in.fail(std::string("not for ") + name_of(type) + " on this chip");
  const bool shifts = op == VectorOp::shift_left || op == VectorOp::shift_right;
  const int64_t size = size_of(type);
  if (shifts) in.need_range(scalar.integer, 0, 8 * size, "the shift");
  const Shape shape = shape_of(in, repeat, size);
  LaneContext context = scalar;
  if (type == Type::f16) context.scalar = half_to_float(float_to_half(scalar.scalar));
  if (repeat.kind == Repeat::Kind::count) {
    run_lanes(in, function, context, contiguous(dst, size, shape.lanes),
              contiguous(a, size, shape.lanes), nullptr, shape);
    return;
  }
  run_lanes(in, function, context, Operand{dst, size, p.dstBlkStride, p.dstRepStride},
            Operand{a, size, p.srcBlkStride, p.srcRepStride}, nullptr, shape);
}

}  // namespace emulator
