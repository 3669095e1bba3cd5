#include "api/sync.h"

#include "machine/group.h"

namespace emulator {

void declare_kernel_type(KernelMetaType type, Site site) {
  constexpr KernelType types[] = {KernelType::mix_aic_1_2, KernelType::aiv_only,
                                  KernelType::aic_only};
  Core& core = this_core();
  if (types[type] != core.group->type()) {
    core.fail("KERNEL_TASK_TYPE_DEFAULT", site, "the launch was for another kernel type");
  }
}

void set_flag_by_hand(int kind, int id, Site site) {
  Core& core = this_core();
  core.framework.check_hand_event(core, kind, id, "SetFlag", site);
  core.set_flag(kind, id, "SetFlag", site);
}

void wait_flag_by_hand(int kind, int id, Site site) {
  Core& core = this_core();
  core.framework.check_hand_event(core, kind, id, "WaitFlag", site);
  core.wait_flag(kind, id, "WaitFlag", site);
  core.framework.forget_fetched(kind, id);
}

void cross_core_set(int mode, pipe_t pipe, int id, Site site) {
  Core& core = this_core();
  core.group->cross_set(core, mode, pipe, id, site);
}

void cross_core_wait(int id, Site site) {
  Core& core = this_core();
  core.group->cross_wait(core, id, site);
}

int64_t block_idx() {
  const Core& core = this_core();
  const int64_t group = core.group->index();
  if (core.is_cube() || core.group->type() == KernelType::aiv_only) return group;
  return 2 * group + sub_block_idx();
}

int64_t block_num() {
  return this_core().group->groups();
}

int64_t sub_block_idx() {
  const Core& core = this_core();
  return core.is_cube() ? 0 : core.index - 1;
}

}  // namespace emulator
