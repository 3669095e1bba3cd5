// What the forward's kernels are given. Shared by host and device.
#pragma once

#include "common/addresses.h"
#include "common/problem.h"

namespace flash {

struct ForwardArguments {
  Addresses addresses;
  Tiling tiling;
};

}  // namespace flash
