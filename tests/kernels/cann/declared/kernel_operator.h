// What the documentation declares of Ascend C, as far as our kernels use it, and nothing behind it:
// for a compiler in CUDA mode, which refuses a host function in device code. No line comes from
// the emulator; that both declare the same is a test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#define __aicore__ __attribute__((device))
#define __global__
#define __gm__
#define GM_ADDR __gm__ uint8_t*
// Of the language ASC: a launch needs a kernel, and __aicore__ is implied.
#define __mix__(cubes, vectors) __attribute__((global))
#define __vector__ __attribute__((global))
#define __cube__ __attribute__((global))

enum pipe_t : uint8_t {
  PIPE_S,
  PIPE_V,
  PIPE_M,
  PIPE_MTE1,
  PIPE_MTE2,
  PIPE_MTE3,
  PIPE_FIX,
  PIPE_ALL
};
enum QuantMode_t : uint8_t { NoQuant, F322F16, F322BF16 };
enum KernelMetaType : uint8_t {
  KERNEL_TYPE_MIX_AIC_1_2,
  KERNEL_TYPE_AIV_ONLY,
  KERNEL_TYPE_AIC_ONLY
};
#define KERNEL_TASK_TYPE_DEFAULT(type) static_cast<void>(type)
__aicore__ bool runs_on_a_cube();
#define ASCEND_IS_AIC (runs_on_a_cube())
#define ASCEND_IS_AIV (!runs_on_a_cube())

// What a launch becomes in CUDA mode.
extern "C" int cudaConfigureCall(uint32_t blocks, void* none, void* stream);

struct half {
  uint16_t bits;
};
struct bfloat16_t {
  uint16_t bits;
};

namespace AscendC {

// --- Where things are ---

enum class TPosition : uint8_t { GM, A1, B1, A2, B2, CO1, VECIN, VECOUT, VECCALC };
using QuePosition = TPosition;

enum class HardEvent : uint8_t {
  MTE2_MTE1,
  MTE1_MTE2,
  MTE1_M,
  M_MTE1,
  M_FIX,
  FIX_M,
  FIX_MTE2,
  MTE2_FIX,
  MTE2_V,
  V_MTE2,
  V_MTE3,
  MTE3_V,
  MTE2_MTE3,
  MTE3_MTE2,
  V_S,
  S_V,
  MTE2_S,
  S_MTE2,
  MTE3_S,
  S_MTE3,
};
using TEventID = int8_t;

template <typename T>
class LocalTensor {
 public:
  using PrimType = T;

  __aicore__ uint32_t GetSize() const;
  __aicore__ LocalTensor operator[](const uint32_t offset) const;
  template <typename U>
  __aicore__ LocalTensor<U> ReinterpretCast() const;
  __aicore__ T GetValue(const uint32_t index) const;
  template <typename T1>
  __aicore__ void SetValue(const uint32_t index, const T1 value) const;
};

template <typename T>
class GlobalTensor {
 public:
  using PrimType = T;

  __aicore__ void SetGlobalBuffer(__gm__ T* buffer, uint64_t bufferSize);
  __aicore__ void SetGlobalBuffer(__gm__ T* buffer);
  __aicore__ GlobalTensor operator[](const uint64_t offset) const;
  __aicore__ uint64_t GetSize() const;
  __aicore__ T GetValue(const uint64_t offset) const;
};

template <TPosition position, int32_t depth, int32_t mask = 0>
class TQue {
 public:
  template <typename T>
  __aicore__ LocalTensor<T> AllocTensor();
  template <typename T>
  __aicore__ bool EnQue(const LocalTensor<T>& tensor);
  template <typename T>
  __aicore__ LocalTensor<T> DeQue();
  template <typename T>
  __aicore__ void FreeTensor(LocalTensor<T>& tensor);
};

template <TPosition position>
class TBuf {
 public:
  template <typename T>
  __aicore__ LocalTensor<T> Get();
  template <typename T>
  __aicore__ LocalTensor<T> Get(uint32_t len);
  template <typename T>
  __aicore__ LocalTensor<T> GetWithOffset(uint32_t size, uint32_t bufOffset);
};

class TPipe {
 public:
  __aicore__ TPipe();
  __aicore__ ~TPipe();
  TPipe(const TPipe&) = delete;
  TPipe& operator=(const TPipe&) = delete;

  __aicore__ void Destroy();
  template <TPosition position, int32_t depth, int32_t mask>
  __aicore__ bool InitBuffer(TQue<position, depth, mask>& que, uint8_t num, uint32_t len);
  template <TPosition position>
  __aicore__ bool InitBuffer(TBuf<position>& buf, uint32_t len);
  template <HardEvent event>
  __aicore__ TEventID AllocEventID();
  template <HardEvent event>
  __aicore__ void ReleaseEventID(TEventID id);
  __aicore__ TEventID FetchEventID(HardEvent evt);
  template <HardEvent event>
  __aicore__ TEventID FetchEventID();
};

__aicore__ TPipe* GetTPipePtr();

// --- Order, and who runs ---

template <HardEvent event>
__aicore__ void SetFlag(int32_t eventID);
template <HardEvent event>
__aicore__ void WaitFlag(int32_t eventID);
template <pipe_t pipe>
__aicore__ void PipeBarrier();
template <uint8_t modeId, pipe_t pipe>
__aicore__ void CrossCoreSetFlag(uint16_t flagId);
template <uint8_t modeId = 0, pipe_t pipe = PIPE_S>
__aicore__ void CrossCoreWaitFlag(uint16_t flagId);
__aicore__ int64_t GetBlockIdx();
__aicore__ int64_t GetBlockNum();
__aicore__ int64_t GetSubBlockIdx();

enum class CacheLine : uint64_t { SINGLE_CACHE_LINE, ENTIRE_DATA_CACHE };
enum class DcciDst : uint64_t { CACHELINE_ALL, CACHELINE_UB, CACHELINE_OUT, CACHELINE_ATOMIC };
template <typename T, CacheLine entireType, DcciDst dcciDst = DcciDst::CACHELINE_ALL>
__aicore__ void DataCacheCleanAndInvalid(const GlobalTensor<T>& dst);

// --- Copies ---

struct DataCopyParams {
  uint16_t blockCount = 1;
  uint16_t blockLen = 0;
  uint16_t srcStride = 0;
  uint16_t dstStride = 0;
};
struct DataCopyExtParams {
  uint16_t blockCount = 1;
  uint32_t blockLen = 0;
  uint32_t srcStride = 0;
  uint32_t dstStride = 0;
  uint32_t rsv = 0;
};
template <typename T>
struct DataCopyPadExtParams {
  bool isPad = false;
  uint8_t leftPadding = 0;
  uint8_t rightPadding = 0;
  T paddingValue{};
};
struct Nd2NzParams {
  uint16_t ndNum = 0;
  uint16_t nValue = 0;
  uint16_t dValue = 0;
  uint16_t srcNdMatrixStride = 0;
  uint16_t srcDValue = 0;
  uint16_t dstNzC0Stride = 0;
  uint16_t dstNzNStride = 0;
  uint16_t dstNzMatrixStride = 0;
};
template <typename T>
struct InitConstValueParams {
  uint16_t repeatTimes = 0;
  uint16_t blockNum = 0;
  uint16_t dstGap = 0;
  T initValue{};
};

template <typename T>
__aicore__ void DataCopy(const LocalTensor<T>& dst, const GlobalTensor<T>& src,
                         const uint32_t count);
template <typename T>
__aicore__ void DataCopy(const GlobalTensor<T>& dst, const LocalTensor<T>& src,
                         const uint32_t count);
template <typename T>
__aicore__ void DataCopy(const LocalTensor<T>& dst, const GlobalTensor<T>& src,
                         const DataCopyParams& repeatParams);
template <typename T>
__aicore__ void DataCopy(const GlobalTensor<T>& dst, const LocalTensor<T>& src,
                         const DataCopyParams& repeatParams);
template <typename T>
__aicore__ void DataCopy(const LocalTensor<T>& dst, const GlobalTensor<T>& src,
                         const Nd2NzParams& intriParams);
template <typename T>
__aicore__ void DataCopyPad(const LocalTensor<T>& dst, const GlobalTensor<T>& src,
                            const DataCopyExtParams& dataCopyParams,
                            const DataCopyPadExtParams<T>& padParams);
template <typename T>
__aicore__ void DataCopyPad(const GlobalTensor<T>& dst, const LocalTensor<T>& src,
                            const DataCopyExtParams& dataCopyParams);
template <typename T>
__aicore__ void InitConstValue(const LocalTensor<T>& dst, const InitConstValueParams<T>& params);
template <typename T>
__aicore__ void SetAtomicAdd();
__aicore__ void SetAtomicNone();

}  // namespace AscendC

#include "cube.h"
#include "vector.h"
