// Vector instructions that work lane by lane. Each has three forms: a count of contiguous elements;
// a bit mask of each repeat; the first `mask` lanes of each repeat. A family is written once, and
// a macro gives it the names: only a function template can be called as documented, with its type
// spelled out or deduced.
#pragma once

#include "machine/operands.h"

namespace AscendC {

using emulator::Repeat;
using emulator::VectorOp;

// --- Two sources ---

#define EMULATOR_BINARY(Name, op)                                                                \
  template <typename T>                                                                          \
  void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,   \
            const int32_t& count, Site site = Site()) {                                          \
    emulator::binary(#Name, VectorOp::op, emulator::type_of<T>, dst.place(), src0.place(),       \
                     src1.place(), Repeat::count(count), {}, site);                              \
  }                                                                                              \
  template <typename T, bool isSetMask = true>                                                   \
  void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,   \
            uint64_t mask[], const uint8_t repeatTime, const BinaryRepeatParams& repeatParams,   \
            Site site = Site()) {                                                                \
    emulator::binary(#Name, VectorOp::op, emulator::type_of<T>, dst.place(), src0.place(),       \
                     src1.place(), Repeat::of(mask, repeatTime, isSetMask), repeatParams, site); \
  }                                                                                              \
  template <typename T, bool isSetMask = true>                                                   \
  void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,   \
            uint64_t mask, const uint8_t repeatTime, const BinaryRepeatParams& repeatParams,     \
            Site site = Site()) {                                                                \
    emulator::binary(#Name, VectorOp::op, emulator::type_of<T>, dst.place(), src0.place(),       \
                     src1.place(), Repeat::of(mask, repeatTime, isSetMask), repeatParams, site); \
  }

EMULATOR_BINARY(Add, add)
EMULATOR_BINARY(Sub, sub)
EMULATOR_BINARY(Mul, mul)
EMULATOR_BINARY(Div, div)
EMULATOR_BINARY(Max, max)
EMULATOR_BINARY(Min, min)
EMULATOR_BINARY(And, bit_and)
EMULATOR_BINARY(Or, bit_or)
#undef EMULATOR_BINARY

// --- One source ---

#define EMULATOR_UNARY(Name, op)                                                                   \
  template <typename T>                                                                            \
  void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src, const int32_t& count,            \
            Site site = Site()) {                                                                  \
    emulator::unary(#Name, VectorOp::op, emulator::type_of<T>, dst.place(), src.place(), {},       \
                    Repeat::count(count), {}, site);                                               \
  }                                                                                                \
  template <typename T, bool isSetMask = true>                                                     \
  void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src, uint64_t mask[],                 \
            const uint8_t repeatTime, const UnaryRepeatParams& repeatParams, Site site = Site()) { \
    emulator::unary(#Name, VectorOp::op, emulator::type_of<T>, dst.place(), src.place(), {},       \
                    Repeat::of(mask, repeatTime, isSetMask), repeatParams, site);                  \
  }                                                                                                \
  template <typename T, bool isSetMask = true>                                                     \
  void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src, uint64_t mask,                   \
            const uint8_t repeatTime, const UnaryRepeatParams& repeatParams, Site site = Site()) { \
    emulator::unary(#Name, VectorOp::op, emulator::type_of<T>, dst.place(), src.place(), {},       \
                    Repeat::of(mask, repeatTime, isSetMask), repeatParams, site);                  \
  }

EMULATOR_UNARY(Exp, exp)
EMULATOR_UNARY(Ln, ln)
EMULATOR_UNARY(Abs, abs)
EMULATOR_UNARY(Not, bit_not)
#undef EMULATOR_UNARY

// --- One source and a scalar of its type ---

#define EMULATOR_SCALAR(Name, op)                                                              \
  template <typename T, bool isSetMask = true>                                                 \
  void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src, const T& scalarValue,        \
            const int32_t& count, Site site = Site()) {                                        \
    emulator::unary(#Name, VectorOp::op, emulator::type_of<T>, dst.place(), src.place(),       \
                    emulator::scalar_of(scalarValue), Repeat::count(count), {}, site);         \
  }                                                                                            \
  template <typename T, bool isSetMask = true>                                                 \
  void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src, const T& scalarValue,        \
            uint64_t mask[], const uint8_t repeatTime, const UnaryRepeatParams& repeatParams,  \
            Site site = Site()) {                                                              \
    emulator::unary(#Name, VectorOp::op, emulator::type_of<T>, dst.place(), src.place(),       \
                    emulator::scalar_of(scalarValue), Repeat::of(mask, repeatTime, isSetMask), \
                    repeatParams, site);                                                       \
  }                                                                                            \
  template <typename T, bool isSetMask = true>                                                 \
  void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src, const T& scalarValue,        \
            uint64_t mask, const uint8_t repeatTime, const UnaryRepeatParams& repeatParams,    \
            Site site = Site()) {                                                              \
    emulator::unary(#Name, VectorOp::op, emulator::type_of<T>, dst.place(), src.place(),       \
                    emulator::scalar_of(scalarValue), Repeat::of(mask, repeatTime, isSetMask), \
                    repeatParams, site);                                                       \
  }

EMULATOR_SCALAR(Adds, adds)
EMULATOR_SCALAR(Muls, muls)
EMULATOR_SCALAR(Maxs, maxs)
EMULATOR_SCALAR(Mins, mins)
EMULATOR_SCALAR(ShiftLeft, shift_left)
EMULATOR_SCALAR(ShiftRight, shift_right)
#undef EMULATOR_SCALAR

}  // namespace AscendC
