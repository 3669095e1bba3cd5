// The cores of one group, one at a time: a baton passes where a core has to wait for another.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "machine/core.h"

namespace emulator {

class Adversary;

// Sets that were raised for a core and not yet waited for, oldest first.
struct CrossCounter {
  struct Set {
    Clock clock;
    Site site;
  };
  std::deque<Set> pending;
};

class Group {
 public:
  Group(int index, int groups, KernelType type, const Options& options, GlobalMemory& gm);
  ~Group();

  // Runs the kernel once per core. Returns "" or the first error.
  std::string run(const std::function<void()>& kernel);

  // Mode 1: the two AIVs; mode 2: the AIC and both AIVs. Raised when all who must have set.
  void cross_set(Core& core, int mode, pipe_t pipe, int id, Site site);
  void cross_wait(Core& core, int id, Site site);

  int index() const { return index_; }
  int groups() const { return groups_; }
  KernelType type() const { return type_; }
  const Options& options() const { return options_; }
  GlobalMemory& gm() { return gm_; }
  GroupGm& accesses() { return accesses_; }
  Adversary* adversary() { return adversary_.get(); }  // null but in adversarial mode
  Core& core(int i) { return *cores_[static_cast<size_t>(i)]; }
  std::unique_ptr<Core> release_core(int i) { return std::move(cores_[static_cast<size_t>(i)]); }
  bool has_core(int i) const { return cores_[static_cast<size_t>(i)] != nullptr; }
  std::vector<std::string> warnings;
  std::vector<std::string> notes;

 private:
  enum class State : uint8_t { ready, blocked, finished };
  struct Runner {
    State state = State::finished;
    int waits_for = 0;  // id, if blocked
    Site site{"", 0};
  };
  void run_core(int i, const std::function<void()>& kernel);
  bool can_run(int i) const;
  int next_after(int i);  // -1: nobody
  void pass_baton(int from, std::unique_lock<std::mutex>& lock);
  std::string wait_graph() const;
  void check_mode(const Core& core, int mode, pipe_t pipe, int id, Site site);
  void raise(int to, int id, const Clock& clock, const Core& by, Site site);
  void check_counters() const;

  int index_;
  int groups_;
  KernelType type_;
  const Options& options_;
  GlobalMemory& gm_;
  GroupGm accesses_;
  std::vector<std::unique_ptr<Core>> cores_;
  std::unique_ptr<Adversary> adversary_;
  Runner runners_[cores_per_group];
  CrossCounter counters_[cores_per_group][cross_core_ids];
  // Sets by one AIV that the other has not matched yet.
  std::deque<CrossCounter::Set> unmatched_[cores_per_group][cross_core_ids];
  struct IdUse {
    int mode = -1;
    pipe_t pipe[cores_per_group] = {PIPE_ALL, PIPE_ALL, PIPE_ALL};
    Site site{"", 0};
  };
  IdUse uses_[cross_core_ids];

  std::mutex mutex_;
  std::condition_variable baton_moved_;
  int baton_ = 0;
  bool failed_ = false;
  std::string error_;
};

}  // namespace emulator
