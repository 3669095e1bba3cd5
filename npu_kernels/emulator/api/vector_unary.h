// Vector instructions of one source, with or without a scalar: Adds ... ShiftRight. Three forms
// each: a count of contiguous elements; the first `mask` lanes of each repeat; a bit mask of each
// repeat.
#pragma once

#include "api/vector_binary.h"

namespace AscendC {

template <typename T>
void Adds(const LocalTensor<T>& dst, const LocalTensor<T>& src, const T& scalar, int32_t count,
          Site site = Site()) {
  emulator::unary("Adds", VectorOp::adds, emulator::type_of<T>, dst.place(), src.place(),
                  emulator::scalar_of(scalar), Repeat::count(count), {}, site);
}
template <typename T, bool isSetMask = true>
void Adds(const LocalTensor<T>& dst, const LocalTensor<T>& src, const T& scalar, uint64_t mask,
          uint8_t repeatTime, const UnaryRepeatParams& params, Site site = Site()) {
  emulator::unary("Adds", VectorOp::adds, emulator::type_of<T>, dst.place(), src.place(),
                  emulator::scalar_of(scalar), Repeat::of(mask, repeatTime, isSetMask), params,
                  site);
}
template <typename T, bool isSetMask = true>
void Adds(const LocalTensor<T>& dst, const LocalTensor<T>& src, const T& scalar, uint64_t mask[],
          uint8_t repeatTime, const UnaryRepeatParams& params, Site site = Site()) {
  emulator::unary("Adds", VectorOp::adds, emulator::type_of<T>, dst.place(), src.place(),
                  emulator::scalar_of(scalar), Repeat::of(mask, repeatTime, isSetMask), params,
                  site);
}

template <typename T>
void Muls(const LocalTensor<T>& dst, const LocalTensor<T>& src, const T& scalar, int32_t count,
          Site site = Site()) {
  emulator::unary("Muls", VectorOp::muls, emulator::type_of<T>, dst.place(), src.place(),
                  emulator::scalar_of(scalar), Repeat::count(count), {}, site);
}
template <typename T, bool isSetMask = true>
void Muls(const LocalTensor<T>& dst, const LocalTensor<T>& src, const T& scalar, uint64_t mask,
          uint8_t repeatTime, const UnaryRepeatParams& params, Site site = Site()) {
  emulator::unary("Muls", VectorOp::muls, emulator::type_of<T>, dst.place(), src.place(),
                  emulator::scalar_of(scalar), Repeat::of(mask, repeatTime, isSetMask), params,
                  site);
}
template <typename T, bool isSetMask = true>
void Muls(const LocalTensor<T>& dst, const LocalTensor<T>& src, const T& scalar, uint64_t mask[],
          uint8_t repeatTime, const UnaryRepeatParams& params, Site site = Site()) {
  emulator::unary("Muls", VectorOp::muls, emulator::type_of<T>, dst.place(), src.place(),
                  emulator::scalar_of(scalar), Repeat::of(mask, repeatTime, isSetMask), params,
                  site);
}

template <typename T>
void Maxs(const LocalTensor<T>& dst, const LocalTensor<T>& src, const T& scalar, int32_t count,
          Site site = Site()) {
  emulator::unary("Maxs", VectorOp::maxs, emulator::type_of<T>, dst.place(), src.place(),
                  emulator::scalar_of(scalar), Repeat::count(count), {}, site);
}
template <typename T, bool isSetMask = true>
void Maxs(const LocalTensor<T>& dst, const LocalTensor<T>& src, const T& scalar, uint64_t mask,
          uint8_t repeatTime, const UnaryRepeatParams& params, Site site = Site()) {
  emulator::unary("Maxs", VectorOp::maxs, emulator::type_of<T>, dst.place(), src.place(),
                  emulator::scalar_of(scalar), Repeat::of(mask, repeatTime, isSetMask), params,
                  site);
}
template <typename T, bool isSetMask = true>
void Maxs(const LocalTensor<T>& dst, const LocalTensor<T>& src, const T& scalar, uint64_t mask[],
          uint8_t repeatTime, const UnaryRepeatParams& params, Site site = Site()) {
  emulator::unary("Maxs", VectorOp::maxs, emulator::type_of<T>, dst.place(), src.place(),
                  emulator::scalar_of(scalar), Repeat::of(mask, repeatTime, isSetMask), params,
                  site);
}

template <typename T>
void Mins(const LocalTensor<T>& dst, const LocalTensor<T>& src, const T& scalar, int32_t count,
          Site site = Site()) {
  emulator::unary("Mins", VectorOp::mins, emulator::type_of<T>, dst.place(), src.place(),
                  emulator::scalar_of(scalar), Repeat::count(count), {}, site);
}
template <typename T, bool isSetMask = true>
void Mins(const LocalTensor<T>& dst, const LocalTensor<T>& src, const T& scalar, uint64_t mask,
          uint8_t repeatTime, const UnaryRepeatParams& params, Site site = Site()) {
  emulator::unary("Mins", VectorOp::mins, emulator::type_of<T>, dst.place(), src.place(),
                  emulator::scalar_of(scalar), Repeat::of(mask, repeatTime, isSetMask), params,
                  site);
}
template <typename T, bool isSetMask = true>
void Mins(const LocalTensor<T>& dst, const LocalTensor<T>& src, const T& scalar, uint64_t mask[],
          uint8_t repeatTime, const UnaryRepeatParams& params, Site site = Site()) {
  emulator::unary("Mins", VectorOp::mins, emulator::type_of<T>, dst.place(), src.place(),
                  emulator::scalar_of(scalar), Repeat::of(mask, repeatTime, isSetMask), params,
                  site);
}

template <typename T>
void Exp(const LocalTensor<T>& dst, const LocalTensor<T>& src, int32_t count, Site site = Site()) {
  emulator::unary("Exp", VectorOp::exp, emulator::type_of<T>, dst.place(), src.place(), {},
                  Repeat::count(count), {}, site);
}
template <typename T, bool isSetMask = true>
void Exp(const LocalTensor<T>& dst, const LocalTensor<T>& src, uint64_t mask, uint8_t repeatTime,
         const UnaryRepeatParams& params, Site site = Site()) {
  emulator::unary("Exp", VectorOp::exp, emulator::type_of<T>, dst.place(), src.place(), {},
                  Repeat::of(mask, repeatTime, isSetMask), params, site);
}
template <typename T, bool isSetMask = true>
void Exp(const LocalTensor<T>& dst, const LocalTensor<T>& src, uint64_t mask[], uint8_t repeatTime,
         const UnaryRepeatParams& params, Site site = Site()) {
  emulator::unary("Exp", VectorOp::exp, emulator::type_of<T>, dst.place(), src.place(), {},
                  Repeat::of(mask, repeatTime, isSetMask), params, site);
}

template <typename T>
void Ln(const LocalTensor<T>& dst, const LocalTensor<T>& src, int32_t count, Site site = Site()) {
  emulator::unary("Ln", VectorOp::ln, emulator::type_of<T>, dst.place(), src.place(), {},
                  Repeat::count(count), {}, site);
}
template <typename T, bool isSetMask = true>
void Ln(const LocalTensor<T>& dst, const LocalTensor<T>& src, uint64_t mask, uint8_t repeatTime,
        const UnaryRepeatParams& params, Site site = Site()) {
  emulator::unary("Ln", VectorOp::ln, emulator::type_of<T>, dst.place(), src.place(), {},
                  Repeat::of(mask, repeatTime, isSetMask), params, site);
}
template <typename T, bool isSetMask = true>
void Ln(const LocalTensor<T>& dst, const LocalTensor<T>& src, uint64_t mask[], uint8_t repeatTime,
        const UnaryRepeatParams& params, Site site = Site()) {
  emulator::unary("Ln", VectorOp::ln, emulator::type_of<T>, dst.place(), src.place(), {},
                  Repeat::of(mask, repeatTime, isSetMask), params, site);
}

template <typename T>
void Abs(const LocalTensor<T>& dst, const LocalTensor<T>& src, int32_t count, Site site = Site()) {
  emulator::unary("Abs", VectorOp::abs, emulator::type_of<T>, dst.place(), src.place(), {},
                  Repeat::count(count), {}, site);
}
template <typename T, bool isSetMask = true>
void Abs(const LocalTensor<T>& dst, const LocalTensor<T>& src, uint64_t mask, uint8_t repeatTime,
         const UnaryRepeatParams& params, Site site = Site()) {
  emulator::unary("Abs", VectorOp::abs, emulator::type_of<T>, dst.place(), src.place(), {},
                  Repeat::of(mask, repeatTime, isSetMask), params, site);
}
template <typename T, bool isSetMask = true>
void Abs(const LocalTensor<T>& dst, const LocalTensor<T>& src, uint64_t mask[], uint8_t repeatTime,
         const UnaryRepeatParams& params, Site site = Site()) {
  emulator::unary("Abs", VectorOp::abs, emulator::type_of<T>, dst.place(), src.place(), {},
                  Repeat::of(mask, repeatTime, isSetMask), params, site);
}

template <typename T>
void Not(const LocalTensor<T>& dst, const LocalTensor<T>& src, int32_t count, Site site = Site()) {
  emulator::unary("Not", VectorOp::bit_not, emulator::type_of<T>, dst.place(), src.place(), {},
                  Repeat::count(count), {}, site);
}
template <typename T, bool isSetMask = true>
void Not(const LocalTensor<T>& dst, const LocalTensor<T>& src, uint64_t mask, uint8_t repeatTime,
         const UnaryRepeatParams& params, Site site = Site()) {
  emulator::unary("Not", VectorOp::bit_not, emulator::type_of<T>, dst.place(), src.place(), {},
                  Repeat::of(mask, repeatTime, isSetMask), params, site);
}
template <typename T, bool isSetMask = true>
void Not(const LocalTensor<T>& dst, const LocalTensor<T>& src, uint64_t mask[], uint8_t repeatTime,
         const UnaryRepeatParams& params, Site site = Site()) {
  emulator::unary("Not", VectorOp::bit_not, emulator::type_of<T>, dst.place(), src.place(), {},
                  Repeat::of(mask, repeatTime, isSetMask), params, site);
}

template <typename T>
void ShiftLeft(const LocalTensor<T>& dst, const LocalTensor<T>& src, const T& scalar, int32_t count,
               Site site = Site()) {
  emulator::unary("ShiftLeft", VectorOp::shift_left, emulator::type_of<T>, dst.place(), src.place(),
                  emulator::scalar_of(scalar), Repeat::count(count), {}, site);
}
template <typename T, bool isSetMask = true>
void ShiftLeft(const LocalTensor<T>& dst, const LocalTensor<T>& src, const T& scalar, uint64_t mask,
               uint8_t repeatTime, const UnaryRepeatParams& params, Site site = Site()) {
  emulator::unary("ShiftLeft", VectorOp::shift_left, emulator::type_of<T>, dst.place(), src.place(),
                  emulator::scalar_of(scalar), Repeat::of(mask, repeatTime, isSetMask), params,
                  site);
}
template <typename T, bool isSetMask = true>
void ShiftLeft(const LocalTensor<T>& dst, const LocalTensor<T>& src, const T& scalar,
               uint64_t mask[], uint8_t repeatTime, const UnaryRepeatParams& params,
               Site site = Site()) {
  emulator::unary("ShiftLeft", VectorOp::shift_left, emulator::type_of<T>, dst.place(), src.place(),
                  emulator::scalar_of(scalar), Repeat::of(mask, repeatTime, isSetMask), params,
                  site);
}

template <typename T>
void ShiftRight(const LocalTensor<T>& dst, const LocalTensor<T>& src, const T& scalar,
                int32_t count, Site site = Site()) {
  emulator::unary("ShiftRight", VectorOp::shift_right, emulator::type_of<T>, dst.place(),
                  src.place(), emulator::scalar_of(scalar), Repeat::count(count), {}, site);
}
template <typename T, bool isSetMask = true>
void ShiftRight(const LocalTensor<T>& dst, const LocalTensor<T>& src, const T& scalar,
                uint64_t mask, uint8_t repeatTime, const UnaryRepeatParams& params,
                Site site = Site()) {
  emulator::unary("ShiftRight", VectorOp::shift_right, emulator::type_of<T>, dst.place(),
                  src.place(), emulator::scalar_of(scalar), Repeat::of(mask, repeatTime, isSetMask),
                  params, site);
}
template <typename T, bool isSetMask = true>
void ShiftRight(const LocalTensor<T>& dst, const LocalTensor<T>& src, const T& scalar,
                uint64_t mask[], uint8_t repeatTime, const UnaryRepeatParams& params,
                Site site = Site()) {
  emulator::unary("ShiftRight", VectorOp::shift_right, emulator::type_of<T>, dst.place(),
                  src.place(), emulator::scalar_of(scalar), Repeat::of(mask, repeatTime, isSetMask),
                  params, site);
}

}  // namespace AscendC
