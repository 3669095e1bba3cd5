// Order between pipes and between cores, and what a kernel may ask about where it runs.
#pragma once

#include "api/pipe_queue.h"

enum KernelMetaType : uint8_t {
  KERNEL_TYPE_MIX_AIC_1_2,
  KERNEL_TYPE_AIV_ONLY,
  KERNEL_TYPE_AIC_ONLY
};

#define KERNEL_TASK_TYPE_DEFAULT(type) ::emulator::declare_kernel_type(type)
#define ASCEND_IS_AIC (::emulator::this_core().is_cube())
#define ASCEND_IS_AIV (!::emulator::this_core().is_cube())

namespace emulator {

void declare_kernel_type(KernelMetaType type, Site site = Site());
void set_flag_by_hand(int kind, int id, Site site);
void wait_flag_by_hand(int kind, int id, Site site);
void cross_core_set(int mode, pipe_t pipe, int id, Site site);
void cross_core_wait(int id, Site site);
int64_t block_idx();
int64_t block_num();
int64_t sub_block_idx();

}  // namespace emulator

namespace AscendC {

template <HardEvent event>
void SetFlag(int32_t id, Site site = Site()) {
  emulator::set_flag_by_hand(static_cast<int>(event), id, site);
}
template <HardEvent event>
void WaitFlag(int32_t id, Site site = Site()) {
  emulator::wait_flag_by_hand(static_cast<int>(event), id, site);
}
template <pipe_t pipe>
void PipeBarrier(Site site = Site()) {
  emulator::this_core().barrier(pipe, "PipeBarrier", site);
}

template <uint8_t modeId, pipe_t pipe>
void CrossCoreSetFlag(uint16_t flagId, Site site = Site()) {
  emulator::cross_core_set(modeId, pipe, flagId, site);
}
// The template arguments of later versions mean nothing on this chip: the wait stops every pipe.
template <uint8_t modeId = 0, pipe_t pipe = PIPE_S>
void CrossCoreWaitFlag(uint16_t flagId, Site site = Site()) {
  emulator::cross_core_wait(flagId, site);
}

inline int64_t GetBlockIdx() {
  return emulator::block_idx();
}
inline int64_t GetBlockNum() {
  return emulator::block_num();
}
inline int64_t GetSubBlockIdx() {
  return emulator::sub_block_idx();
}

}  // namespace AscendC
