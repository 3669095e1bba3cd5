// Vector clocks over the pipes of a group: what has ended before something starts.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "machine/chip.h"

namespace emulator {

constexpr int lane_count = cores_per_group * pipe_count;  // one lane per pipe of a group

constexpr int lane_of(int core, int pipe) {
  return core * pipe_count + pipe;
}

// seen[lane] = n: instructions 1..n of that lane have ended. Every edge of the model covers a
// prefix of a pipe, so one number per lane says all.
struct Clock {
  std::array<uint32_t, lane_count> seen{};

  void join(const Clock& other) {
    for (size_t lane = 0; lane < lane_count; ++lane) {
      seen[lane] = std::max(seen[lane], other.seen[lane]);
    }
  }
  bool knows(int lane, uint32_t sequence) const {
    return seen[static_cast<size_t>(lane)] >= sequence;
  }
};

}  // namespace emulator
