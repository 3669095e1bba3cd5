// Where tensors lie, as a kernel is told: numbers that mean the same to host and device. Shared by
// host and device.
#pragma once

#include <cstdint>

namespace flash {

using Address = uint64_t;  // in GM; 0 where the problem has no such tensor

// What forward and backward have in common.
struct Addresses {
  Address q;
  Address k;
  Address v;
  Address bias;
  Address slopes;
  Address sink;
  Address keep;
  Address dropout;
  Address out;
  Address lse;
  Address softmax_max;
  Address softmax_sum;
  Address tables;
  Address workspace;
};

}  // namespace flash
