#include "kernel_operator.h"

#include "host_device.h"

#include <sys/mman.h>

#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "machine/launch.h"
#include "stubs.h"

namespace host_device {
namespace {

constexpr size_t page = 4096;
struct Block {
  int64_t bytes;
  size_t mapped;
  emulator::GmKind kind = emulator::GmKind::in_out;
};
// Never destroyed: tensors may outlive this library's statics.
auto& blocks = *new std::map<uint8_t*, Block>;
auto& queue = *new std::deque<std::function<void()>>;
auto& last_error = *new std::string;
bool is_lost = false;
bool fails_next = false;
Counts counted{};
void* last_stream = nullptr;
constexpr auto mixed = emulator::KernelType::mix_aic_1_2;
constexpr auto vector_only = emulator::KernelType::aiv_only;

void open_memory(int rights) {
  for (const auto& [begin, block] : blocks) mprotect(begin, block.mapped, rights);
}

void run_kernel(emulator::KernelType type, void (*kernel)(GM_ADDR), uint32_t cores,
                void* arguments) {
  std::vector<emulator::GmTensor> tensors;
  for (const auto& [begin, block] : blocks) {
    tensors.push_back({"device memory", begin, block.bytes, block.kind});
  }
  emulator::Options options;
  options.deterministic = true;
  const auto report = emulator::launch(options, type, static_cast<int>(cores), tensors,
                                       [&] { kernel(static_cast<GM_ADDR>(arguments)); });
  if (report.ok && !fails_next) return;
  is_lost = true;
  last_error = fails_next ? "the vector core is broken" : report.error;
  fails_next = false;
}

uint32_t launch(emulator::KernelType type, void (*kernel)(GM_ADDR), uint32_t cores, void* stream,
                void* arguments) {
  if (stream != reinterpret_cast<void*>(0x57) && stream != reinterpret_cast<void*>(0x58)) {
    last_error = "no such stream";
    return 107003;
  }
  ++counted.launches;
  enqueue(stream, [=] { run_kernel(type, kernel, cores, arguments); });
  return 0;
}

}  // namespace

uint8_t* allocate(size_t bytes) {
  const size_t mapped = (bytes + page - 1) / page * page;
  if (mapped == 0) return nullptr;
  void* begin = mmap(nullptr, mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (begin == MAP_FAILED) return nullptr;
  blocks[static_cast<uint8_t*>(begin)] = {static_cast<int64_t>(bytes), mapped};
  return static_cast<uint8_t*>(begin);
}

void release(uint8_t* begin) {
  if (begin == nullptr) return;
  enqueue(nullptr, [=] {
    munmap(begin, blocks.at(begin).mapped);
    blocks.erase(begin);
  });
}

void set_read_only(uint8_t* begin) {
  blocks.at(begin).kind = emulator::GmKind::input;
}

void enqueue(void* stream, std::function<void()> work) {
  if (stream != nullptr) last_stream = stream;
  queue.push_back(std::move(work));
}

bool run() {
  open_memory(PROT_READ | PROT_WRITE);
  while (!queue.empty()) {
    const std::function<void()> work = std::move(queue.front());
    queue.pop_front();
    work();
  }
  open_memory(PROT_NONE);
  const bool was_lost = is_lost;
  is_lost = false;
  return !was_lost;
}

const char* error() {
  return last_error.c_str();
}
void set_error(const char* why) {
  last_error = why;
}
Counts& counts() {
  return counted;
}

}  // namespace host_device

extern "C" {
// For the tests.
void host_device_reset() {
  host_device::counted = {};
}
int64_t host_device_count(int32_t which) {
  const host_device::Counts& c = host_device::counted;
  const int64_t all[] = {c.copies_to_host, c.copies_to_device, c.waits, c.launches};
  return all[which];
}
int64_t host_device_blocks() {
  host_device::run();
  return static_cast<int64_t>(host_device::blocks.size());
}
void host_device_fail_next() {
  host_device::fails_next = true;
}
void* host_device_last_stream() {
  return host_device::last_stream;
}
}

#define LAUNCH(name, cores)                                                                  \
  extern "C" void flash_##name(GM_ADDR arguments);                                           \
  uint32_t aclrtlaunch_flash_##name(uint32_t blocks, void* stream, void* arguments) {        \
    return host_device::launch(host_device::cores, flash_##name, blocks, stream, arguments); \
  }
FLASH_KERNELS(LAUNCH)
