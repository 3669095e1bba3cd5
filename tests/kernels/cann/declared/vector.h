// The vector unit. Part of kernel_operator.h.
#pragma once

namespace AscendC {

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
struct BrcbRepeatParams {
  uint16_t dstBlkStride = 1;
  uint16_t dstRepStride = 8;
};
enum class MaskMode : uint8_t { NORMAL, COUNTER };
enum class RoundMode : uint8_t {
  CAST_NONE,
  CAST_RINT,
  CAST_FLOOR,
  CAST_CEIL,
  CAST_ROUND,
  CAST_TRUNC,
  CAST_ODD
};
enum class ReduceOrder : uint8_t {
  ORDER_VALUE_INDEX,
  ORDER_INDEX_VALUE,
  ORDER_ONLY_VALUE,
  ORDER_ONLY_INDEX
};
enum class CMPMODE : uint8_t { LT, GT, EQ, LE, GE, NE };
enum class SELMODE : uint8_t { VSEL_CMPMASK_SPR, VSEL_TENSOR_SCALAR_MODE, VSEL_TENSOR_TENSOR_MODE };

// --- Lane by lane ---

#define DECLARE_BINARY(Name)                                                                  \
  template <typename T>                                                                       \
  __aicore__ void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src0,                 \
                       const LocalTensor<T>& src1, const int32_t& count);                     \
  template <typename T, bool isSetMask = true>                                                \
  __aicore__ void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src0,                 \
                       const LocalTensor<T>& src1, uint64_t mask[], const uint8_t repeatTime, \
                       const BinaryRepeatParams& repeatParams);                               \
  template <typename T, bool isSetMask = true>                                                \
  __aicore__ void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src0,                 \
                       const LocalTensor<T>& src1, uint64_t mask, const uint8_t repeatTime,   \
                       const BinaryRepeatParams& repeatParams);
DECLARE_BINARY(Add)
DECLARE_BINARY(Sub)
DECLARE_BINARY(Mul)
DECLARE_BINARY(Div)
DECLARE_BINARY(Max)
DECLARE_BINARY(Min)
DECLARE_BINARY(And)
DECLARE_BINARY(Or)

#define DECLARE_UNARY(Name)                                                                   \
  template <typename T>                                                                       \
  __aicore__ void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src,                  \
                       const int32_t& count);                                                 \
  template <typename T, bool isSetMask = true>                                                \
  __aicore__ void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src, uint64_t mask[], \
                       const uint8_t repeatTime, const UnaryRepeatParams& repeatParams);      \
  template <typename T, bool isSetMask = true>                                                \
  __aicore__ void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src, uint64_t mask,   \
                       const uint8_t repeatTime, const UnaryRepeatParams& repeatParams);
DECLARE_UNARY(Exp)
DECLARE_UNARY(Ln)
DECLARE_UNARY(Abs)
DECLARE_UNARY(Not)

#define DECLARE_SCALAR(Name)                                                                       \
  template <typename T, bool isSetMask = true>                                                     \
  __aicore__ void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src, const T& scalarValue, \
                       const int32_t& count);                                                      \
  template <typename T, bool isSetMask = true>                                                     \
  __aicore__ void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src, const T& scalarValue, \
                       uint64_t mask[], const uint8_t repeatTime,                                  \
                       const UnaryRepeatParams& repeatParams);                                     \
  template <typename T, bool isSetMask = true>                                                     \
  __aicore__ void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src, const T& scalarValue, \
                       uint64_t mask, const uint8_t repeatTime,                                    \
                       const UnaryRepeatParams& repeatParams);
DECLARE_SCALAR(Adds)
DECLARE_SCALAR(Muls)
DECLARE_SCALAR(Maxs)
DECLARE_SCALAR(Mins)
DECLARE_SCALAR(ShiftLeft)
DECLARE_SCALAR(ShiftRight)

// --- Casts, constants, the mask, broadcasts, gathering ---

template <typename T, typename U>
__aicore__ void Cast(const LocalTensor<T>& dst, const LocalTensor<U>& src,
                     const RoundMode& roundMode, const uint32_t count);
template <typename T, typename U, bool isSetMask = true>
__aicore__ void Cast(const LocalTensor<T>& dst, const LocalTensor<U>& src,
                     const RoundMode& roundMode, const uint64_t mask[], const uint8_t repeatTime,
                     const UnaryRepeatParams& repeatParams);
template <typename T, typename U, bool isSetMask = true>
__aicore__ void Cast(const LocalTensor<T>& dst, const LocalTensor<U>& src,
                     const RoundMode& roundMode, const uint64_t mask, const uint8_t repeatTime,
                     const UnaryRepeatParams& repeatParams);
template <typename T>
__aicore__ void Duplicate(const LocalTensor<T>& dst, const T& scalarValue, const int32_t& count);
template <typename T, bool isSetMask = true>
__aicore__ void Duplicate(const LocalTensor<T>& dst, const T& scalarValue, uint64_t mask[],
                          const uint8_t repeatTime, const uint16_t dstBlockStride,
                          const uint8_t dstRepeatStride);
template <typename T, bool isSetMask = true>
__aicore__ void Duplicate(const LocalTensor<T>& dst, const T& scalarValue, uint64_t mask,
                          const uint8_t repeatTime, const uint16_t dstBlockStride,
                          const uint8_t dstRepeatStride);
template <typename T>
__aicore__ void Brcb(const LocalTensor<T>& dst, const LocalTensor<T>& src, const uint8_t repeatTime,
                     const BrcbRepeatParams& repeatParams);
template <typename T>
__aicore__ void Gather(const LocalTensor<T>& dst, const LocalTensor<T>& src,
                       const LocalTensor<uint32_t>& srcOffset, const uint32_t srcBaseAddr,
                       const uint32_t count);
__aicore__ void SetMaskCount();
__aicore__ void SetMaskNorm();
template <typename T, MaskMode mode = MaskMode::NORMAL>
__aicore__ void SetVectorMask(const uint64_t maskHigh, const uint64_t maskLow);
template <typename T, MaskMode mode = MaskMode::NORMAL>
__aicore__ void SetVectorMask(int32_t len);
__aicore__ void ResetMask();

// --- Reductions ---

#define DECLARE_WHOLE_REDUCE(Name, ...)                                                          \
  template <typename T, bool isSetMask = true>                                                   \
  __aicore__ void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src,                     \
                       const uint64_t mask[], const int32_t repeatTime,                          \
                       const int32_t dstRepStride, const int32_t srcBlkStride,                   \
                       const int32_t srcRepStride __VA_ARGS__);                                  \
  template <typename T, bool isSetMask = true>                                                   \
  __aicore__ void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src, const int32_t mask, \
                       const int32_t repeatTime, const int32_t dstRepStride,                     \
                       const int32_t srcBlkStride, const int32_t srcRepStride __VA_ARGS__);
DECLARE_WHOLE_REDUCE(WholeReduceMax, , ReduceOrder order = ReduceOrder::ORDER_VALUE_INDEX)
DECLARE_WHOLE_REDUCE(WholeReduceMin, , ReduceOrder order = ReduceOrder::ORDER_VALUE_INDEX)
DECLARE_WHOLE_REDUCE(WholeReduceSum)

#define DECLARE_BLOCK_REDUCE(Name)                                                               \
  template <typename T, bool isSetMask = true>                                                   \
  __aicore__ void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src,                     \
                       const int32_t repeatTime, const uint64_t mask[],                          \
                       const int32_t dstRepStride, const int32_t srcBlkStride,                   \
                       const int32_t srcRepStride);                                              \
  template <typename T, bool isSetMask = true>                                                   \
  __aicore__ void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src,                     \
                       const int32_t repeatTime, const int32_t mask, const int32_t dstRepStride, \
                       const int32_t srcBlkStride, const int32_t srcRepStride);
DECLARE_BLOCK_REDUCE(BlockReduceMax)
DECLARE_BLOCK_REDUCE(BlockReduceMin)
DECLARE_BLOCK_REDUCE(BlockReduceSum)

// --- Comparison and selection ---

template <typename T, typename U>
__aicore__ void Compare(const LocalTensor<U>& dst, const LocalTensor<T>& src0,
                        const LocalTensor<T>& src1, CMPMODE cmpMode, uint32_t count);
template <typename T, typename U>
__aicore__ void CompareScalar(const LocalTensor<U>& dst, const LocalTensor<T>& src0,
                              const T src1Scalar, CMPMODE cmpMode, uint32_t count);

#define DECLARE_SELECT(Source)                                                                    \
  template <typename T, typename U>                                                               \
  __aicore__ void Select(const LocalTensor<T>& dst, const LocalTensor<U>& selMask,                \
                         const LocalTensor<T>& src0, Source src1, SELMODE selMode,                \
                         uint32_t count);                                                         \
  template <typename T, typename U, bool isSetMask = true>                                        \
  __aicore__ void Select(const LocalTensor<T>& dst, const LocalTensor<U>& selMask,                \
                         const LocalTensor<T>& src0, Source src1, SELMODE selMode,                \
                         uint64_t mask[], uint8_t repeatTime,                                     \
                         const BinaryRepeatParams& repeatParams);                                 \
  template <typename T, typename U, bool isSetMask = true>                                        \
  __aicore__ void Select(const LocalTensor<T>& dst, const LocalTensor<U>& selMask,                \
                         const LocalTensor<T>& src0, Source src1, SELMODE selMode, uint64_t mask, \
                         uint8_t repeatTime, const BinaryRepeatParams& repeatParams);
DECLARE_SELECT(T)
DECLARE_SELECT(const LocalTensor<T>&)

}  // namespace AscendC
