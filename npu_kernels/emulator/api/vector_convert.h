// Cast, Duplicate, the mask register, and Brcb.
#pragma once

#include "api/vector_lanes.h"

namespace AscendC {

struct BrcbRepeatParams {
  uint16_t dstBlkStride = 1;
  uint16_t dstRepStride = 8;
};

}  // namespace AscendC

namespace emulator {

void cast(Type to, Type from, const Place& dst, const Place& src, AscendC::RoundMode mode,
          const Repeat& repeat, const AscendC::UnaryRepeatParams& params, Site site);
void duplicate(int64_t size, const Place& dst, const uint8_t* value, const Repeat& repeat,
               int64_t block_stride, int64_t repeat_stride, Site site);
template <typename T>
void duplicate(const AscendC::LocalTensor<T>& dst, const T& value, const Repeat& repeat,
               int64_t block_stride, int64_t repeat_stride, Site site) {
  uint8_t bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  duplicate(sizeof(T), dst.place(), bytes, repeat, block_stride, repeat_stride, site);
}
void brcb(int64_t size, const Place& dst, const Place& src, int64_t repeats,
          const AscendC::BrcbRepeatParams& params, Site site);

}  // namespace emulator

namespace AscendC {

// Mask and repeat count follow the wider type: 64 elements per repeat for float on either side.
template <typename T, typename U>
void Cast(const LocalTensor<T>& dst, const LocalTensor<U>& src, const RoundMode& roundMode,
          const uint32_t count, Site site = Site()) {
  emulator::cast(emulator::type_of<T>, emulator::type_of<U>, dst.place(), src.place(), roundMode,
                 Repeat::count(count), {}, site);
}
template <typename T, typename U, bool isSetMask = true>
void Cast(const LocalTensor<T>& dst, const LocalTensor<U>& src, const RoundMode& roundMode,
          const uint64_t mask[], const uint8_t repeatTime, const UnaryRepeatParams& repeatParams,
          Site site = Site()) {
  emulator::cast(emulator::type_of<T>, emulator::type_of<U>, dst.place(), src.place(), roundMode,
                 Repeat::of(mask, repeatTime, isSetMask), repeatParams, site);
}
template <typename T, typename U, bool isSetMask = true>
void Cast(const LocalTensor<T>& dst, const LocalTensor<U>& src, const RoundMode& roundMode,
          const uint64_t mask, const uint8_t repeatTime, const UnaryRepeatParams& repeatParams,
          Site site = Site()) {
  emulator::cast(emulator::type_of<T>, emulator::type_of<U>, dst.place(), src.place(), roundMode,
                 Repeat::of(mask, repeatTime, isSetMask), repeatParams, site);
}

template <typename T>
void Duplicate(const LocalTensor<T>& dst, const T& scalarValue, const int32_t& count,
               Site site = Site()) {
  emulator::duplicate(dst, scalarValue, Repeat::count(count), 1, 8, site);
}
template <typename T, bool isSetMask = true>
void Duplicate(const LocalTensor<T>& dst, const T& scalarValue, uint64_t mask[],
               const uint8_t repeatTime, const uint16_t dstBlockStride,
               const uint8_t dstRepeatStride, Site site = Site()) {
  emulator::duplicate(dst, scalarValue, Repeat::of(mask, repeatTime, isSetMask), dstBlockStride,
                      dstRepeatStride, site);
}
template <typename T, bool isSetMask = true>
void Duplicate(const LocalTensor<T>& dst, const T& scalarValue, uint64_t mask,
               const uint8_t repeatTime, const uint16_t dstBlockStride,
               const uint8_t dstRepeatStride, Site site = Site()) {
  emulator::duplicate(dst, scalarValue, Repeat::of(mask, repeatTime, isSetMask), dstBlockStride,
                      dstRepeatStride, site);
}

// Each of 8 elements per repeat fills one block of 32 B.
template <typename T>
void Brcb(const LocalTensor<T>& dst, const LocalTensor<T>& src, const uint8_t repeatTime,
          const BrcbRepeatParams& repeatParams, Site site = Site()) {
  emulator::brcb(sizeof(T), dst.place(), src.place(), repeatTime, repeatParams, site);
}

// Counter mode: an instruction covers as many elements as SetVectorMask says, whatever its repeats.
inline void SetMaskCount() {
  emulator::set_mask_mode(true);
}
inline void SetMaskNorm() {
  emulator::set_mask_mode(false);
}
template <typename T, MaskMode mode = MaskMode::NORMAL>
void SetVectorMask(uint64_t maskHigh, uint64_t maskLow, Site site = Site()) {
  emulator::set_vector_mask(mode == MaskMode::COUNTER, maskHigh, maskLow, site);
}
template <typename T, MaskMode mode = MaskMode::NORMAL>
void SetVectorMask(int32_t len, Site site = Site()) {
  constexpr bool counts = mode == MaskMode::COUNTER;
  if (counts) {
    emulator::set_vector_mask(true, 0, static_cast<uint64_t>(len), site);
    return;
  }
  const auto ones = [](int32_t n) {
    return n <= 0 ? 0 : n >= 64 ? ~uint64_t{0} : (uint64_t{1} << n) - 1;
  };
  emulator::set_vector_mask(false, ones(len - 64), ones(len), site);
}
inline void ResetMask() {
  emulator::VectorMask& mask = emulator::this_core().mask;
  mask.bits[0] = mask.bits[1] = ~uint64_t{0};
}

}  // namespace AscendC
