// The scalar unit's data cache, as far as a kernel must know it: when a launch begins it may hold
// what GM held before, and what it was made to drop is read from GM again.
#pragma once

#include <cstdint>
#include <vector>

namespace emulator {

class DataCache {
 public:
  static constexpr uintptr_t line_bytes = 64;

  void reset() { *this = DataCache{}; }
  void drop_all() { all_dropped_ = true; }
  // From an address to the end of its line: no more, whatever the line holds before it.
  void drop_line(const void* from) {
    const uintptr_t first = reinterpret_cast<uintptr_t>(from);
    dropped_.push_back({first, (first / line_bytes + 1) * line_bytes});
  }
  bool may_be_stale(const void* from, int64_t bytes) const {
    if (all_dropped_) return false;
    const uintptr_t first = reinterpret_cast<uintptr_t>(from);
    const uintptr_t last = first + static_cast<uintptr_t>(bytes);
    for (const Range& range : dropped_) {
      if (range.first <= first && last <= range.last) return false;
    }
    return true;
  }

 private:
  struct Range {
    uintptr_t first;
    uintptr_t last;
  };
  bool all_dropped_ = false;
  std::vector<Range> dropped_;
};

}  // namespace emulator
