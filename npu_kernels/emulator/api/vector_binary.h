// Vector instructions of two sources: Add ... Or. Three forms each: a count of contiguous
// elements; the first `mask` lanes of each repeat; a bit mask of each repeat.
#pragma once

#include "machine/operands.h"

namespace AscendC {

using emulator::Repeat;
using emulator::VectorOp;

template <typename T>
void Add(const LocalTensor<T>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,
         int32_t count, Site site = Site()) {
  emulator::binary("Add", VectorOp::add, emulator::type_of<T>, dst.place(), src0.place(),
                   src1.place(), Repeat::count(count), {}, site);
}
template <typename T, bool isSetMask = true>
void Add(const LocalTensor<T>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,
         uint64_t mask, uint8_t repeatTime, const BinaryRepeatParams& params, Site site = Site()) {
  emulator::binary("Add", VectorOp::add, emulator::type_of<T>, dst.place(), src0.place(),
                   src1.place(), Repeat::of(mask, repeatTime, isSetMask), params, site);
}
template <typename T, bool isSetMask = true>
void Add(const LocalTensor<T>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,
         uint64_t mask[], uint8_t repeatTime, const BinaryRepeatParams& params,
         Site site = Site()) {
  emulator::binary("Add", VectorOp::add, emulator::type_of<T>, dst.place(), src0.place(),
                   src1.place(), Repeat::of(mask, repeatTime, isSetMask), params, site);
}

template <typename T>
void Sub(const LocalTensor<T>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,
         int32_t count, Site site = Site()) {
  emulator::binary("Sub", VectorOp::sub, emulator::type_of<T>, dst.place(), src0.place(),
                   src1.place(), Repeat::count(count), {}, site);
}
template <typename T, bool isSetMask = true>
void Sub(const LocalTensor<T>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,
         uint64_t mask, uint8_t repeatTime, const BinaryRepeatParams& params, Site site = Site()) {
  emulator::binary("Sub", VectorOp::sub, emulator::type_of<T>, dst.place(), src0.place(),
                   src1.place(), Repeat::of(mask, repeatTime, isSetMask), params, site);
}
template <typename T, bool isSetMask = true>
void Sub(const LocalTensor<T>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,
         uint64_t mask[], uint8_t repeatTime, const BinaryRepeatParams& params,
         Site site = Site()) {
  emulator::binary("Sub", VectorOp::sub, emulator::type_of<T>, dst.place(), src0.place(),
                   src1.place(), Repeat::of(mask, repeatTime, isSetMask), params, site);
}

template <typename T>
void Mul(const LocalTensor<T>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,
         int32_t count, Site site = Site()) {
  emulator::binary("Mul", VectorOp::mul, emulator::type_of<T>, dst.place(), src0.place(),
                   src1.place(), Repeat::count(count), {}, site);
}
template <typename T, bool isSetMask = true>
void Mul(const LocalTensor<T>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,
         uint64_t mask, uint8_t repeatTime, const BinaryRepeatParams& params, Site site = Site()) {
  emulator::binary("Mul", VectorOp::mul, emulator::type_of<T>, dst.place(), src0.place(),
                   src1.place(), Repeat::of(mask, repeatTime, isSetMask), params, site);
}
template <typename T, bool isSetMask = true>
void Mul(const LocalTensor<T>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,
         uint64_t mask[], uint8_t repeatTime, const BinaryRepeatParams& params,
         Site site = Site()) {
  emulator::binary("Mul", VectorOp::mul, emulator::type_of<T>, dst.place(), src0.place(),
                   src1.place(), Repeat::of(mask, repeatTime, isSetMask), params, site);
}

template <typename T>
void Div(const LocalTensor<T>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,
         int32_t count, Site site = Site()) {
  emulator::binary("Div", VectorOp::div, emulator::type_of<T>, dst.place(), src0.place(),
                   src1.place(), Repeat::count(count), {}, site);
}
template <typename T, bool isSetMask = true>
void Div(const LocalTensor<T>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,
         uint64_t mask, uint8_t repeatTime, const BinaryRepeatParams& params, Site site = Site()) {
  emulator::binary("Div", VectorOp::div, emulator::type_of<T>, dst.place(), src0.place(),
                   src1.place(), Repeat::of(mask, repeatTime, isSetMask), params, site);
}
template <typename T, bool isSetMask = true>
void Div(const LocalTensor<T>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,
         uint64_t mask[], uint8_t repeatTime, const BinaryRepeatParams& params,
         Site site = Site()) {
  emulator::binary("Div", VectorOp::div, emulator::type_of<T>, dst.place(), src0.place(),
                   src1.place(), Repeat::of(mask, repeatTime, isSetMask), params, site);
}

template <typename T>
void Max(const LocalTensor<T>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,
         int32_t count, Site site = Site()) {
  emulator::binary("Max", VectorOp::max, emulator::type_of<T>, dst.place(), src0.place(),
                   src1.place(), Repeat::count(count), {}, site);
}
template <typename T, bool isSetMask = true>
void Max(const LocalTensor<T>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,
         uint64_t mask, uint8_t repeatTime, const BinaryRepeatParams& params, Site site = Site()) {
  emulator::binary("Max", VectorOp::max, emulator::type_of<T>, dst.place(), src0.place(),
                   src1.place(), Repeat::of(mask, repeatTime, isSetMask), params, site);
}
template <typename T, bool isSetMask = true>
void Max(const LocalTensor<T>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,
         uint64_t mask[], uint8_t repeatTime, const BinaryRepeatParams& params,
         Site site = Site()) {
  emulator::binary("Max", VectorOp::max, emulator::type_of<T>, dst.place(), src0.place(),
                   src1.place(), Repeat::of(mask, repeatTime, isSetMask), params, site);
}

template <typename T>
void Min(const LocalTensor<T>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,
         int32_t count, Site site = Site()) {
  emulator::binary("Min", VectorOp::min, emulator::type_of<T>, dst.place(), src0.place(),
                   src1.place(), Repeat::count(count), {}, site);
}
template <typename T, bool isSetMask = true>
void Min(const LocalTensor<T>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,
         uint64_t mask, uint8_t repeatTime, const BinaryRepeatParams& params, Site site = Site()) {
  emulator::binary("Min", VectorOp::min, emulator::type_of<T>, dst.place(), src0.place(),
                   src1.place(), Repeat::of(mask, repeatTime, isSetMask), params, site);
}
template <typename T, bool isSetMask = true>
void Min(const LocalTensor<T>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,
         uint64_t mask[], uint8_t repeatTime, const BinaryRepeatParams& params,
         Site site = Site()) {
  emulator::binary("Min", VectorOp::min, emulator::type_of<T>, dst.place(), src0.place(),
                   src1.place(), Repeat::of(mask, repeatTime, isSetMask), params, site);
}

template <typename T>
void And(const LocalTensor<T>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,
         int32_t count, Site site = Site()) {
  emulator::binary("And", VectorOp::bit_and, emulator::type_of<T>, dst.place(), src0.place(),
                   src1.place(), Repeat::count(count), {}, site);
}
template <typename T, bool isSetMask = true>
void And(const LocalTensor<T>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,
         uint64_t mask, uint8_t repeatTime, const BinaryRepeatParams& params, Site site = Site()) {
  emulator::binary("And", VectorOp::bit_and, emulator::type_of<T>, dst.place(), src0.place(),
                   src1.place(), Repeat::of(mask, repeatTime, isSetMask), params, site);
}
template <typename T, bool isSetMask = true>
void And(const LocalTensor<T>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,
         uint64_t mask[], uint8_t repeatTime, const BinaryRepeatParams& params,
         Site site = Site()) {
  emulator::binary("And", VectorOp::bit_and, emulator::type_of<T>, dst.place(), src0.place(),
                   src1.place(), Repeat::of(mask, repeatTime, isSetMask), params, site);
}

template <typename T>
void Or(const LocalTensor<T>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,
        int32_t count, Site site = Site()) {
  emulator::binary("Or", VectorOp::bit_or, emulator::type_of<T>, dst.place(), src0.place(),
                   src1.place(), Repeat::count(count), {}, site);
}
template <typename T, bool isSetMask = true>
void Or(const LocalTensor<T>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,
        uint64_t mask, uint8_t repeatTime, const BinaryRepeatParams& params, Site site = Site()) {
  emulator::binary("Or", VectorOp::bit_or, emulator::type_of<T>, dst.place(), src0.place(),
                   src1.place(), Repeat::of(mask, repeatTime, isSetMask), params, site);
}
template <typename T, bool isSetMask = true>
void Or(const LocalTensor<T>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,
        uint64_t mask[], uint8_t repeatTime, const BinaryRepeatParams& params, Site site = Site()) {
  emulator::binary("Or", VectorOp::bit_or, emulator::type_of<T>, dst.place(), src0.place(),
                   src1.place(), Repeat::of(mask, repeatTime, isSetMask), params, site);
}

}  // namespace AscendC
