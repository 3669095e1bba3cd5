#include "machine/launch.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <numeric>
#include <thread>

#include "machine/adversary.h"
#include "machine/group.h"
#include "machine/pool.h"

namespace emulator {
namespace {

std::mutex pool_mutex;
std::vector<std::unique_ptr<Core>> pool;

// Bits must not depend on the machine; a compiler that fuses a * b + c makes them.
bool contracts() {
  volatile float a = 1.0f + 0x1p-12f;
  volatile float c = -(1.0f + 0x1p-11f);
  return a * a + c != 0.0f;
}

// Groups have no order: in adversarial mode any of them is as good.
std::vector<int> order_of_groups(const Options& options, int blocks) {
  std::vector<int> order(static_cast<size_t>(blocks));
  std::iota(order.begin(), order.end(), 0);
  if (!options.adversarial) return order;
  Dice dice(options.seed);
  for (int i = blocks - 1; i > 0; --i) {
    std::swap(order[static_cast<size_t>(i)], order[static_cast<size_t>(dice.roll(i + 1))]);
  }
  return order;
}

}  // namespace

std::unique_ptr<Core> take_core(Group& group, int index) {
  std::unique_ptr<Core> found;
  {
    const std::lock_guard<std::mutex> lock(pool_mutex);
    for (auto& core : pool) {
      if (core->is_cube() != (index == 0)) continue;
      found = std::move(core);
      std::swap(core, pool.back());
      pool.pop_back();
      break;
    }
  }
  if (!found) return std::make_unique<Core>(group, index);
  found->start(group, index);
  return found;
}

void give_core(std::unique_ptr<Core> core) {
  const std::lock_guard<std::mutex> lock(pool_mutex);
  pool.push_back(std::move(core));
}

Report launch(const Options& options, KernelType type, int blocks,
              const std::vector<GmTensor>& tensors, const std::function<void()>& kernel) {
  Report report;
  if (contracts()) {
    report.ok = false;
    report.error = "the emulator was compiled with contraction: add -ffp-contract=off";
    return report;
  }
  try {
    if (blocks < 1) throw Violation("launch: the number of blocks must be at least 1");
    GlobalMemory gm(tensors, options.checked);
    struct Outcome {
      std::string error;
      std::vector<std::string> warnings, notes;
      std::vector<CoreCounters> counters;
      std::unique_ptr<GroupGm> accesses;
    };
    std::vector<Outcome> outcomes(static_cast<size_t>(blocks));
    const std::vector<int> order = order_of_groups(options, blocks);
    std::atomic<int> next{0};
    const auto work = [&] {
      for (int turn = next++; turn < blocks; turn = next++) {
        const int i = order[static_cast<size_t>(turn)];
        Group group(i, blocks, type, options, gm);
        Outcome& outcome = outcomes[static_cast<size_t>(i)];
        outcome.error = group.run(kernel);
        outcome.warnings = std::move(group.warnings);
        outcome.notes = std::move(group.notes);
        outcome.accesses = std::make_unique<GroupGm>(std::move(group.accesses()));
        for (int c = 0; c < cores_per_group; ++c) {
          if (!group.has_core(c)) continue;
          outcome.counters.push_back(group.core(c).counters);
          give_core(group.release_core(c));
        }
        if (!outcome.error.empty()) next = blocks;
      }
    };
    std::vector<std::thread> threads;
    // one seed, one order: nothing is left to the machine then
    const int threads_asked = options.adversarial ? 1 : std::max(options.host_threads, 1);
    const int side_by_side = std::min(threads_asked, blocks);
    for (int i = 1; i < side_by_side; ++i) threads.emplace_back(work);
    work();
    for (auto& thread : threads) thread.join();

    const auto append = [](std::vector<std::string>& all, const std::vector<std::string>& more) {
      for (const auto& text : more) {
        if (std::find(all.begin(), all.end(), text) == all.end()) all.push_back(text);
      }
    };
    for (int i = 0; i < blocks; ++i) {
      Outcome& outcome = outcomes[static_cast<size_t>(i)];
      if (report.error.empty()) report.error = outcome.error;
      append(report.warnings, outcome.warnings);
      append(report.notes, outcome.notes);
      for (const auto& counters : outcome.counters) report.counters.push_back(counters);
      if (!options.checked || !report.error.empty() || !outcome.accesses) continue;
      std::vector<std::string> warnings;
      report.error = outcome.accesses->join(i, warnings);
      append(report.warnings, warnings);
      if (options.deterministic && report.error.empty() && !warnings.empty()) {
        report.error = warnings.front();
      }
    }
  } catch (const Violation& violation) {
    report.error = violation.what();
  }
  report.ok = report.error.empty();
  return report;
}

}  // namespace emulator
