// What the backward's kernels are given, each of them the same struct. Shared by host and device.
#pragma once

#include "backward/sizes.h"
#include "common/addresses.h"

namespace flash {

// Beside those that the backward shares with the forward.
struct GradientAddresses {
  Address dout;
  Address dlse;
  Address delta;  // like lse
  Address dq;
  Address dk;
  Address dv;
  Address dx;  // where dbias is asked for: (block_q, block_k) fp32 by tiles
  Address dbias;
  Address dsink;
};

struct BackwardArguments {
  Addresses problem;
  GradientAddresses gradients;
  GradientTiling tiling;
};

}  // namespace flash
