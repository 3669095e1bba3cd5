// A device made of the host: memory that the host cannot touch, and work that waits in one queue
// until somebody waits for it. The runtime launches onto it, and torch_npu.cpp makes tensors there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

namespace host_device {

// Pages without access rights; `release` waits in the queue for its turn.
uint8_t* allocate(size_t bytes);
void release(uint8_t* begin);

// Kernels only read this memory from here on: a scalar read of it needs no other order.
void set_read_only(uint8_t* begin);

// Work that may touch the device's memory. `stream` is remembered.
void enqueue(void* stream, std::function<void()> work);

// Everything that waits, done. False: a kernel failed; error() says how.
bool run();
const char* error();
void set_error(const char* why);

// What happened since the last reset().
struct Counts {
  int64_t copies_to_host;
  int64_t copies_to_device;
  int64_t waits;
  int64_t launches;
};
Counts& counts();

}  // namespace host_device
