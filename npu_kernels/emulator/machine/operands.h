// How a vector instruction walks its operands: repeats of 256 bytes, blocks of 32, masked lanes.
#pragma once

#include <type_traits>

#include "api/data_copy.h"
#include "numbers/lanes.h"

namespace AscendC {

// Strides in blocks of 32 B: between the blocks of one repeat, and between repeats. 0 rereads.
struct UnaryRepeatParams {
  uint16_t dstBlkStride = 1;
  uint16_t srcBlkStride = 1;
  uint8_t dstRepStride = 8;
  uint8_t srcRepStride = 8;
};

struct BinaryRepeatParams {
  uint8_t dstBlkStride = 1;
  uint8_t src0BlkStride = 1;
  uint8_t src1BlkStride = 1;
  uint8_t dstRepStride = 8;
  uint8_t src0RepStride = 8;
  uint8_t src1RepStride = 8;
};

enum class MaskMode : uint8_t { NORMAL, COUNTER };

}  // namespace AscendC

namespace emulator {

// Which lanes an instruction asks for.
struct Repeat {
  enum class Kind : uint8_t { count, consecutive, bits, from_register };
  Kind kind;
  int64_t n = 0;  // elements in all (count), or the first lanes of each repeat (consecutive)
  uint64_t low = 0;
  uint64_t high = 0;
  int64_t repeats = 1;

  static Repeat count(int64_t n) { return {Kind::count, n, 0, 0, 1}; }
  static Repeat of(uint64_t mask, uint8_t repeats, bool sets_mask) {
    return {sets_mask ? Kind::consecutive : Kind::from_register, static_cast<int64_t>(mask), 0, 0,
            repeats};
  }
  static Repeat of(const uint64_t* mask, uint8_t repeats, bool sets_mask) {
    return {sets_mask ? Kind::bits : Kind::from_register, 0, mask[0], mask[1], repeats};
  }
};

struct Operand {
  Place place;
  int64_t size;  // of one element
  int64_t block_stride;
  int64_t repeat_stride;
};

// Lanes per repeat and how many of them each repeat uses.
struct Shape {
  int64_t repeats;
  int64_t lanes;
  int64_t last;      // lanes of the last repeat, if prefix
  bool prefix;       // the active lanes of a repeat are its first ones
  int64_t active;    // how many then, in all repeats but the last
  uint64_t bits[2];  // if not prefix
  int64_t lanes_in(int64_t repeat) const { return repeat == repeats - 1 ? last : active; }
  bool is_active(int64_t lane) const {
    return prefix ? lane < active : ((bits[lane / 64] >> (lane % 64)) & 1u) != 0;
  }
};

// Checks the mask, keeps the mask register as the hardware would. `widest`: bytes of the widest
// type.
Shape shape_of(Instruction& instruction, const Repeat& repeat, int64_t widest);

// For count forms, whose operands are contiguous whatever the element size.
Operand contiguous(const Place& place, int64_t size, int64_t lanes);

// Order, bounds and initialisation of one operand, lane by lane.
void touch(Instruction& instruction, const Operand& operand, const Shape& shape, bool writes);
// Source and destination coincide in an iteration or are apart, and never meet in the next one.
void check_overlap(const Instruction& instruction, const Operand& dst, const Operand& src,
                   const Shape& shape);
// Checks everything, then applies `function` to the active lanes. `b` may be null.
void run_lanes(Instruction& instruction, LaneFunction function, LaneContext context,
               const Operand& dst, const Operand& a, const Operand* b, const Shape& shape);
// The lanes of one repeat in `buffer`; those that are not active are 0.
void gather(const Instruction& instruction, const Operand& operand, const Shape& shape,
            int64_t repeat, uint8_t* buffer);
void scatter(const Instruction& instruction, const Operand& operand, const Shape& shape,
             int64_t repeat, const uint8_t* buffer);

void binary(const char* call, VectorOp op, Type type, const Place& dst, const Place& a,
            const Place& b, const Repeat& repeat, const AscendC::BinaryRepeatParams& params,
            Site site);
void unary(const char* call, VectorOp op, Type type, const Place& dst, const Place& a,
           const LaneContext& scalar, const Repeat& repeat,
           const AscendC::UnaryRepeatParams& params, Site site);

// The scalar of Adds, ShiftLeft ... for either kind of type.
template <typename T>
LaneContext scalar_of(T value) {
  LaneContext context;
  if constexpr (std::is_integral_v<T>) {
    context.integer = static_cast<int64_t>(value);
  } else {
    context.scalar = static_cast<float>(value);
  }
  return context;
}

void set_mask_mode(bool counts);
void set_vector_mask(bool counts, uint64_t high, uint64_t low, Site site);

}  // namespace emulator
