// Launches of kernels, declared once. on_emulator.cpp defines them for the emulator's library, and
// cann/launches.cpp for a device's: a build takes one of the two. Host only.
#pragma once

#include <memory>
#include <type_traits>
#include <vector>

#include "common/addresses.h"
#include "host/kernels.h"
#include "host/ranges.h"

namespace flash {

inline Address address_of(const void* data) {
  return reinterpret_cast<Address>(data);
}

// The launches of one call, in order; each waits for its end, and the first that fails ends the
// call by a Refusal.
class Launches {
 public:
  explicit Launches(NpuLaunch& to);
  ~Launches();

  // Where the kernels find bytes that the host made: an input of every later launch. `bytes` must
  // live as long as this.
  Address add_table(const std::vector<uint8_t>& bytes);

  // `blocks` groups, or vector cores, run the kernel; it touches nothing but `memory`, tables and
  // arguments.
  template <typename Arguments>
  void run(Kernel kernel, int64_t blocks, const Memory& memory, const Arguments& arguments) {
    static_assert(std::is_trivially_copyable_v<Arguments>, "a kernel reads it word by word");
    launch(kernel, blocks, memory, {&arguments, int64_t{sizeof(Arguments)}});
  }

 private:
  struct Bytes {
    const void* data;
    int64_t size;
  };
  void launch(Kernel kernel, int64_t blocks, const Memory& memory, const Bytes& arguments);

  struct Target;  // what runs them
  std::unique_ptr<Target> target_;
};

}  // namespace flash
