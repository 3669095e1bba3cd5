// A runtime that has the host's memory for a device's, and the emulator for its cores. A pointer is
// on the device if it was allocated here, or if the test says so.
#include "kernel_operator.h"

#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "acl/acl.h"
#include "machine/launch.h"
#include "stubs.h"

namespace {

struct Block {
  int64_t bytes;
  emulator::GmKind kind;
};
std::map<uint8_t*, Block> blocks;
std::string soc = "Ascend910B2";
std::string error;
bool is_lost = false;
constexpr auto mixed = emulator::KernelType::mix_aic_1_2;
constexpr auto vector_only = emulator::KernelType::aiv_only;

aclError failed(const std::string& why) {
  error = why;
  return 507000;
}

uint32_t launch(emulator::KernelType type, void (*kernel)(GM_ADDR), uint32_t cores,
                void* arguments) {
  std::vector<emulator::GmTensor> tensors;
  for (const auto& [begin, block] : blocks) {
    tensors.push_back({"device memory", begin, block.bytes, block.kind});
  }
  emulator::Options options;
  options.deterministic = true;
  const auto report = emulator::launch(options, type, static_cast<int>(cores), tensors,
                                       [&] { kernel(static_cast<GM_ADDR>(arguments)); });
  if (!report.ok) {
    is_lost = true;
    error = report.error;
  }
  return 0;
}

}  // namespace

extern "C" {

// --- For the test ---

void host_cann_set_soc(const char* name) {
  soc = name;
}
void host_cann_add(void* begin, int64_t bytes, int32_t is_written) {
  const auto kind = is_written != 0 ? emulator::GmKind::in_out : emulator::GmKind::input;
  blocks[static_cast<uint8_t*>(begin)] = Block{bytes, kind};
}
void host_cann_remove(void* begin) {
  blocks.erase(static_cast<uint8_t*>(begin));
}
int64_t host_cann_blocks() {
  return static_cast<int64_t>(blocks.size());
}

// --- CANN's ---

const char* aclrtGetSocName() {
  return soc.c_str();
}
const char* aclGetRecentErrMsg() {
  return error.c_str();
}
aclError aclrtGetDevice(int32_t* deviceId) {
  *deviceId = 3;
  return ACL_SUCCESS;
}
aclError aclGetDeviceCapability(uint32_t deviceId, aclDeviceInfo deviceInfo, int64_t* value) {
  if (deviceId != 3 || deviceInfo != ACL_DEVICE_INFO_AI_CORE_NUM) return failed("no such number");
  *value = 5;
  return ACL_SUCCESS;
}
aclError aclrtMalloc(void** devPtr, size_t size, aclrtMemMallocPolicy) {
  *devPtr = std::aligned_alloc(512, (size + 511) / 512 * 512);
  host_cann_add(*devPtr, static_cast<int64_t>(size), 0);
  return *devPtr == nullptr ? failed("no memory") : ACL_SUCCESS;
}
aclError aclrtFree(void* devPtr) {
  host_cann_remove(devPtr);
  std::free(devPtr);
  return ACL_SUCCESS;
}
aclError aclrtMemcpy(void* dst, size_t destMax, const void* src, size_t count,
                     aclrtMemcpyKind kind) {
  const auto to = blocks.find(static_cast<uint8_t*>(dst));
  if (kind != ACL_MEMCPY_HOST_TO_DEVICE || count > destMax || to == blocks.end()) {
    return failed("no copy to the device");
  }
  std::memcpy(dst, src, count);
  return ACL_SUCCESS;
}
aclError aclrtSynchronizeStream(aclrtStream stream) {
  if (stream != reinterpret_cast<aclrtStream>(0x57)) return failed("another stream");
  if (!is_lost) return ACL_SUCCESS;
  is_lost = false;
  return 507015;
}
}

#define LAUNCH(name, cores)                                                    \
  extern "C" void flash_##name(GM_ADDR arguments);                             \
  uint32_t aclrtlaunch_flash_##name(uint32_t blocks, void*, void* arguments) { \
    return launch(cores, flash_##name, blocks, arguments);                     \
  }
FLASH_KERNELS(LAUNCH)
