// LocalTensor and GlobalTensor: typed views, checked where an instruction uses them.
#pragma once

#include <cstring>

#include "machine/instruction.h"

#define __aicore__
#define __global__
#define __gm__
#define GM_ADDR uint8_t*

namespace AscendC {

using emulator::Site;

enum class TPosition : uint8_t { GM, A1, B1, A2, B2, CO1, VECIN, VECOUT, VECCALC };
using QuePosition = TPosition;

template <typename T>
class LocalTensor {
 public:
  using PrimType = T;

  uint32_t GetSize() const { return static_cast<uint32_t>(bytes() / size); }
  // The view from `offset` on, in elements. Leaving the tensor is found where it is used.
  LocalTensor operator[](uint32_t offset) const {
    LocalTensor tensor = *this;
    tensor.place_.start += static_cast<int64_t>(offset) * size;
    return tensor;
  }
  template <typename U>
  LocalTensor<U> ReinterpretCast() const {
    return LocalTensor<U>(place_);
  }
  // On the scalar pipe: order them with V_S, S_V, MTE2_S ... like any other access.
  T GetValue(uint32_t index, Site site = Site()) const {
    emulator::Instruction instruction(emulator::this_core(), PIPE_S, "GetValue", site);
    const uint8_t* from = instruction.read(place_, index * size, size);
    instruction.wait_for_value();
    T value;
    std::memcpy(&value, from, sizeof(T));
    return value;
  }
  template <typename T1>
  void SetValue(const uint32_t index, const T1 element, Site site = Site()) const {
    emulator::Instruction instruction(emulator::this_core(), PIPE_S, "SetValue", site);
    const T value = static_cast<T>(element);
    uint8_t* to = instruction.write(place_, index * size, size);
    instruction.run([=](const emulator::Instruction&) { std::memcpy(to, &value, sizeof(T)); });
  }

  LocalTensor() = default;
  explicit LocalTensor(const emulator::Place& place) : place_(place) {}
  const emulator::Place& place() const { return place_; }

 private:
  static constexpr int64_t size = sizeof(T);
  int64_t bytes() const { return place_.end - place_.start; }
  emulator::Place place_;
};

template <typename T>
class GlobalTensor {
 public:
  using PrimType = T;

  void SetGlobalBuffer(__gm__ T* buffer, uint64_t count, Site site = Site()) {
    SetGlobalBuffer(buffer, site);
    place_.end = place_.start + static_cast<int64_t>(count) * size;
    const int64_t last = emulator::gm_bytes(place_);
    if (place_.end > last) {
      emulator::this_core().fail("SetGlobalBuffer", site,
                                 "ends at byte " + std::to_string(place_.end) + " of a tensor of " +
                                     std::to_string(last) + " B");
    }
  }
  // Up to the end of the tensor that the host registered.
  void SetGlobalBuffer(__gm__ T* buffer, Site site = Site()) {
    place_ = emulator::gm_place(buffer, "SetGlobalBuffer", site);
  }
  GlobalTensor operator[](uint64_t offset) const {
    GlobalTensor tensor = *this;
    tensor.place_.start += static_cast<int64_t>(offset) * size;
    return tensor;
  }
  uint64_t GetSize() const { return static_cast<uint64_t>((place_.end - place_.start) / size); }
  // Through the data cache: only what no core writes in this launch, and only after
  // DataCacheCleanAndInvalid.
  T GetValue(uint64_t index, Site site = Site()) const {
    emulator::Instruction instruction(emulator::this_core(), PIPE_S, "GetValue", site);
    const int64_t offset = static_cast<int64_t>(index) * size;
    emulator::need_fresh(instruction, place_, offset, size);
    T value;
    std::memcpy(&value, instruction.read(place_, offset, size), sizeof(T));
    return value;
  }

  const emulator::Place& place() const { return place_; }

 private:
  static constexpr int64_t size = sizeof(T);
  emulator::Place place_{emulator::Memory::gm, -1, 0, 0};
};

}  // namespace AscendC
