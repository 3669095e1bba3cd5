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

// The bytes of a block that [first, last), counted from a memory's first byte, holds.
constexpr uint32_t bytes_within(int64_t block, int64_t first, int64_t last) {
  const int64_t low = first - block * block_bytes;
  const int64_t high = last - block * block_bytes;
  if (low <= 0 && high >= block_bytes) return whole_block;
  return block_mask(low < 0 ? 0 : low, high > block_bytes ? block_bytes : high);
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
  uint32_t bytes = 0;
  bool is_none() const { return who.code == 0; }
};

// Up to four last reads and writes whose bytes nobody has written since. A fifth is merged into one
// of the same lane: then bytes of one block count as touched a little later than they were.
// A line of the host's cache: a check costs little more than fetching it.
struct alignas(64) History {
  static constexpr int capacity = 4;
  Access write[capacity];  // what is left of them comes first
  Access read[capacity];

  // The usual case: the whole block, and at most one write and one read before, both in order.
  // False has changed nothing, and leaves it to the functions below.
  bool is_read_whole(Who who, const Clock& clock) {
    const bool again = read[0].who.lane() == who.lane();
    if (!has_one_of_each() || !knows(clock, write[0]) || !(again || knows(clock, read[0]))) {
      return false;
    }
    read[0] = Access{who, whole_block};
    return true;
  }
  bool is_written_whole(Who who, const Clock& clock) {
    if (!has_one_of_each() || !knows(clock, write[0]) || !knows(clock, read[0])) return false;
    write[0] = Access{who, whole_block};
    read[0] = Access{};
    return true;
  }

  // conflict(earlier, earlier_writes) is called for each earlier access without an order.
  template <typename Conflict>
  void note_read(Who who, uint32_t bytes, const Clock& clock, const Conflict& conflict) {
    for (const Access& w : write) {
      if (w.is_none()) break;
      if ((w.bytes & bytes) != 0 && !clock.knows(w.who.lane(), w.who.sequence()))
        conflict(w.who, true);
    }
    const auto goes_on = [&](Access& r) {
      const bool covered = (r.bytes & ~bytes) == 0;
      const bool older = r.who.lane() == who.lane() || clock.knows(r.who.lane(), r.who.sequence());
      return !(covered && older);
    };
    add(read, keep_if(read, goes_on), Access{who, bytes});
  }

  template <typename Conflict>
  void note_write(Who who, uint32_t bytes, const Clock& clock, const Conflict& conflict) {
    const auto overwritten = [&](bool earlier_writes) {
      return [&, earlier_writes](Access& a) {
        if ((a.bytes & bytes) != 0 && a.who.code != who.code &&
            !clock.knows(a.who.lane(), a.who.sequence())) {
          conflict(a.who, earlier_writes);
        }
        a.bytes &= ~bytes;
        return a.bytes != 0;
      };
    };
    const int writes = keep_if(write, overwritten(true));
    keep_if(read, overwritten(false));
    add(write, writes, Access{who, bytes});
  }

 private:
  bool has_one_of_each() const { return write[1].is_none() && read[1].is_none(); }
  // Every clock knows an access that is none: number 0.
  static bool knows(const Clock& clock, const Access& a) {
    return clock.knows(a.who.lane(), a.who.sequence());
  }

  // Returns how many stay, in front.
  template <typename Stays>
  static int keep_if(Access* list, const Stays& stays) {
    int kept = 0;
    for (int i = 0; i < capacity && !list[i].is_none(); ++i) {
      Access a = list[i];
      list[i] = Access{};
      if (stays(a)) list[kept++] = a;
    }
    return kept;
  }

  static void add(Access* list, int count, Access added) {
    if (count > 0 && list[count - 1].who.code == added.who.code) {
      list[count - 1].bytes |= added.bytes;
      return;
    }
    if (count < capacity) {
      list[count] = added;
      return;
    }
    int into = 0;
    for (int i = 0; i < capacity; ++i) {
      if (list[i].who.lane() == added.who.lane()) into = i;
    }
    list[into] = Access{added.who, list[into].bytes | added.bytes};
  }
};
static_assert(sizeof(History) == 64, "a line");

}  // namespace emulator
