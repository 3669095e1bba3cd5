// Moves between GM and the local memories: DataCopy, DataCopyPad, Nd2Nz, InitConstValue, atomics.
#pragma once

#include "api/sync.h"

namespace AscendC {

// Lengths and gaps in blocks of 32 B, gaps from the end of one row to the start of the next.
struct DataCopyParams {
  uint16_t blockCount = 1;
  uint16_t blockLen = 0;
  uint16_t srcStride = 0;
  uint16_t dstStride = 0;
};

// blockLen in bytes. Gaps: in bytes on the GM side, in 32-byte blocks on the local side.
struct DataCopyExtParams {
  uint16_t blockCount = 1;
  uint32_t blockLen = 0;
  uint32_t srcStride = 0;
  uint32_t dstStride = 0;
  uint32_t rsv = 0;
};

// Padding in elements, at most 32 B on each side.
template <typename T>
struct DataCopyPadExtParams {
  bool isPad = false;
  uint8_t leftPadding = 0;
  uint8_t rightPadding = 0;
  T paddingValue{};
};

// Row pitch srcDValue and matrix strides in elements; dstNzC0Stride and dstNzNStride in 32 B.
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

// blockNum and dstGap in 32 B (L1) or 512 B (L0A, L0B).
template <typename T>
struct InitConstValueParams {
  uint16_t repeatTimes = 0;
  uint16_t blockNum = 0;
  uint16_t dstGap = 0;
  T initValue{};
};

}  // namespace AscendC

namespace emulator {

struct PadRequest {
  bool fills;  // isPad
  int64_t left;
  int64_t right;
  uint8_t value[8];
};

void copy_in(const Place& dst, const Place& src, Type type, const AscendC::DataCopyParams& params,
             Site site);
void copy_out(const Place& dst, const Place& src, Type type, const AscendC::DataCopyParams& params,
              Site site);
void copy_count(const Place& dst, const Place& src, Type type, int64_t count, Site site);
void copy_pad_in(const Place& dst, const Place& src, Type type,
                 const AscendC::DataCopyExtParams& params, const PadRequest& pad, Site site);
void copy_pad_out(const Place& dst, const Place& src, Type type,
                  const AscendC::DataCopyExtParams& params, Site site);
void copy_nd2nz(const Place& dst, const Place& src, Type type, const AscendC::Nd2NzParams& params,
                Site site);
void init_const(const Place& dst, int64_t size, const uint8_t* value, int64_t repeats,
                int64_t blocks, int64_t gap, Site site);
void set_atomic(Type type, bool on, Site site);
// The NaN of poison keeps its payload through arithmetic, and what is left of it through Cast.
bool is_poison(const uint8_t* at, Type type);
// A row on its way to GM: added there or copied, as the atomic setting says. Poison may go to a
// workspace, whose reader may know better, but not to an output.
void store_gm(const Instruction& instruction, const Place& dst, int64_t offset, const uint8_t* src,
              int64_t bytes, Type type);

}  // namespace emulator

namespace AscendC {

template <typename T>
void DataCopy(const LocalTensor<T>& dst, const GlobalTensor<T>& src, uint32_t count,
              Site site = Site()) {
  emulator::copy_count(dst.place(), src.place(), emulator::type_of<T>, count, site);
}
template <typename T>
void DataCopy(const GlobalTensor<T>& dst, const LocalTensor<T>& src, uint32_t count,
              Site site = Site()) {
  emulator::copy_count(dst.place(), src.place(), emulator::type_of<T>, count, site);
}
template <typename T>
void DataCopy(const LocalTensor<T>& dst, const GlobalTensor<T>& src, const DataCopyParams& params,
              Site site = Site()) {
  emulator::copy_in(dst.place(), src.place(), emulator::type_of<T>, params, site);
}
template <typename T>
void DataCopy(const GlobalTensor<T>& dst, const LocalTensor<T>& src, const DataCopyParams& params,
              Site site = Site()) {
  emulator::copy_out(dst.place(), src.place(), emulator::type_of<T>, params, site);
}
template <typename T>
void DataCopy(const LocalTensor<T>& dst, const GlobalTensor<T>& src, const Nd2NzParams& params,
              Site site = Site()) {
  emulator::copy_nd2nz(dst.place(), src.place(), emulator::type_of<T>, params, site);
}

template <typename T>
void DataCopyPad(const LocalTensor<T>& dst, const GlobalTensor<T>& src,
                 const DataCopyExtParams& params, const DataCopyPadExtParams<T>& pad,
                 Site site = Site()) {
  emulator::PadRequest request{pad.isPad, pad.leftPadding, pad.rightPadding, {}};
  std::memcpy(request.value, &pad.paddingValue, sizeof(T));
  emulator::copy_pad_in(dst.place(), src.place(), emulator::type_of<T>, params, request, site);
}
template <typename T>
void DataCopyPad(const GlobalTensor<T>& dst, const LocalTensor<T>& src,
                 const DataCopyExtParams& params, Site site = Site()) {
  emulator::copy_pad_out(dst.place(), src.place(), emulator::type_of<T>, params, site);
}

template <typename T>
void InitConstValue(const LocalTensor<T>& dst, const InitConstValueParams<T>& params,
                    Site site = Site()) {
  uint8_t value[sizeof(T)];
  std::memcpy(value, &params.initValue, sizeof(T));
  emulator::init_const(dst.place(), sizeof(T), value, params.repeatTimes, params.blockNum,
                       params.dstGap, site);
}

template <typename T>
void SetAtomicAdd(Site site = Site()) {
  emulator::set_atomic(emulator::type_of<T>, true, site);
}
inline void SetAtomicNone(Site site = Site()) {
  emulator::set_atomic(emulator::Type::f32, false, site);
}

}  // namespace AscendC
