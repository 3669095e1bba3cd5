// Launches on a device, by CANN's runtime. Tensors are there already; tables and arguments are
// copied there.
#include "host/launches.h"

#include "device.h"
#include "runtime.h"
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

// A wrong chip is refused here: CANN would print a line, launch nothing and report success.
void check_chip() {
  const std::string here = npu_device_soc();
  const std::string built_for = npu_built_for();
  if (here == built_for) return;
  fail("built for " + built_for + ", and this chip is " + (here.empty() ? "unknown" : here) +
       ": bash npu_kernels/cann/build.sh -arch " + (here.empty() ? "SOC" : here));
}

}  // namespace

struct Launches::Target {
  void* stream;
  std::vector<Copy> tables;
};

Launches::Launches(NpuLaunch& to) : target_(new Target{to.stream, {}}) {
  check_chip();
}

Launches::~Launches() = default;

Address Launches::add_table(const std::vector<uint8_t>& bytes) {
  const auto size = static_cast<int64_t>(bytes.size());
  return address_of(target_->tables.emplace_back(bytes.data(), size).device());
}

void Launches::launch(Kernel kernel, int64_t blocks, const Memory&, const Bytes& arguments) {
  const Entry& entry = entries[static_cast<size_t>(kernel)];
  const Copy copy(arguments.data, arguments.size);
  check(entry.launch(static_cast<uint32_t>(blocks), target_->stream, copy.device()), entry.name);
  check(aclrtSynchronizeStream(target_->stream), "aclrtSynchronizeStream");
}

}  // namespace flash
