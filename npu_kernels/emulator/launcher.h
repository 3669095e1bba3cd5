// Launches on the emulator: which memory they may touch, how they run, what is said of them. The
// device has a file of this name, too; a host file takes the one that its build names first.
#pragma once

#include <functional>

#include "host/call.h"
#include "host/ranges.h"
#include "kernel_operator.h"
#include "machine/launch.h"

namespace flash {

// Inputs that share memory (k and v in one tensor, say) are one tensor to the emulator.
inline std::vector<Range> merged(const std::vector<Range>& inputs) {
  std::vector<Range> all;
  for (Range input : inputs) {
    if (input.bytes == 0 && input.begin == nullptr) continue;
    for (auto other = all.begin(); other != all.end();) {
      if (!overlap(*other, input)) {
        ++other;
        continue;
      }
      const uint8_t* end = std::max(other->begin + other->bytes, input.begin + input.bytes);
      input.begin = std::min(other->begin, input.begin);
      input.bytes = end - input.begin;
      input.name = other->name + " and " + input.name;
      other = all.erase(other);
    }
    all.push_back(input);
  }
  return all;
}

inline emulator::Options options_of(const NpuEmulation& e) {
  emulator::Options options;
  options.checked = e.checked != 0;
  options.auto_sync = e.auto_sync != 0;
  options.deterministic = true;
  options.saturate = e.keeps_inf_nan == 0;
  if (e.mmad_order < NPU_MMAD_SEQUENTIAL || e.mmad_order > NPU_MMAD_EXACT) {
    refuse("mmad_order", text_of(e.mmad_order) + " is not one of 0, 1, 2");
  }
  options.mmad_order = static_cast<emulator::MmadOrder>(e.mmad_order);
  options.exp_ulps = e.exp_ulps;
  options.adversarial = e.adversarial != 0;
  options.seed = e.seed;
  options.host_threads = std::max(e.threads, 1);
  return options;
}

// The launches of one call, in order. The first that fails ends it.
class Launches {
 public:
  static constexpr auto mixed = emulator::KernelType::mix_aic_1_2;
  static constexpr auto vector_only = emulator::KernelType::aiv_only;

  explicit Launches(NpuLaunch& to) : to_(to), options_(options_of(to.emulation)) {}

  void run(emulator::KernelType type, int64_t blocks, const Memory& memory,
           const std::function<void()>& kernel) {
    std::vector<Range> inputs = merged(memory.inputs);
    inputs.insert(inputs.end(), memory.tables.begin(), memory.tables.end());
    std::vector<emulator::GmTensor> tensors;
    const auto add = [&](const Range& range, emulator::GmKind kind) {
      auto* begin = const_cast<uint8_t*>(range.begin);
      tensors.push_back(emulator::GmTensor{range.name.c_str(), begin, range.bytes, kind});
    };
    for (const Range& input : inputs) add(input, emulator::GmKind::input);
    for (const Range& output : memory.outputs) {
      // What lies between the rows of a strided tensor is not ours.
      add(output, output.has_gaps ? emulator::GmKind::in_out : emulator::GmKind::output);
    }
    add(memory.workspace, emulator::GmKind::workspace);
    const auto report = emulator::launch(options_, type, static_cast<int>(blocks), tensors, kernel);
    count(report);
    if (!report.ok) throw Refusal{NPU_CHECK_FAILED, report.error};
    for (const std::string& warning : report.warnings) said_ += "warning: " + warning + "\n";
    for (const std::string& note : report.notes) said_ += "note: " + note + "\n";
    write_text(to_, said_);
  }

 private:
  void count(const emulator::Report& report) {
    static_assert(sizeof(NpuCounters::instructions) == emulator::pipe_count * sizeof(uint64_t),
                  "pipes");
    static_assert(sizeof(NpuCounters::bytes) == emulator::path_count * sizeof(uint64_t), "paths");
    const int64_t room = to_.counters == nullptr ? 0 : to_.counters_capacity;
    for (const emulator::CoreCounters& from : report.counters) {
      const int64_t at = to_.counters_count++;
      if (at >= room) continue;
      NpuCounters& to = to_.counters[at];
      to.group = from.group;
      to.core = from.core;
      for (int pipe = 0; pipe < emulator::pipe_count; ++pipe) {
        to.instructions[pipe] = from.pipes[pipe].instructions;
        to.repeats[pipe] = from.pipes[pipe].repeats;
        to.macs[pipe] = from.pipes[pipe].macs;
        to.waits[pipe] = from.pipes[pipe].waits;
      }
      for (int path = 0; path < emulator::path_count; ++path) to.bytes[path] = from.bytes[path];
    }
  }

  NpuLaunch& to_;
  emulator::Options options_;
  std::string said_;
};

}  // namespace flash
