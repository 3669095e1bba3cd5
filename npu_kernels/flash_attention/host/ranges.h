// Where tensors lie in memory: whether they have room for their shape, and which overlap. Host
// only.
#pragma once

#include <initializer_list>
#include <vector>

#include "common/problem.h"
#include "host/refusal.h"

namespace flash {

// From a tensor's first byte to its last.
struct Range {
  std::string name;
  const uint8_t* begin;
  int64_t bytes;
  bool has_gaps;  // some of these bytes are not the tensor's
};

struct Axis {
  const char* stride;  // its name
  int64_t size;
  int64_t step;
};

inline Range range_from(const char* name, const void* data, int64_t bytes, bool has_gaps = false) {
  if (bytes > 0 && data == nullptr) refuse(name, "null pointer");
  return Range{name, static_cast<const uint8_t*>(data), bytes, has_gaps};
}

// Units from the first to the last, of which `row` lie side by side, and `bytes` have to hold all.
// No arithmetic overflows, whatever sizes and strides say; none of the sizes is 0.
inline int64_t units_within(const char* name, int64_t bytes, int64_t unit_bytes, int64_t row,
                            std::initializer_list<Axis> axes) {
  constexpr int64_t most_bytes = int64_t{1} << 60;  // so that what is derived does not overflow
  if (bytes < 0) refuse(name, "bytes is negative");
  const int64_t room = min_of(bytes, most_bytes) / unit_bytes;
  int64_t last = row;
  for (const Axis& axis : axes) {
    if (axis.step < 0) refuse(name, std::string(axis.stride) + " is negative");
    const bool beyond = axis.size > 1 && axis.step > room / (axis.size - 1);
    if (!beyond) last += (axis.size - 1) * axis.step;
    if (beyond || last > room) {
      refuse(name, "of " + text_of(bytes) + " B is too small for its shape and strides");
    }
  }
  if (last > room) refuse(name, "of " + text_of(bytes) + " B is too small for its shape");
  return last;
}

inline bool overlap(const Range& a, const Range& b) {
  return a.bytes > 0 && b.bytes > 0 && a.begin < b.begin + b.bytes && b.begin < a.begin + a.bytes;
}

// What a launch reads and writes. Inputs may share memory; nothing else may.
struct Memory {
  std::vector<Range> inputs;
  std::vector<Range> outputs;
  Range workspace;
};

inline void check_apart(const Memory& memory) {
  std::vector<Range> written = memory.outputs;
  written.push_back(memory.workspace);
  for (size_t i = 0; i < written.size(); ++i) {
    for (const Range& input : memory.inputs) {
      if (overlap(written[i], input)) refuse(written[i].name, "overlaps " + input.name);
    }
    for (size_t j = 0; j < i; ++j) {
      if (overlap(written[i], written[j])) refuse(written[i].name, "overlaps " + written[j].name);
    }
  }
}

inline Range workspace_range(const NpuLaunch& launch, int64_t needed) {
  if (launch.workspace_bytes < needed) {
    refuse("workspace", text_of(launch.workspace_bytes) + " B, needs " + text_of(needed) + " B");
  }
  return range_from("workspace", launch.workspace, needed);
}

}  // namespace flash
