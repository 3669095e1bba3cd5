#include "machine/group.h"

#include <thread>

#include "machine/adversary.h"
#include "machine/pool.h"

namespace emulator {

Group::Group(int index, int groups, KernelType type, const Options& options, GlobalMemory& gm)
    : index_(index), groups_(groups), type_(type), options_(options), gm_(gm), accesses_(gm) {
  const bool cube = type != KernelType::aiv_only;
  const int vectors = type == KernelType::mix_aic_1_2 ? 2 : (cube ? 0 : 1);
  for (int i = 0; i < cores_per_group; ++i) {
    const bool here = i == 0 ? cube : i <= vectors;
    cores_.push_back(here ? take_core(*this, i) : nullptr);
  }
  if (!options.adversarial) return;
  adversary_ =
      std::make_unique<Adversary>(options.seed * 0x100000001B3u + static_cast<uint64_t>(index));
}

Group::~Group() = default;

std::string Group::run(const std::function<void()>& kernel) {
  for (int i = 0; i < cores_per_group; ++i) {
    if (cores_[static_cast<size_t>(i)]) runners_[i].state = State::ready;
  }
  baton_ = next_after(cores_per_group - 1);
  std::vector<std::thread> threads;
  for (int i = 0; i < cores_per_group; ++i) {
    if (cores_[static_cast<size_t>(i)]) threads.emplace_back([&, i] { run_core(i, kernel); });
  }
  for (auto& thread : threads) thread.join();
  return error_;
}

void Group::run_core(int i, const std::function<void()>& kernel) {
  {
    std::unique_lock<std::mutex> lock(mutex_);
    baton_moved_.wait(lock, [&] { return baton_ == i; });
  }
  std::string error;
  if (!failed_) {
    set_this_core(&core(i));
    try {
      kernel();
      core(i).finish();
    } catch (const Violation& violation) {
      error = violation.what();
    } catch (const Stopped&) {
    } catch (const std::exception& other) {
      error = core(i).name() + ": " + other.what();
    }
    set_this_core(nullptr);
  }
  std::unique_lock<std::mutex> lock(mutex_);
  runners_[i].state = State::finished;
  if (!error.empty() && !failed_) {
    failed_ = true;
    error_ = error;
  }
  if (!failed_) {
    bool all_done = true;
    for (const Runner& runner : runners_) all_done = all_done && runner.state == State::finished;
    try {
      if (all_done && adversary_) adversary_->end_all();
      if (all_done) check_counters();
    } catch (const Violation& violation) {
      failed_ = true;
      error_ = violation.what();
    }
  }
  pass_baton(i, lock);
}

bool Group::can_run(int i) const {
  const Runner& runner = runners_[i];
  if (runner.state == State::finished) return false;
  if (failed_ || runner.state == State::ready) return true;
  return !counters_[i][runner.waits_for].pending.empty();
}

int Group::next_after(int i) {
  std::vector<int> able;
  for (int step = 1; step <= cores_per_group; ++step) {
    const int next = (i + step) % cores_per_group;
    if (can_run(next)) able.push_back(next);
  }
  if (able.empty()) return -1;
  const int chosen = adversary_ ? adversary_->choose(static_cast<int>(able.size())) : 0;
  return able[static_cast<size_t>(chosen)];
}

void Group::pass_baton(int from, std::unique_lock<std::mutex>& lock) {
  int next = next_after(from);
  if (next < 0) {
    bool anyone_blocked = false;
    for (const Runner& r : runners_) anyone_blocked = anyone_blocked || r.state == State::blocked;
    if (!anyone_blocked) return;
    failed_ = true;
    error_ = "deadlock in group " + std::to_string(index_) + ":\n" + wait_graph();
    next = next_after(from);
  }
  baton_ = next;
  baton_moved_.notify_all();
  if (runners_[from].state == State::finished) return;
  baton_moved_.wait(lock, [&] { return baton_ == from; });
}

std::string Group::wait_graph() const {
  std::string text;
  for (int i = 0; i < cores_per_group; ++i) {
    if (!cores_[static_cast<size_t>(i)]) continue;
    const Runner& r = runners_[i];
    text += "  " + std::string(core_names[i]);
    if (r.state == State::finished) {
      text += " has finished\n";
      continue;
    }
    const std::string id = std::to_string(r.waits_for);
    text += " waits for flag " + id + " at " + to_string(r.site);
    for (int aiv = 1; aiv < cores_per_group; ++aiv) {
      if (i == 0 && !unmatched_[aiv][r.waits_for].empty()) {
        text += ", which " + std::string(core_names[aiv]) + " has set at " +
                to_string(unmatched_[aiv][r.waits_for].front().site) + " and the other AIV has not";
      }
    }
    text += i == 0 ? " (set by both AIVs)\n" : " (set by the AIC, or in mode 1 by both AIVs)\n";
  }
  return text;
}

void Group::check_mode(const Core& core, int mode, pipe_t pipe, int id, Site site) {
  const char* call = "CrossCoreSetFlag";
  if (type_ != KernelType::mix_aic_1_2) core.fail(call, site, "needs KERNEL_TYPE_MIX_AIC_1_2");
  if (id < 0 || id >= cross_core_ids) core.fail(call, site, "flagId is above 15");
  if (id >= sync_all_first_flag && id <= sync_all_last_flag) {
    core.fail(call, site, "flags 11..14 belong to SyncAll");
  }
  if (mode != 1 && mode != 2) {
    core.fail(call, site,
              mode == 0 ? "mode 0 orders groups, which the emulator runs one by one: "
                          "use two launches"
                        : "modes are 0, 1 and 2 on this chip");
  }
  if (mode == 1 && core.is_cube()) core.fail(call, site, "mode 1 is for the two AIVs");
  if (pipe == PIPE_S || pipe == PIPE_ALL || !core_has(core.is_cube(), pipe)) {
    core.fail(call, site, std::string(pipe_names[pipe]) + " cannot set a flag on this core");
  }
  IdUse& use = uses_[id];
  if (use.mode >= 0 && use.mode != mode) {
    core.fail(call, site,
              "flag " + std::to_string(id) + " was used in another mode at " + to_string(use.site));
  }
  pipe_t& known = use.pipe[core.index];
  if (known != PIPE_ALL && known != pipe) {
    core.fail(call, site,
              "flag " + std::to_string(id) + " was set from " + pipe_names[known] + " at " +
                  to_string(use.site) + "; sets from two pipes have no order, use two ids");
  }
  use.mode = mode;
  known = pipe;
  use.site = site;
}

void Group::raise(int to, int id, const Clock& clock, const Core& by, Site site) {
  auto& pending = counters_[to][id].pending;
  pending.push_back(CrossCounter::Set{clock, site});
  if (static_cast<int>(pending.size()) > cross_core_limit) {
    by.fail("CrossCoreSetFlag", site,
            "flag " + std::to_string(id) + " of " + core_names[to] +
                " would count to 16; first set that nobody waited for: " +
                to_string(pending.front().site));
  }
}

void Group::cross_set(Core& core, int mode, pipe_t pipe, int id, Site site) {
  check_mode(core, mode, pipe, id, site);
  const Clock clock = core.end_of(pipe);
  ++core.counters.pipes[pipe].instructions;
  if (core.is_cube()) {
    raise(1, id, clock, core, site);
    raise(2, id, clock, core, site);
    return;
  }
  const int other = 3 - core.index;
  auto& mine = unmatched_[core.index][id];
  auto& theirs = unmatched_[other][id];
  if (theirs.empty()) {
    mine.push_back(CrossCounter::Set{clock, site});
    if (static_cast<int>(mine.size()) > cross_core_limit) {
      core.fail("CrossCoreSetFlag", site,
                "flag " + std::to_string(id) + " set 16 times while the other AIV has not");
    }
    return;
  }
  Clock both = theirs.front().clock;
  theirs.pop_front();
  both.join(clock);
  if (mode == 2) {
    raise(0, id, both, core, site);
  } else {
    raise(1, id, both, core, site);
    raise(2, id, both, core, site);
  }
}

void Group::cross_wait(Core& core, int id, Site site) {
  if (type_ != KernelType::mix_aic_1_2) {
    core.fail("CrossCoreWaitFlag", site, "needs KERNEL_TYPE_MIX_AIC_1_2");
  }
  if (id < 0 || id >= cross_core_ids) core.fail("CrossCoreWaitFlag", site, "flagId is above 15");
  auto& pending = counters_[core.index][id].pending;
  if (pending.empty()) {
    std::unique_lock<std::mutex> lock(mutex_);
    runners_[core.index].state = State::blocked;
    runners_[core.index].waits_for = id;
    runners_[core.index].site = site;
    pass_baton(core.index, lock);
    runners_[core.index].state = State::ready;
    if (failed_) throw Stopped{};
  }
  for (auto& pipe : core.pipes) pipe.clock.join(pending.front().clock);
  pending.pop_front();
  ++core.counters.pipes[PIPE_S].waits;
}

void Group::check_counters() const {
  for (int i = 0; i < cores_per_group; ++i) {
    for (int id = 0; id < cross_core_ids; ++id) {
      const auto& pending = counters_[i][id].pending;
      const auto& unmatched = unmatched_[i][id];
      if (pending.empty() && unmatched.empty()) continue;
      const Site site = pending.empty() ? unmatched.front().site : pending.front().site;
      const std::string what = "flag " + std::to_string(id) +
                               (pending.empty() ? " set by " : " of ") + core_names[i] +
                               " of group " + std::to_string(index_);
      throw Violation(to_string(site) + ": kernel end: " + what +
                      (pending.empty() ? " was never set by the other AIV"
                                       : " is still set: nobody waits for it"));
    }
  }
}

}  // namespace emulator
