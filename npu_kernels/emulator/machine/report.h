// What a launch is asked to check, and what it has to say.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "machine/chip.h"

namespace emulator {

enum class MmadOrder : uint8_t { sequential, tree16, exact };

struct Options {
  bool checked = true;         // false: bounds and capacities only, same numbers
  bool auto_sync = false;      // the stock build switch: vector barriers missing on AIVs are notes
  bool deterministic = false;  // atomic adds without an order are errors, not warnings
  bool saturate = true;        // CTRL[48] = 0: Cast and Fixpipe to 16 bits give finite numbers only
  bool whole_ub = false;       // --cce-disable-asc-reserved-ubuf
  MmadOrder mmad_order = MmadOrder::sequential;
  bool mmad_truncates = false;  // each sum of the cube is rounded toward zero, not to nearest
  int exp_ulps = 0;             // Exp is off by up to this much, chosen by `seed` and the argument
  int ln_ulps = 0;              // and Ln
  bool random_padding = false;  // DataCopyPad without padding: bits from `seed` behind the data
  uint64_t seed = 0;
  int host_threads = 1;      // groups that run side by side
  bool adversarial = false;  // what has no order happens in another one, chosen by `seed`
};

enum class KernelType : uint8_t { mix_aic_1_2, aiv_only, aic_only };

// Where the bytes of a pipe went: the first word is the source.
enum class Path : uint8_t { gm_ub, gm_l1, ub_gm, l0c_gm, l1_l0a, l1_l0b };
constexpr int path_count = 6;

struct PipeCounters {
  uint64_t instructions = 0;
  uint64_t repeats = 0;  // of 256 B on PIPE_V; of fractals, rows or blocks on the others
  uint64_t macs = 0;     // true m * n * k
  uint64_t waits = 0;    // WaitFlag, CrossCoreWaitFlag (on PIPE_S) and PipeBarrier
};

struct CoreCounters {
  int group = 0;
  int core = 0;  // index into core_names
  PipeCounters pipes[pipe_count];
  uint64_t bytes[path_count] = {};
};

struct Report {
  bool ok = true;
  std::string error;  // of the first group that failed, in order of groups
  std::vector<std::string> warnings;
  std::vector<std::string> notes;
  std::vector<CoreCounters> counters;  // one per core that ran
};

}  // namespace emulator
