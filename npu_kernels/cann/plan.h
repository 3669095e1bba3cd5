// A plan: what a call launches, one kernel after the other, with what the kernels read beside
// tensors. It is host memory that is copied to the device as it is: this header, then tables and
// arguments, each at a line of its own. Host only.
#pragma once

#include <cstdint>

#include "common/sizes.h"
#include "host/kernels.h"

namespace flash {

constexpr int64_t plan_line = 64;
constexpr int64_t most_launches = 5;  // of a backward: rows, keys, queries, dbias, dsink

struct PlannedLaunch {
  Kernel kernel;
  uint32_t blocks;
  int64_t arguments;  // where they begin, in bytes of the plan
};

struct Plan {
  int64_t used;  // bytes, this header included
  int64_t launches;
  PlannedLaunch launch[most_launches];
};

}  // namespace flash
