// Launches on a device: a call writes its plan, and npu_launch gives that to CANN's runtime.
#include "host/launches.h"

#include <cstring>

#include "acl/acl.h"
#include "backward/arguments.h"
#include "device.h"
#include "dropout/problem.h"
#include "forward/arguments.h"
#include "host/call.h"
#include "plan.h"
#include "stubs.h"

namespace flash {
namespace {

struct Entry {
  const char* name;
  uint32_t (*launch)(uint32_t blocks, void* stream, void* arguments);
};
// Whether it is mixed, each kernel says for itself.
#define ENTRY(name, cores) Entry{"flash_" #name, aclrtlaunch_flash_##name},
constexpr Entry entries[] = {FLASH_KERNELS(ENTRY)};
#undef ENTRY

// NPU_CHECK_FAILED: what a device cannot do is no feature that a kernel declines.
[[noreturn]] void fail(const std::string& why) {
  throw Refusal{NPU_CHECK_FAILED, why};
}

// A wrong chip is refused here: CANN would print a line, launch nothing and report success.
void check_chip() {
  const std::string here = npu_device_soc();
  const std::string built_for = npu_built_for();
  if (here == built_for) return;
  fail("built for " + built_for + ", and this chip is " + (here.empty() ? "unknown" : here) +
       ": bash npu_kernels/cann/build.sh -arch " + (here.empty() ? "SOC" : here));
}

void check_launched(int64_t code, const Entry& entry) {
  if (code == 0) return;
  const char* why = aclGetRecentErrMsg();
  fail(std::string(entry.name) + ": CANN refuses the launch with " + text_of(code) +
       (why == nullptr ? "" : std::string(": ") + why) +
       ": was its stream destroyed, or did an earlier launch fail? ASCEND_LAUNCH_BLOCKING=1 makes "
       "each call wait for its end");
}

constexpr int64_t on_lines(int64_t bytes) {
  return round_up(bytes, plan_line);
}

}  // namespace

struct Launches::Target {
  NpuLaunch& to;
  Plan plan;

  // Where these bytes begin in the plan.
  int64_t add(const void* data, int64_t bytes) {
    const int64_t at = plan.used;
    if (at + bytes > to.plan_bytes) fail("the plan has no room: npu_plan_bytes says how much");
    std::memcpy(static_cast<uint8_t*>(to.plan) + at, data, static_cast<size_t>(bytes));
    plan.used = on_lines(at + bytes);
    return at;
  }
};

Launches::Launches(NpuLaunch& to) : target_(new Target{to, Plan{on_lines(sizeof(Plan)), 0, {}}}) {
  check_chip();
}

Launches::~Launches() = default;

Address Launches::add_table(const std::vector<uint8_t>& bytes) {
  const int64_t at = target_->add(bytes.data(), static_cast<int64_t>(bytes.size()));
  return address_of(target_->to.plan_on_device) + static_cast<Address>(at);
}

void Launches::launch(Kernel kernel, int64_t blocks, const Memory&, const Bytes& arguments) {
  Plan& plan = target_->plan;
  const int64_t at = target_->add(arguments.data, arguments.size);
  plan.launch[plan.launches++] = PlannedLaunch{kernel, static_cast<uint32_t>(blocks), at};
  std::memcpy(target_->to.plan, &plan, sizeof(plan));
}

}  // namespace flash

int64_t npu_plan_bytes(int64_t batch) {
  using namespace flash;
  const int64_t tables =
      max_of(tables_bytes(batch), mask_sequences_at + batch * mask_sequence_bytes);
  const int64_t arguments = max_of(sizeof(ForwardArguments), sizeof(BackwardArguments));
  return on_lines(sizeof(Plan)) + on_lines(tables) +
         most_launches * on_lines(max_of(arguments, sizeof(MaskArguments)));
}

int32_t npu_launch(NpuLaunch* launch) {
  using namespace flash;
  return answered_launch(*launch, [&] {
    Plan plan;
    std::memcpy(&plan, launch->plan, sizeof(plan));
    for (int64_t i = 0; i < plan.launches; ++i) {
      const PlannedLaunch& one = plan.launch[i];
      const Entry& entry = entries[static_cast<size_t>(one.kernel)];
      void* arguments = static_cast<uint8_t*>(launch->plan_on_device) + one.arguments;
      check_launched(entry.launch(one.blocks, launch->stream, arguments), entry);
    }
  });
}
