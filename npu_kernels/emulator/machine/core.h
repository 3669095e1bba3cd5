// One core (AIC, AIV0 or AIV1) while it runs: memories, pipes, events, vector mask, framework
// state.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "machine/arena.h"
#include "machine/clock.h"
#include "machine/data_cache.h"
#include "machine/framework.h"
#include "machine/gm.h"
#include "machine/report.h"
#include "machine/site.h"
#include "numbers/formats.h"
#include "numbers/matmul.h"

namespace emulator {

class Group;

// What a pipe remembers of each instruction, to name it later.
struct Issued {
  const char* call;
  Site site;
  uint64_t order;  // among all instructions of the core
};

struct PipeState {
  Clock clock;  // what has ended before anything issued from now on starts
  std::vector<Issued> log;
  uint32_t issued() const { return static_cast<uint32_t>(log.size()); }
};

// A set that no wait has consumed.
struct Flag {
  bool is_set = false;
  Clock clock;
  Site site;
};

// The vector unit's mask: bits of one repeat, or a count of elements.
struct VectorMask {
  bool counts = false;
  uint64_t bits[2] = {~uint64_t{0}, ~uint64_t{0}};
  int64_t count = 0;
};

class Core {
 public:
  Core(Group& group, int index);

  bool is_cube() const { return index == 0; }
  int lane(int pipe) const { return lane_of(index, pipe); }
  std::string name() const;  // "AIV1 of group 3"
  Arena& arena(Memory memory);
  bool has(Memory memory) const { return limits_of[static_cast<int>(memory)].on_cube == is_cube(); }
  const Options& options() const;

  // The flags of one core: SetFlag, WaitFlag, PipeBarrier. `kind` is from * 8 + to.
  void set_flag(int kind, int id, const char* call, Site site);
  void wait_flag(int kind, int id, const char* call, Site site);
  void barrier(pipe_t pipe, const char* call, Site site);
  // What an event set on `pipe` now carries: all that was issued to it, and what that had waited
  // for.
  Clock end_of(int pipe) const;

  void start(Group& group_, int index_);  // wiped for the next launch
  void finish();                          // checks what must be zero at the end of a kernel

  [[noreturn]] void fail(const char* call, Site site, const std::string& text) const;
  // For destructors, which may not throw: finish() reports the first.
  void fail_later(const char* call, Site site, const std::string& text);
  // What a report mentions and no launch fails for; the same words once.
  void note(const char* call, Site site, const std::string& text);

  Group* group;
  int index;
  PipeState pipes[pipe_count];
  uint64_t issued = 0;  // instructions of all pipes
  Flag flags[64][event_ids];
  VectorMask mask;
  DataCache cache;
  bool adds_atomically = false;
  Framework framework;
  CoreCounters counters;
  Panels panels;               // Mmad's operands, kept to save allocations
  std::set<std::string> seen;  // notes and warnings said once
  std::string deferred_error;
  void* open_tpipe = nullptr;  // GetTPipePtr

 private:
  std::vector<std::unique_ptr<Arena>> arenas_;
};

// The core whose kernel code runs on this thread. Outside of a launch: throws.
Core& this_core();
void set_this_core(Core* core);

constexpr int event_kind(int from, int to) {
  return from * 8 + to;
}
std::string event_name(int kind);

}  // namespace emulator
