// The cube: LoadData from L1, Mmad, Fixpipe to GM. Part of kernel_operator.h.
#pragma once

namespace AscendC {

struct LoadData2DParams {
  uint16_t startIndex = 0;
  uint16_t dstGap = 0;
  uint16_t srcStride = 0;
  bool ifTranspose = false;
  uint8_t repeatTimes = 0;
  uint8_t sid = 0;
  uint8_t addrMode = 0;
  __aicore__ LoadData2DParams() {}
};
struct MmadParams {
  uint16_t m = 0;
  uint16_t n = 0;
  uint16_t k = 0;
  bool cmatrixInitVal = true;
  bool cmatrixSource = false;
  uint8_t unitFlag = 0;
  __aicore__ MmadParams() {}
};
enum class CO2Layout : uint8_t { NZ, ROW_MAJOR };
struct FixpipeConfig {
  CO2Layout format;
};
constexpr FixpipeConfig CFG_ROW_MAJOR{CO2Layout::ROW_MAJOR};
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
  __aicore__ FixpipeParamsV220() {}
};

template <typename T>
__aicore__ void LoadData(const LocalTensor<T>& dst, const LocalTensor<T>& src,
                         const LoadData2DParams& loadDataParams);
template <typename T, typename U, typename S>
__aicore__ void Mmad(const LocalTensor<T>& dst, const LocalTensor<U>& fm,
                     const LocalTensor<S>& filter, const MmadParams& mmadParams);
template <typename T, typename U, const FixpipeConfig& config = CFG_ROW_MAJOR>
__aicore__ void Fixpipe(const GlobalTensor<T>& dst, const LocalTensor<U>& src,
                        const FixpipeParamsV220& intriParams);

}  // namespace AscendC
