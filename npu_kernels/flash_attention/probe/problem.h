// What the probes are given: an operation, its inputs and where the result goes. Shared by host and
// device.
#pragma once

#include "common/addresses.h"
#include "common/sizes.h"

namespace flash {

// In the order of abi.h.
enum class Probe : int64_t {
  exp,          // exp(x)
  ln,           // ln(x)
  to_half,      // Cast of x to fp16, rounded to the nearest even number
  to_bf16,      // the same to bf16
  times_one,    // x multiplied by 1
  padded_rows,  // rows of padded_row values as DataCopyPad leaves them, without padding
  copies,       // x copied so many times, one copy after the other; the result is x
  product,      // A B: (16, depth) and (depth, 16) fp16, by one Mmad
  hand_overs,   // the AIC and its AIVs wait for each other so many times; no result
};

constexpr int64_t probe_values = 2048;  // fp32 values of one operation, at most
constexpr int64_t padded_row = 5;       // fp32 values: 20 B, of 32

struct ProbeArguments {
  int64_t operation;
  int64_t count;  // values of x; of a product its depth; of copies and hand-overs, how often
  Address x;
  Address y;  // B of a product
  Address out;
};

}  // namespace flash
