// One instruction on one pipe: every byte it reads or writes passes through here before it runs.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "machine/core.h"

namespace emulator {

class Adversary;

// Bytes that an instruction writes.
struct Written {
  uint8_t* at;
  int64_t bytes;
};

class Instruction {
 public:
  using Body = std::function<void(const Instruction&)>;

  Instruction(Core& core, pipe_t pipe, const char* call, Site site, uint64_t repeats = 1);
  Instruction(const Instruction&) = default;
  ~Instruction();

  // What the instruction does with the bytes that it has announced by read() and write(): at once,
  // or in adversarial mode whenever the edges allow. `body` holds copies of all it needs, checks
  // nothing but values, and takes its bytes from the Instruction that it is given.
  template <typename Action>
  void run(const Action& body) {
    runs_ = true;
    if (adversary_ == nullptr) {
      body(*this);
    } else {
      defer(body);
    }
  }
  // Where a value decides what happens next (GetValue, Gather): what must have ended ends now.
  void wait_for_value() const;

  // Bytes [offset, offset + bytes) of a view. Out of bounds, never written, no order: Violation.
  // Returns where they lie. All reads of an instruction come before its writes.
  const uint8_t* read(const Place& place, int64_t offset, int64_t bytes) {
    return touch(place, offset, bytes, false);
  }
  uint8_t* write(const Place& place, int64_t offset, int64_t bytes) {
    return touch(place, offset, bytes, true);
  }
  // Some bytes of one 32-byte block, bit 0 = first byte. `offset` is aligned to the block.
  void read_lanes(const Place& place, int64_t offset, uint32_t lanes) {
    touch_lanes(place, offset, lanes, false);
  }
  void write_lanes(const Place& place, int64_t offset, uint32_t lanes) {
    touch_lanes(place, offset, lanes, true);
  }
  // A whole block may hold bytes nobody wrote, as long as its first `bytes` were.
  uint8_t* bytes_of(const Place& place, int64_t offset) const;

  // Requirements on a view: in this memory, aligned, not freed.
  void need_bounds(const Place& place, int64_t offset, int64_t bytes) const {
    check_bounds(place, place.start + offset, place.start + offset + bytes, false);
  }
  void need_memory(const Place& place, Memory memory, const char* what) const;
  void need_aligned(const Place& place, int64_t alignment, const char* what) const;
  void need_range(int64_t value, int64_t least, int64_t most, const char* what) const;
  void note(const std::string& text) const { core.note(call, site, text); }
  [[noreturn]] void fail(const std::string& text) const { throw Violation(told(text)); }

  Core& core;
  pipe_t pipe;
  const char* call;
  Site site;
  bool may_accumulate = false;  // Mmad onto a tile large enough to need no barrier
  bool adds = false;            // atomic add: its GM writes are sums
  Who who;

 private:
  // "kernel.h:12: Adds on AIV0 of group 0, PIPE_V: text"
  std::string told(const std::string& text) const;
  uint8_t* touch(const Place& place, int64_t offset, int64_t bytes, bool writes);
  void touch_lanes(const Place& place, int64_t offset, uint32_t lanes, bool writes);
  void check_bounds(const Place& place, int64_t first, int64_t last, bool writes) const;
  template <typename Store>
  void touch_block(Store& store, const Place& place, int64_t block, uint32_t bytes, bool writes);
  void touch_gm(const Place& place, int64_t first, int64_t last, bool writes);
  void conflict(const Place& place, int64_t block, uint32_t bytes, Who earlier, bool earlier_writes,
                bool writes);
  [[noreturn]] void never_written(const Place& place, int64_t block, uint32_t missing) const;

  void note_written(uint8_t* at, int64_t bytes);
  void defer(const Body& body);
  Clock needs() const;

  Clock clock_;  // of the pipe, at issue
  Adversary* adversary_;
  std::vector<Written> written_;  // in adversarial mode
  bool runs_ = false;
};

// Where a pointer of the kernel points: the rest of its tensor from there on.
Place gm_place(const void* address, const char* call, Site site);
int64_t gm_bytes(const Place& place);
// A scalar read of GM goes through the data cache: of inputs only, once the cache has dropped what
// it held before the launch.
void need_fresh(const Instruction& instruction, const Place& place, int64_t offset, int64_t bytes);
void drop_from_cache(const Place& place, bool all, Site site);

// "UB bytes [64, 96) of buffer 3 (VECIN, 4096 B at 0)"
std::string text_of(const Core& core, const Place& place, int64_t first, int64_t last);

}  // namespace emulator
