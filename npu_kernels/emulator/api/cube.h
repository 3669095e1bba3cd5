// The cube core: LoadData from L1, Mmad, Fixpipe to GM.
#pragma once

#include <type_traits>

#include "api/data_copy.h"

enum QuantMode_t : uint8_t { NoQuant, F322F16, F322BF16 };

namespace AscendC {

// Units are fractals of 512 B. The constructor of CANN takes the fields in another order than it
// lists them: there is none here, assign by name.
struct LoadData2DParams {
  uint16_t startIndex = 0;
  uint16_t dstGap = 0;
  uint16_t srcStride = 0;
  bool ifTranspose = false;
  uint8_t repeatTimes = 0;
  uint8_t sid = 0;
  uint8_t addrMode = 0;
  LoadData2DParams() {}
};

// True sizes; the pitch of the fractals follows from them. Assign by name.
struct MmadParams {
  uint16_t m = 0;
  uint16_t n = 0;
  uint16_t k = 0;
  bool cmatrixInitVal = true;  // C starts at 0; false: it adds to L0C
  bool cmatrixSource = false;
  uint8_t unitFlag = 0;
  MmadParams() {}
};

enum class CO2Layout : uint8_t { NZ, ROW_MAJOR };
struct FixpipeConfig {
  CO2Layout format;
};
constexpr FixpipeConfig CFG_ROW_MAJOR{CO2Layout::ROW_MAJOR};

// srcStride in rows of 16 elements (align16(m)), dstStride in elements. Assign by name.
struct FixpipeParamsV220 {
  uint16_t nSize = 0;
  uint16_t mSize = 0;
  uint16_t srcStride = 0;
  uint32_t dstStride = 0;
  QuantMode_t quantPre = NoQuant;
  uint64_t deqScalar = 0;
  uint16_t ndNum = 1;
  uint16_t srcNdStride = 0;
  uint16_t dstNdStride = 0;
  bool reluEn = false;
  uint8_t unitFlag = 0;
  bool isChannelSplit = false;
  FixpipeParamsV220() {}
};

}  // namespace AscendC

namespace emulator {

void load_data(const Place& dst, const Place& src, Type type,
               const AscendC::LoadData2DParams& params, Site site);
void mmad(const Place& c, const Place& a, const Place& b, Type type,
          const AscendC::MmadParams& params, Site site);
void fixpipe(const Place& dst, const Place& src, Type type,
             const AscendC::FixpipeParamsV220& params, Site site);

}  // namespace emulator

namespace AscendC {

template <typename T>
void LoadData(const LocalTensor<T>& dst, const LocalTensor<T>& src, const LoadData2DParams& params,
              Site site = Site()) {
  emulator::load_data(dst.place(), src.place(), emulator::type_of<T>, params, site);
}

template <typename T, typename U, typename S>
void Mmad(const LocalTensor<T>& dst, const LocalTensor<U>& fm, const LocalTensor<S>& filter,
          const MmadParams& mmadParams, Site site = Site()) {
  static_assert(std::is_same_v<T, float>, "sums are float");
  static_assert(std::is_same_v<U, S> && sizeof(U) == 2, "both half, or both bfloat16_t");
  emulator::mmad(dst.place(), fm.place(), filter.place(), emulator::type_of<U>, mmadParams, site);
}

template <typename T, typename U, const FixpipeConfig& config = CFG_ROW_MAJOR>
void Fixpipe(const GlobalTensor<T>& dst, const LocalTensor<U>& src, const FixpipeParamsV220& params,
             Site site = Site()) {
  static_assert(config.format == CO2Layout::ROW_MAJOR, "NZ output is not modelled");
  static_assert(sizeof(U) == 4, "L0C holds float");
  emulator::fixpipe(dst.place(), src.place(), emulator::type_of<T>, params, site);
}

}  // namespace AscendC
