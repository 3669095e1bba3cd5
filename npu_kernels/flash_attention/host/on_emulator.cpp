// Launches on the emulator: which memory kernels may touch, how they run, what is reported. It lies
// with our kernel, not with the emulator, which also runs kernels of others.
#include "kernel_operator.h"

#include "host/call.h"
#include "host/launches.h"
#include "machine/launch.h"

#define DECLARE(name, cores) extern "C" void flash_##name(GM_ADDR arguments);
FLASH_KERNELS(DECLARE)
#undef DECLARE

namespace flash {
namespace {

struct Entry {
  emulator::KernelType type;
  void (*run)(GM_ADDR arguments);
};
constexpr auto mixed = emulator::KernelType::mix_aic_1_2;
constexpr auto vector_only = emulator::KernelType::aiv_only;
#define ENTRY(name, cores) Entry{cores, flash_##name},
constexpr Entry entries[] = {FLASH_KERNELS(ENTRY)};
#undef ENTRY

// Inputs that share memory (k and v in one tensor, say) are one tensor to the emulator.
std::vector<Range> merged(const std::vector<Range>& inputs) {
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

emulator::Options options_of(const NpuEmulation& e) {
  emulator::Options options;
  options.checked = e.checked != 0;
  options.auto_sync = e.auto_sync != 0;
  options.deterministic = true;
  options.saturate = e.keeps_inf_nan == 0;
  if (e.mmad_order < NPU_MMAD_SEQUENTIAL || e.mmad_order > NPU_MMAD_EXACT) {
    refuse("mmad_order", text_of(e.mmad_order) + " is not one of 0, 1, 2");
  }
  options.mmad_order = static_cast<emulator::MmadOrder>(e.mmad_order);
  options.mmad_truncates = e.truncates != 0;
  options.exp_ulps = e.exp_ulps;
  options.ln_ulps = e.ln_ulps;
  options.random_padding = e.random_padding != 0;
  options.adversarial = e.adversarial != 0;
  options.seed = e.seed;
  options.host_threads = std::max(e.threads, 1);
  return options;
}

void count(const emulator::Report& report, NpuLaunch& launch) {
  static_assert(sizeof(NpuCounters::instructions) == emulator::pipe_count * sizeof(uint64_t),
                "pipes");
  static_assert(sizeof(NpuCounters::bytes) == emulator::path_count * sizeof(uint64_t), "paths");
  const int64_t room = launch.counters == nullptr ? 0 : launch.counters_capacity;
  for (const emulator::CoreCounters& from : report.counters) {
    const int64_t at = launch.counters_count++;
    if (at >= room) continue;
    NpuCounters& to = launch.counters[at];
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

emulator::GmTensor tensor_of(const Range& range, emulator::GmKind kind) {
  return {range.name.c_str(), const_cast<uint8_t*>(range.begin), range.bytes, kind};
}

}  // namespace

struct Launches::Target {
  NpuLaunch& launch;
  emulator::Options options;
  std::vector<Range> tables;
  std::string remarks;
};

Launches::Launches(NpuLaunch& to) : target_(new Target{to, options_of(to.emulation), {}, {}}) {}

Launches::~Launches() = default;

Address Launches::add_table(const std::vector<uint8_t>& bytes) {
  const auto size = static_cast<int64_t>(bytes.size());
  target_->tables.push_back(range_from("tables", bytes.data(), size));
  return address_of(bytes.data());
}

void Launches::launch(Kernel kernel, int64_t blocks, const Memory& memory, const Bytes& arguments) {
  std::vector<Range> inputs = merged(memory.inputs);
  inputs.insert(inputs.end(), target_->tables.begin(), target_->tables.end());
  inputs.push_back(range_from("arguments", arguments.data, arguments.size));
  std::vector<emulator::GmTensor> tensors;
  for (const Range& input : inputs) tensors.push_back(tensor_of(input, emulator::GmKind::input));
  for (const Range& output : memory.outputs) {
    // What lies between the rows of a strided tensor is not ours.
    const auto kind = output.has_gaps ? emulator::GmKind::in_out : emulator::GmKind::output;
    tensors.push_back(tensor_of(output, kind));
  }
  tensors.push_back(tensor_of(memory.workspace, emulator::GmKind::workspace));

  const Entry& entry = entries[static_cast<size_t>(kernel)];
  auto* at = static_cast<uint8_t*>(const_cast<void*>(arguments.data));
  const auto report = emulator::launch(target_->options, entry.type, static_cast<int>(blocks),
                                       tensors, [&] { entry.run(at); });
  count(report, target_->launch);
  if (!report.ok) throw Refusal{NPU_CHECK_FAILED, report.error};
  for (const std::string& one : report.warnings) target_->remarks += "warning: " + one + "\n";
  for (const std::string& one : report.notes) target_->remarks += "note: " + one + "\n";
  write_text(target_->launch, target_->remarks);
}

}  // namespace flash
