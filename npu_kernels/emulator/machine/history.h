// Who touched a block of 32 bytes, and which of its bytes: enough to find an unordered access.
#pragma once

#include <cstdint>

#include "machine/chip.h"
#include "machine/clock.h"

namespace emulator {

constexpr uint32_t whole_block = 0xFFFFFFFFu;

// Bytes [first, last) of a block as a mask, bit 0 = byte 0.
constexpr uint32_t block_mask(int64_t first, int64_t last) {
  return static_cast<uint32_t>(((uint64_t{1} << last) - 1) & ~((uint64_t{1} << first) - 1));
}

// One instruction: its lane, whether it adds atomically, its number on that lane. Never 0.
struct Who {
  uint32_t code = 0;

  static Who of(int lane, bool atomic, uint32_t sequence) {
    return Who{(sequence << 6) | (atomic ? 32u : 0u) | static_cast<uint32_t>(lane)};
  }
  int lane() const { return static_cast<int>(code & 31u); }
  bool atomic() const { return (code & 32u) != 0; }
  uint32_t sequence() const { return code >> 6; }
};
constexpr uint32_t max_sequence = (1u << 26) - 1;

struct Access {
  Who who;
  uint32_t bytes;
};

// Up to four last reads and writes whose bytes nobody has written since. A fifth is merged into one
// of the same lane: then bytes of one block count as touched a little later than they were.
struct History {
  static constexpr int capacity = 4;
  uint8_t writes = 0;
  uint8_t reads = 0;
  Access write[capacity];
  Access read[capacity];

  // conflict(earlier, earlier_writes) is called for each earlier access without an order.
  template <typename Conflict>
  void note_read(Who who, uint32_t bytes, const Clock& clock, const Conflict& conflict) {
    for (int i = 0; i < writes; ++i) {
      const Access& w = write[i];
      if ((w.bytes & bytes) != 0 && !clock.knows(w.who.lane(), w.who.sequence()))
        conflict(w.who, true);
    }
    int kept = 0;
    for (int i = 0; i < reads; ++i) {
      const Access& r = read[i];
      const bool covered = (r.bytes & ~bytes) == 0;
      const bool older = r.who.lane() == who.lane() || clock.knows(r.who.lane(), r.who.sequence());
      if (!(covered && older)) read[kept++] = r;
    }
    reads = static_cast<uint8_t>(kept);
    add(read, reads, Access{who, bytes});
  }

  template <typename Conflict>
  void note_write(Who who, uint32_t bytes, const Clock& clock, const Conflict& conflict) {
    writes = note_overwritten(write, writes, true, who, bytes, clock, conflict);
    reads = note_overwritten(read, reads, false, who, bytes, clock, conflict);
    add(write, writes, Access{who, bytes});
  }

 private:
  template <typename Conflict>
  static uint8_t note_overwritten(Access* list, int count, bool earlier_writes, Who who,
                                  uint32_t bytes, const Clock& clock, const Conflict& conflict) {
    int kept = 0;
    for (int i = 0; i < count; ++i) {
      Access a = list[i];
      if ((a.bytes & bytes) != 0 && a.who.code != who.code &&
          !clock.knows(a.who.lane(), a.who.sequence())) {
        conflict(a.who, earlier_writes);
      }
      a.bytes &= ~bytes;
      if (a.bytes != 0) list[kept++] = a;
    }
    return static_cast<uint8_t>(kept);
  }

  static void add(Access* list, uint8_t& count, Access added) {
    if (count > 0 && list[count - 1].who.code == added.who.code) {
      list[count - 1].bytes |= added.bytes;
      return;
    }
    if (count < capacity) {
      list[count++] = added;
      return;
    }
    int into = 0;
    for (int i = 0; i < capacity; ++i) {
      if (list[i].who.lane() == added.who.lane()) into = i;
    }
    list[into] = Access{added.who, list[into].bytes | added.bytes};
  }
};

}  // namespace emulator
