// Reductions over a repeat or a block, comparisons to bits, and selection by bits.
#pragma once

#include "api/vector_convert.h"

namespace AscendC {

enum class ReduceOrder : uint8_t {
  ORDER_VALUE_INDEX,
  ORDER_INDEX_VALUE,
  ORDER_ONLY_VALUE,
  ORDER_ONLY_INDEX,
};
enum class CMPMODE : uint8_t { LT, GT, EQ, LE, GE, NE };
enum class SELMODE : uint8_t { VSEL_CMPMASK_SPR, VSEL_TENSOR_SCALAR_MODE, VSEL_TENSOR_TENSOR_MODE };

}  // namespace AscendC

namespace emulator {

enum class ReduceOp : uint8_t { max, min, sum };

struct ReduceStrides {
  int64_t dst_repeat;
  int64_t src_block;
  int64_t src_repeat;
};

void whole_reduce(const char* call, ReduceOp op, Type type, const Place& dst, const Place& src,
                  const Repeat& repeat, const ReduceStrides& strides, AscendC::ReduceOrder order,
                  Site site);
void block_reduce(const char* call, ReduceOp op, Type type, const Place& dst, const Place& src,
                  const Repeat& repeat, const ReduceStrides& strides, Site site);
// b null: with the scalar.
void compare(const char* call, Type type, const Place& dst, const Place& a, const Place* b,
             const LaneContext& scalar, AscendC::CMPMODE mode, int64_t count, Site site);
// src1 null: the scalar where a bit is 0.
void select(Type type, const Place& dst, const Place& bits, const Place& src0, const Place* src1,
            const uint8_t* scalar, AscendC::SELMODE mode, const Repeat& repeat,
            const AscendC::BinaryRepeatParams& params, Site site);

inline Repeat reduce_repeat(int32_t mask, int32_t repeats) {
  return {Repeat::Kind::consecutive, mask, 0, 0, repeats};
}
inline Repeat reduce_repeat(const uint64_t* mask, int32_t repeats) {
  return {Repeat::Kind::bits, 0, mask[0], mask[1], repeats};
}

}  // namespace emulator

namespace AscendC {

// One result per repeat. dstRepStride in results: values, or pairs of value and index.
template <typename T>
void WholeReduceMax(const LocalTensor<T>& dst, const LocalTensor<T>& src, int32_t mask,
                    int32_t repeatTime, int32_t dstRepStride, int32_t srcBlkStride,
                    int32_t srcRepStride, ReduceOrder order = ReduceOrder::ORDER_VALUE_INDEX,
                    Site site = Site()) {
  emulator::whole_reduce("WholeReduceMax", emulator::ReduceOp::max, emulator::type_of<T>,
                         dst.place(), src.place(), emulator::reduce_repeat(mask, repeatTime),
                         {dstRepStride, srcBlkStride, srcRepStride}, order, site);
}
template <typename T>
void WholeReduceMax(const LocalTensor<T>& dst, const LocalTensor<T>& src, const uint64_t mask[],
                    int32_t repeatTime, int32_t dstRepStride, int32_t srcBlkStride,
                    int32_t srcRepStride, ReduceOrder order = ReduceOrder::ORDER_VALUE_INDEX,
                    Site site = Site()) {
  emulator::whole_reduce("WholeReduceMax", emulator::ReduceOp::max, emulator::type_of<T>,
                         dst.place(), src.place(), emulator::reduce_repeat(mask, repeatTime),
                         {dstRepStride, srcBlkStride, srcRepStride}, order, site);
}
template <typename T>
void WholeReduceMin(const LocalTensor<T>& dst, const LocalTensor<T>& src, int32_t mask,
                    int32_t repeatTime, int32_t dstRepStride, int32_t srcBlkStride,
                    int32_t srcRepStride, ReduceOrder order = ReduceOrder::ORDER_VALUE_INDEX,
                    Site site = Site()) {
  emulator::whole_reduce("WholeReduceMin", emulator::ReduceOp::min, emulator::type_of<T>,
                         dst.place(), src.place(), emulator::reduce_repeat(mask, repeatTime),
                         {dstRepStride, srcBlkStride, srcRepStride}, order, site);
}
template <typename T>
void WholeReduceMin(const LocalTensor<T>& dst, const LocalTensor<T>& src, const uint64_t mask[],
                    int32_t repeatTime, int32_t dstRepStride, int32_t srcBlkStride,
                    int32_t srcRepStride, ReduceOrder order = ReduceOrder::ORDER_VALUE_INDEX,
                    Site site = Site()) {
  emulator::whole_reduce("WholeReduceMin", emulator::ReduceOp::min, emulator::type_of<T>,
                         dst.place(), src.place(), emulator::reduce_repeat(mask, repeatTime),
                         {dstRepStride, srcBlkStride, srcRepStride}, order, site);
}
template <typename T>
void WholeReduceSum(const LocalTensor<T>& dst, const LocalTensor<T>& src, int32_t mask,
                    int32_t repeatTime, int32_t dstRepStride, int32_t srcBlkStride,
                    int32_t srcRepStride, Site site = Site()) {
  emulator::whole_reduce("WholeReduceSum", emulator::ReduceOp::sum, emulator::type_of<T>,
                         dst.place(), src.place(), emulator::reduce_repeat(mask, repeatTime),
                         {dstRepStride, srcBlkStride, srcRepStride}, ReduceOrder::ORDER_ONLY_VALUE,
                         site);
}
template <typename T>
void WholeReduceSum(const LocalTensor<T>& dst, const LocalTensor<T>& src, const uint64_t mask[],
                    int32_t repeatTime, int32_t dstRepStride, int32_t srcBlkStride,
                    int32_t srcRepStride, Site site = Site()) {
  emulator::whole_reduce("WholeReduceSum", emulator::ReduceOp::sum, emulator::type_of<T>,
                         dst.place(), src.place(), emulator::reduce_repeat(mask, repeatTime),
                         {dstRepStride, srcBlkStride, srcRepStride}, ReduceOrder::ORDER_ONLY_VALUE,
                         site);
}
// Eight results per repeat, one per block. dstRepStride in 32 B (float) or 16 B (half).
template <typename T>
void BlockReduceMax(const LocalTensor<T>& dst, const LocalTensor<T>& src, int32_t repeatTime,
                    int32_t mask, int32_t dstRepStride, int32_t srcBlkStride, int32_t srcRepStride,
                    Site site = Site()) {
  emulator::block_reduce("BlockReduceMax", emulator::ReduceOp::max, emulator::type_of<T>,
                         dst.place(), src.place(), emulator::reduce_repeat(mask, repeatTime),
                         {dstRepStride, srcBlkStride, srcRepStride}, site);
}
template <typename T>
void BlockReduceMax(const LocalTensor<T>& dst, const LocalTensor<T>& src, int32_t repeatTime,
                    const uint64_t mask[], int32_t dstRepStride, int32_t srcBlkStride,
                    int32_t srcRepStride, Site site = Site()) {
  emulator::block_reduce("BlockReduceMax", emulator::ReduceOp::max, emulator::type_of<T>,
                         dst.place(), src.place(), emulator::reduce_repeat(mask, repeatTime),
                         {dstRepStride, srcBlkStride, srcRepStride}, site);
}
template <typename T>
void BlockReduceMin(const LocalTensor<T>& dst, const LocalTensor<T>& src, int32_t repeatTime,
                    int32_t mask, int32_t dstRepStride, int32_t srcBlkStride, int32_t srcRepStride,
                    Site site = Site()) {
  emulator::block_reduce("BlockReduceMin", emulator::ReduceOp::min, emulator::type_of<T>,
                         dst.place(), src.place(), emulator::reduce_repeat(mask, repeatTime),
                         {dstRepStride, srcBlkStride, srcRepStride}, site);
}
template <typename T>
void BlockReduceMin(const LocalTensor<T>& dst, const LocalTensor<T>& src, int32_t repeatTime,
                    const uint64_t mask[], int32_t dstRepStride, int32_t srcBlkStride,
                    int32_t srcRepStride, Site site = Site()) {
  emulator::block_reduce("BlockReduceMin", emulator::ReduceOp::min, emulator::type_of<T>,
                         dst.place(), src.place(), emulator::reduce_repeat(mask, repeatTime),
                         {dstRepStride, srcBlkStride, srcRepStride}, site);
}
template <typename T>
void BlockReduceSum(const LocalTensor<T>& dst, const LocalTensor<T>& src, int32_t repeatTime,
                    int32_t mask, int32_t dstRepStride, int32_t srcBlkStride, int32_t srcRepStride,
                    Site site = Site()) {
  emulator::block_reduce("BlockReduceSum", emulator::ReduceOp::sum, emulator::type_of<T>,
                         dst.place(), src.place(), emulator::reduce_repeat(mask, repeatTime),
                         {dstRepStride, srcBlkStride, srcRepStride}, site);
}
template <typename T>
void BlockReduceSum(const LocalTensor<T>& dst, const LocalTensor<T>& src, int32_t repeatTime,
                    const uint64_t mask[], int32_t dstRepStride, int32_t srcBlkStride,
                    int32_t srcRepStride, Site site = Site()) {
  emulator::block_reduce("BlockReduceSum", emulator::ReduceOp::sum, emulator::type_of<T>,
                         dst.place(), src.place(), emulator::reduce_repeat(mask, repeatTime),
                         {dstRepStride, srcBlkStride, srcRepStride}, site);
}

// Bit t of byte b is element 8 b + t. count * sizeof(T) must be a multiple of 256 B.
template <typename T, typename U>
void Compare(const LocalTensor<U>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,
             CMPMODE mode, uint32_t count, Site site = Site()) {
  static_assert(sizeof(U) == 1, "bits are kept in uint8_t");
  emulator::compare("Compare", emulator::type_of<T>, dst.place(), src0.place(), &src1.place(), {},
                    mode, count, site);
}
template <typename T, typename U>
void CompareScalar(const LocalTensor<U>& dst, const LocalTensor<T>& src0, const T& scalar,
                   CMPMODE mode, uint32_t count, Site site = Site()) {
  static_assert(sizeof(U) == 1, "bits are kept in uint8_t");
  emulator::compare("CompareScalar", emulator::type_of<T>, dst.place(), src0.place(), nullptr,
                    emulator::scalar_of(scalar), mode, count, site);
}

// Bit 1 takes src0, bit 0 the scalar or src1. Each repeat uses the next 64 (float) or 128 bits.
template <typename T, typename U, bool isSetMask = true>
void Select(const LocalTensor<T>& dst, const LocalTensor<U>& selMask, const LocalTensor<T>& src0,
            const T& scalar, SELMODE mode, uint64_t mask, uint8_t repeatTime,
            const BinaryRepeatParams& params, Site site = Site()) {
  uint8_t value[sizeof(T)];
  std::memcpy(value, &scalar, sizeof(T));
  emulator::select(emulator::type_of<T>, dst.place(), selMask.place(), src0.place(), nullptr, value,
                   mode, Repeat::of(mask, repeatTime, isSetMask), params, site);
}
template <typename T, typename U, bool isSetMask = true>
void Select(const LocalTensor<T>& dst, const LocalTensor<U>& selMask, const LocalTensor<T>& src0,
            const T& scalar, SELMODE mode, uint64_t mask[], uint8_t repeatTime,
            const BinaryRepeatParams& params, Site site = Site()) {
  uint8_t value[sizeof(T)];
  std::memcpy(value, &scalar, sizeof(T));
  emulator::select(emulator::type_of<T>, dst.place(), selMask.place(), src0.place(), nullptr, value,
                   mode, Repeat::of(mask, repeatTime, isSetMask), params, site);
}
template <typename T, typename U>
void Select(const LocalTensor<T>& dst, const LocalTensor<U>& selMask, const LocalTensor<T>& src0,
            const T& scalar, SELMODE mode, uint32_t count, Site site = Site()) {
  uint8_t value[sizeof(T)];
  std::memcpy(value, &scalar, sizeof(T));
  emulator::select(emulator::type_of<T>, dst.place(), selMask.place(), src0.place(), nullptr, value,
                   mode, Repeat::count(count), {}, site);
}
template <typename T, typename U, bool isSetMask = true>
void Select(const LocalTensor<T>& dst, const LocalTensor<U>& selMask, const LocalTensor<T>& src0,
            const LocalTensor<T>& src1, SELMODE mode, uint64_t mask, uint8_t repeatTime,
            const BinaryRepeatParams& params, Site site = Site()) {
  emulator::select(emulator::type_of<T>, dst.place(), selMask.place(), src0.place(), &src1.place(),
                   nullptr, mode, Repeat::of(mask, repeatTime, isSetMask), params, site);
}
template <typename T, typename U, bool isSetMask = true>
void Select(const LocalTensor<T>& dst, const LocalTensor<U>& selMask, const LocalTensor<T>& src0,
            const LocalTensor<T>& src1, SELMODE mode, uint64_t mask[], uint8_t repeatTime,
            const BinaryRepeatParams& params, Site site = Site()) {
  emulator::select(emulator::type_of<T>, dst.place(), selMask.place(), src0.place(), &src1.place(),
                   nullptr, mode, Repeat::of(mask, repeatTime, isSetMask), params, site);
}
template <typename T, typename U>
void Select(const LocalTensor<T>& dst, const LocalTensor<U>& selMask, const LocalTensor<T>& src0,
            const LocalTensor<T>& src1, SELMODE mode, uint32_t count, Site site = Site()) {
  emulator::select(emulator::type_of<T>, dst.place(), selMask.place(), src0.place(), &src1.place(),
                   nullptr, mode, Repeat::count(count), {}, site);
}

}  // namespace AscendC
