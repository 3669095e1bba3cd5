// Launches on a device, one after the other; each call waits for its end. The emulator has a file
// of this name, too; a host file takes the one that its build names first.
#pragma once

#include <functional>
#include <type_traits>
#include <vector>

#include "device.h"
#include "host/call.h"
#include "host/ranges.h"
#include "runtime.h"

using GM_ADDR = uint8_t*;

namespace flash {

enum class Cores { mixed, vector_only };  // each kernel says for itself which it is

// A wrong chip is refused here: CANN would print a line, launch nothing and report success.
inline void check_chip() {
  const std::string here = npu_device_soc();
  const std::string built_for = npu_built_for();
  if (here == built_for) return;
  fail("built for " + built_for + ", and this chip is " + (here.empty() ? "unknown" : here) +
       ": bash npu_kernels/cann/build.sh -arch " + (here.empty() ? "SOC" : here));
}

// The launches of one call.
class Launches {
 public:
  static constexpr Cores mixed = Cores::mixed;
  static constexpr Cores vector_only = Cores::vector_only;

  explicit Launches(NpuLaunch& to) : to_(to) { check_chip(); }

  // `kernel` calls a kernel by its name; launch.cpp has a host function of that name, which comes
  // back to `launch`.
  void run(Cores, int64_t blocks, const Memory& memory, const std::function<void()>& kernel) {
    blocks_ = static_cast<uint32_t>(blocks);
    copies_.clear();
    for (const Range& table : memory.tables) copies_.emplace_back(table.begin, table.bytes);
    current() = this;
    kernel();
    check(aclrtSynchronizeStream(to_.stream), "aclrtSynchronizeStream");
  }

  template <typename Stub, typename... Arguments>
  void launch(const char* name, Stub stub, const Arguments&... arguments) {
    check(stub(blocks_, to_.stream, on_device(arguments)...), name);
  }

  static Launches*& current() {
    thread_local Launches* running = nullptr;
    return running;
  }

 private:
  // Addresses are on the device already, but for tables; what is passed by value is copied there.
  template <typename Argument>
  void* on_device(const Argument& argument) {
    if constexpr (std::is_same_v<Argument, GM_ADDR>) {
      for (const Copy& copy : copies_) {
        if (copy.host() == argument) return copy.device();
      }
      return argument;
    } else {
      static_assert(std::is_trivially_copyable_v<Argument>, "copied byte by byte");
      return copies_.emplace_back(&argument, int64_t{sizeof(Argument)}).device();
    }
  }

  NpuLaunch& to_;
  uint32_t blocks_ = 0;
  std::vector<Copy> copies_;
};

}  // namespace flash
