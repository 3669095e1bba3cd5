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

inline Repeat reduce_repeat(int32_t mask, int32_t repeats, bool sets_mask) {
  return {sets_mask ? Repeat::Kind::consecutive : Repeat::Kind::from_register, mask, 0, 0, repeats};
}
inline Repeat reduce_repeat(const uint64_t* mask, int32_t repeats, bool sets_mask) {
  return {sets_mask ? Repeat::Kind::bits : Repeat::Kind::from_register, 0, mask[0], mask[1],
          repeats};
}

template <typename T, typename U>
void select_or(const AscendC::LocalTensor<T>& dst, const AscendC::LocalTensor<U>& bits,
               const AscendC::LocalTensor<T>& src0, T src1, AscendC::SELMODE mode,
               const Repeat& repeat, const AscendC::BinaryRepeatParams& params, Site site) {
  uint8_t value[sizeof(T)];
  std::memcpy(value, &src1, sizeof(T));
  select(type_of<T>, dst.place(), bits.place(), src0.place(), nullptr, value, mode, repeat, params,
         site);
}
template <typename T, typename U>
void select_or(const AscendC::LocalTensor<T>& dst, const AscendC::LocalTensor<U>& bits,
               const AscendC::LocalTensor<T>& src0, const AscendC::LocalTensor<T>& src1,
               AscendC::SELMODE mode, const Repeat& repeat,
               const AscendC::BinaryRepeatParams& params, Site site) {
  select(type_of<T>, dst.place(), bits.place(), src0.place(), &src1.place(), nullptr, mode, repeat,
         params, site);
}

}  // namespace emulator

namespace AscendC {

// --- One result per repeat. dstRepStride in results: values, or pairs of value and index ---

#define EMULATOR_WHOLE_EXTREME(Name, op)                                                      \
  template <typename T, bool isSetMask = true>                                                \
  void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src, const uint64_t mask[],      \
            const int32_t repeatTime, const int32_t dstRepStride, const int32_t srcBlkStride, \
            const int32_t srcRepStride, ReduceOrder order = ReduceOrder::ORDER_VALUE_INDEX,   \
            Site site = Site()) {                                                             \
    emulator::whole_reduce(#Name, emulator::ReduceOp::op, emulator::type_of<T>, dst.place(),  \
                           src.place(), emulator::reduce_repeat(mask, repeatTime, isSetMask), \
                           {dstRepStride, srcBlkStride, srcRepStride}, order, site);          \
  }                                                                                           \
  template <typename T, bool isSetMask = true>                                                \
  void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src, const int32_t mask,         \
            const int32_t repeatTime, const int32_t dstRepStride, const int32_t srcBlkStride, \
            const int32_t srcRepStride, ReduceOrder order = ReduceOrder::ORDER_VALUE_INDEX,   \
            Site site = Site()) {                                                             \
    emulator::whole_reduce(#Name, emulator::ReduceOp::op, emulator::type_of<T>, dst.place(),  \
                           src.place(), emulator::reduce_repeat(mask, repeatTime, isSetMask), \
                           {dstRepStride, srcBlkStride, srcRepStride}, order, site);          \
  }

EMULATOR_WHOLE_EXTREME(WholeReduceMax, max)
EMULATOR_WHOLE_EXTREME(WholeReduceMin, min)
#undef EMULATOR_WHOLE_EXTREME

template <typename T, bool isSetMask = true>
void WholeReduceSum(const LocalTensor<T>& dst, const LocalTensor<T>& src, const uint64_t mask[],
                    const int32_t repeatTime, const int32_t dstRepStride,
                    const int32_t srcBlkStride, const int32_t srcRepStride, Site site = Site()) {
  emulator::whole_reduce(
      "WholeReduceSum", emulator::ReduceOp::sum, emulator::type_of<T>, dst.place(), src.place(),
      emulator::reduce_repeat(mask, repeatTime, isSetMask),
      {dstRepStride, srcBlkStride, srcRepStride}, ReduceOrder::ORDER_ONLY_VALUE, site);
}
template <typename T, bool isSetMask = true>
void WholeReduceSum(const LocalTensor<T>& dst, const LocalTensor<T>& src, const int32_t mask,
                    const int32_t repeatTime, const int32_t dstRepStride,
                    const int32_t srcBlkStride, const int32_t srcRepStride, Site site = Site()) {
  emulator::whole_reduce(
      "WholeReduceSum", emulator::ReduceOp::sum, emulator::type_of<T>, dst.place(), src.place(),
      emulator::reduce_repeat(mask, repeatTime, isSetMask),
      {dstRepStride, srcBlkStride, srcRepStride}, ReduceOrder::ORDER_ONLY_VALUE, site);
}

// --- Eight results per repeat, one per block. dstRepStride in 32 B (float) or 16 B (half) ---

#define EMULATOR_BLOCK_REDUCE(Name, op)                                                       \
  template <typename T, bool isSetMask = true>                                                \
  void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src, const int32_t repeatTime,   \
            const uint64_t mask[], const int32_t dstRepStride, const int32_t srcBlkStride,    \
            const int32_t srcRepStride, Site site = Site()) {                                 \
    emulator::block_reduce(#Name, emulator::ReduceOp::op, emulator::type_of<T>, dst.place(),  \
                           src.place(), emulator::reduce_repeat(mask, repeatTime, isSetMask), \
                           {dstRepStride, srcBlkStride, srcRepStride}, site);                 \
  }                                                                                           \
  template <typename T, bool isSetMask = true>                                                \
  void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src, const int32_t repeatTime,   \
            const int32_t mask, const int32_t dstRepStride, const int32_t srcBlkStride,       \
            const int32_t srcRepStride, Site site = Site()) {                                 \
    emulator::block_reduce(#Name, emulator::ReduceOp::op, emulator::type_of<T>, dst.place(),  \
                           src.place(), emulator::reduce_repeat(mask, repeatTime, isSetMask), \
                           {dstRepStride, srcBlkStride, srcRepStride}, site);                 \
  }

EMULATOR_BLOCK_REDUCE(BlockReduceMax, max)
EMULATOR_BLOCK_REDUCE(BlockReduceMin, min)
EMULATOR_BLOCK_REDUCE(BlockReduceSum, sum)
#undef EMULATOR_BLOCK_REDUCE

// --- Comparisons. Bit t of byte b is element 8 b + t; count * sizeof(T) is a multiple of 256 B ---

template <typename T, typename U>
void Compare(const LocalTensor<U>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,
             CMPMODE cmpMode, uint32_t count, Site site = Site()) {
  static_assert(sizeof(U) == 1, "bits are kept in uint8_t");
  emulator::compare("Compare", emulator::type_of<T>, dst.place(), src0.place(), &src1.place(), {},
                    cmpMode, count, site);
}
template <typename T, typename U>
void CompareScalar(const LocalTensor<U>& dst, const LocalTensor<T>& src0, const T src1Scalar,
                   CMPMODE cmpMode, uint32_t count, Site site = Site()) {
  static_assert(sizeof(U) == 1, "bits are kept in uint8_t");
  emulator::compare("CompareScalar", emulator::type_of<T>, dst.place(), src0.place(), nullptr,
                    emulator::scalar_of(src1Scalar), cmpMode, count, site);
}

// --- Bit 1 takes src0, bit 0 src1, a tensor or a scalar. Each repeat uses the next bits: 64 for
// float, 128 for half ---

#define EMULATOR_SELECT(Source)                                                                 \
  template <typename T, typename U>                                                             \
  void Select(const LocalTensor<T>& dst, const LocalTensor<U>& selMask,                         \
              const LocalTensor<T>& src0, Source src1, SELMODE selMode, uint32_t count,         \
              Site site = Site()) {                                                             \
    emulator::select_or(dst, selMask, src0, src1, selMode, Repeat::count(count), {}, site);     \
  }                                                                                             \
  template <typename T, typename U, bool isSetMask = true>                                      \
  void Select(const LocalTensor<T>& dst, const LocalTensor<U>& selMask,                         \
              const LocalTensor<T>& src0, Source src1, SELMODE selMode, uint64_t mask[],        \
              uint8_t repeatTime, const BinaryRepeatParams& repeatParams, Site site = Site()) { \
    emulator::select_or(dst, selMask, src0, src1, selMode,                                      \
                        Repeat::of(mask, repeatTime, isSetMask), repeatParams, site);           \
  }                                                                                             \
  template <typename T, typename U, bool isSetMask = true>                                      \
  void Select(const LocalTensor<T>& dst, const LocalTensor<U>& selMask,                         \
              const LocalTensor<T>& src0, Source src1, SELMODE selMode, uint64_t mask,          \
              uint8_t repeatTime, const BinaryRepeatParams& repeatParams, Site site = Site()) { \
    emulator::select_or(dst, selMask, src0, src1, selMode,                                      \
                        Repeat::of(mask, repeatTime, isSetMask), repeatParams, site);           \
  }

EMULATOR_SELECT(T)
EMULATOR_SELECT(const LocalTensor<T>&)
#undef EMULATOR_SELECT

}  // namespace AscendC
