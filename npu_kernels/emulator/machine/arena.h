// One local memory of one core: its bytes, which of them were written, and who touched them last.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "machine/chip.h"
#include "machine/history.h"

namespace emulator {

class Arena {
 public:
  explicit Arena(Memory memory)
      : limits_(limits_of[static_cast<int>(memory)]),
        storage_(static_cast<size_t>(limits_.bytes) + alignment),
        written_(static_cast<size_t>(limits_.bytes / block_bytes)),
        histories_(static_cast<size_t>(limits_.bytes / block_bytes)) {
    // fractals and L0C tiles want 1024 B; std::vector promises 16
    const uint64_t address = reinterpret_cast<uint64_t>(storage_.data());
    bytes_ = storage_.data() + (alignment - address % alignment) % alignment;
  }

  // A fresh arena costs page faults; a used one is wiped as far as it was used, and used again.
  void reset(int64_t used) {
    poison(0, used);
    const auto first = histories_.begin();
    std::fill(first, first + ceil_div(used, block_bytes), History{});
  }

  // Bytes [first, last) hold nothing any more.
  void poison(int64_t first, int64_t last) {
    fill_with_poison(first, last);
    forget(first, last);
  }
  // Their values alone, or alone what is known of them.
  void fill_with_poison(int64_t first, int64_t last) {
    uint8_t pattern[4];
    std::memcpy(pattern, &poison_word, sizeof pattern);
    int64_t i = first;
    for (; i < last && i % 4 != 0; ++i) bytes_[i] = pattern[i % 4];
    for (; i + 4 <= last; i += 4) std::memcpy(bytes_ + i, pattern, sizeof pattern);
    for (; i < last; ++i) bytes_[i] = pattern[i % 4];
  }
  void forget(int64_t first, int64_t last) {
    for (int64_t block = first / block_bytes; block * block_bytes < last; ++block) {
      written_[static_cast<size_t>(block)] &= ~bytes_within(block, first, last);
    }
  }

  const MemoryLimits& limits() const { return limits_; }
  uint8_t* at(int64_t offset) { return bytes_ + offset; }

  // What touch_blocks (touch.h) needs.
  uint32_t written(int64_t block) const { return written_[static_cast<size_t>(block)]; }
  void mark_written(int64_t block, uint32_t bytes) {
    written_[static_cast<size_t>(block)] |= bytes;
  }
  History& history(int64_t block) { return histories_[static_cast<size_t>(block)]; }

 private:
  static constexpr size_t alignment = 1024;
  MemoryLimits limits_;
  std::vector<uint8_t> storage_;
  std::vector<uint32_t> written_;
  std::vector<History> histories_;
  uint8_t* bytes_;
};

}  // namespace emulator
