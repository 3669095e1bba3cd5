// What the vector unit does to contiguous lanes; vector.h says which lanes.
#pragma once

#include <cstdint>

#include "numbers/formats.h"

namespace emulator {

enum class VectorOp : uint8_t {
  add,
  sub,
  mul,
  div,
  max,
  min,  // two tensors
  adds,
  muls,
  maxs,
  mins,  // a tensor and a scalar
  shift_left,
  shift_right,  // by a scalar
  bit_and,
  bit_or,
  bit_not,
  exp,
  ln,
  abs,
};

// Knobs and the scalar operand of one instruction.
struct LaneContext {
  float scalar = 0;     // of float and half forms
  int64_t integer = 0;  // of integer forms
  int exp_ulps = 0;
  int ln_ulps = 0;
  uint32_t seed = 0;
  bool overflowed = false;  // out: an integer result that the documentation leaves open
};

// dst[i] = op(a[i], b[i]) for i < count; b is unused by forms with one tensor. In place is fine.
using LaneFunction = void (*)(void* dst, const void* a, const void* b, LaneContext& context,
                              int64_t count);

// Null where this chip has no such instruction for that type.
LaneFunction lane_function(VectorOp op, Type type);
LaneFunction integer_function(VectorOp op, Type type);  // its part for integers

// e^x rounded from a value good to about 1e-16, hence correctly but for one argument in 1e7.
float exp_of(float x);
float ln_of(float x);

}  // namespace emulator
