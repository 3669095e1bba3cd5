// CANN's runtime as we use it: an error ends the call with its reason; memory frees itself.
#pragma once

#include <memory>

#include "acl/acl.h"
#include "host/refusal.h"

namespace flash {

// NPU_CHECK_FAILED: what a device cannot do is no feature that a kernel declines.
[[noreturn]] inline void fail(const std::string& why) {
  throw Refusal{NPU_CHECK_FAILED, why};
}

inline void check(int64_t code, const std::string& call) {
  if (code == ACL_SUCCESS) return;
  const char* why = aclGetRecentErrMsg();
  fail(call + " gave " + text_of(code) + (why == nullptr ? "" : std::string(": ") + why));
}

// A copy of host memory on the device. The copy is done when the constructor returns: nobody else
// has used the memory, so that no stream needs to know.
class Copy {
 public:
  Copy(const void* host, int64_t bytes) {
    const auto size = static_cast<size_t>(bytes);
    void* memory = nullptr;
    check(aclrtMalloc(&memory, size, ACL_MEM_MALLOC_HUGE_FIRST), "aclrtMalloc");
    memory_.reset(memory);
    check(aclrtMemcpy(memory, size, host, size, ACL_MEMCPY_HOST_TO_DEVICE), "aclrtMemcpy");
  }

  void* device() const { return memory_.get(); }

 private:
  struct Free {
    void operator()(void* memory) const { aclrtFree(memory); }
  };

  std::unique_ptr<void, Free> memory_;
};

}  // namespace flash
