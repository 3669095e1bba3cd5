#include "machine/core.h"

#include <cstring>

#include "machine/group.h"

namespace emulator {
namespace {

thread_local Core* running_core = nullptr;

}  // namespace

Core& this_core() {
  if (running_core == nullptr) throw Violation("an Ascend C call outside of emulator::launch");
  return *running_core;
}

void set_this_core(Core* core) {
  running_core = core;
}

std::string to_string(const Site& site) {
  const char* slash = std::strrchr(site.file, '/');
  return std::string(slash != nullptr ? slash + 1 : site.file) + ":" + std::to_string(site.line);
}

std::string event_name(int kind) {
  const auto bare = [](int pipe) { return std::string(pipe_names[pipe]).substr(5); };
  return bare(kind / 8) + "_" + bare(kind % 8);
}

Core::Core(Group& group_, int index_) : group(&group_), index(index_) {
  for (int m = 0; m < local_memories; ++m) {
    const bool here = limits_of[m].on_cube == is_cube();
    arenas_.push_back(here ? std::make_unique<Arena>(static_cast<Memory>(m)) : nullptr);
  }
  for (auto& arena : arenas_) {
    if (arena) arena->reset(arena->limits().bytes);
  }
  start(group_, index_);
}

void Core::start(Group& group_, int index_) {
  group = &group_;
  index = index_;
  for (auto& pipe : pipes) {
    pipe.clock = Clock{};
    pipe.log.clear();
  }
  issued = 0;
  for (auto& kind : flags) {
    for (Flag& flag : kind) flag.is_set = false;
  }
  mask = VectorMask{};
  cache.reset();
  adds_atomically = false;
  counters = CoreCounters{};
  counters.group = group->index();
  counters.core = index;
  seen.clear();
  deferred_error.clear();
  open_tpipe = nullptr;
  for (int m = 0; m < local_memories; ++m) {
    auto& arena = arenas_[static_cast<size_t>(m)];
    if (arena) arena->reset(framework.top(static_cast<Memory>(m)));
  }
  framework = Framework{};
}

std::string Core::name() const {
  return std::string(core_names[index]) + " of group " + std::to_string(group->index());
}

Arena& Core::arena(Memory memory) {
  return *arenas_[static_cast<size_t>(memory)];
}

const Options& Core::options() const {
  return group->options();
}

void Core::fail(const char* call, Site site, const std::string& text) const {
  throw Violation(to_string(site) + ": " + call + " on " + name() + ": " + text);
}

void Core::fail_later(const char* call, Site site, const std::string& text) {
  if (!deferred_error.empty()) return;
  deferred_error = to_string(site) + ": " + call + " on " + name() + ": " + text;
}

void Core::note(const char* call, Site site, const std::string& text) {
  const std::string words = to_string(site) + ": " + call + ": " + text;
  if (seen.insert(words).second) group->notes.push_back(words);
}

Clock Core::end_of(int pipe) const {
  Clock clock = pipes[pipe].clock;
  clock.seen[static_cast<size_t>(lane(pipe))] = pipes[pipe].issued();
  return clock;
}

void Core::set_flag(int kind, int id, const char* call, Site site) {
  const std::string what = event_name(kind) + " id " + std::to_string(id);
  if (!core_has(is_cube(), kind / 8) || !core_has(is_cube(), kind % 8)) {
    fail(call, site, event_name(kind) + ": this core lacks one of the two pipes");
  }
  Flag& flag = flags[kind][id];
  if (flag.is_set) {
    fail(call, site, what + " is set twice without a wait; set before at " + to_string(flag.site));
  }
  flag = Flag{true, end_of(kind / 8), site};
}

void Core::wait_flag(int kind, int id, const char* call, Site site) {
  Flag& flag = flags[kind][id];
  if (!flag.is_set) {
    fail(call, site,
         "waits for " + event_name(kind) + " id " + std::to_string(id) + ", which nothing has set");
  }
  pipes[kind % 8].clock.join(flag.clock);
  ++counters.pipes[kind % 8].waits;
  flag.is_set = false;
}

void Core::barrier(pipe_t pipe, const char* call, Site site) {
  if (pipe == PIPE_S) fail(call, site, "PIPE_S is not allowed");
  if (pipe != PIPE_ALL) {
    if (!core_has(is_cube(), pipe))
      fail(call, site, std::string("no ") + pipe_names[pipe] + " here");
    pipes[pipe].clock = end_of(pipe);
    ++counters.pipes[pipe].waits;
    return;
  }
  Clock all;
  for (int p = 0; p < pipe_count; ++p) all.join(end_of(p));
  for (auto& state : pipes) state.clock = all;
  ++counters.pipes[PIPE_S].waits;
}

void Core::finish() {
  if (!deferred_error.empty()) throw Violation(deferred_error);
  for (int kind = 0; kind < 64; ++kind) {
    for (int id = 0; id < event_ids; ++id) {
      const Flag& flag = flags[kind][id];
      if (!flag.is_set) continue;
      fail("kernel end", flag.site,
           event_name(kind) + " id " + std::to_string(id) +
               " is still set: it would break the next kernel on this core");
    }
  }
  if (mask.counts)
    fail("kernel end", Site("kernel", 0), "counter mode left on: SetMaskNorm missing");
  if (adds_atomically) fail("kernel end", Site("kernel", 0), "atomic add left on: SetAtomicNone");
}

}  // namespace emulator
