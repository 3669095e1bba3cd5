// The entry of the emulator's library: checks, tiling, launch, report.
#include <cstring>

#include "check.h"
#include "launch.h"
#include "workspace.h"

extern "C" void flash_forward_fp16(GM_ADDR q, GM_ADDR k, GM_ADDR v, GM_ADDR out, GM_ADDR lse,
                                   GM_ADDR softmax_max, GM_ADDR softmax_sum, GM_ADDR staircase,
                                   GM_ADDR workspace, flash::ForwardTiling tiling);
extern "C" void flash_forward_bf16(GM_ADDR q, GM_ADDR k, GM_ADDR v, GM_ADDR out, GM_ADDR lse,
                                   GM_ADDR softmax_max, GM_ADDR softmax_sum, GM_ADDR staircase,
                                   GM_ADDR workspace, flash::ForwardTiling tiling);

namespace flash {
namespace {

using emulator::GmKind;
using emulator::GmTensor;

const std::vector<uint8_t>& staircase() {
  static const std::vector<uint8_t> bits = [] {
    std::vector<uint8_t> rows(static_cast<size_t>(staircase_rows * staircase_row_bytes), 0);
    for (int64_t row = 0; row < staircase_rows; ++row) {
      for (int64_t column = 0; column < min_of(row - block_k, block_k); ++column) {
        rows[static_cast<size_t>(row * staircase_row_bytes + column / 8)] |=
            static_cast<uint8_t>(1 << (column % 8));
      }
    }
    return rows;
  }();
  return bits;
}

// Inputs that share memory (k and v in one tensor, say) are one tensor to the emulator.
std::vector<Range> merged(const Range (&inputs)[3]) {
  std::vector<Range> all;
  for (Range input : inputs) {
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

GmTensor registered(const Range& range, GmKind kind) {
  return GmTensor{range.name.c_str(), const_cast<uint8_t*>(range.begin), range.bytes, kind};
}

emulator::Options options_of(const NpuEmulation& e) {
  emulator::Options options;
  options.checked = e.checked != 0;
  options.auto_sync = e.auto_sync != 0;
  options.deterministic = true;
  options.saturate = e.keeps_inf_nan == 0;
  if (e.mmad_order < NPU_MMAD_SEQUENTIAL || e.mmad_order > NPU_MMAD_EXACT) {
    refuse("mmad_order", std::to_string(e.mmad_order) + " is not one of 0, 1, 2");
  }
  options.mmad_order = static_cast<emulator::MmadOrder>(e.mmad_order);
  options.exp_ulps = e.exp_ulps;
  options.adversarial = e.adversarial != 0;
  options.seed = e.seed;
  options.host_threads = std::max(e.threads, 1);
  return options;
}

emulator::Report launch(const NpuForward& f, const ForwardTiling& tiling, const Tensors& tensors) {
  const std::vector<Range> inputs = merged(tensors.inputs);
  std::vector<GmTensor> all;
  for (const Range& input : inputs) all.push_back(registered(input, GmKind::input));
  for (const Range& output : tensors.outputs) all.push_back(registered(output, GmKind::output));
  // Between the rows of a strided out lies what is not ours.
  const int64_t values = f.batch * f.seqlen_q * f.heads_q * f.head_dim;
  GmTensor& out = all[inputs.size()];
  if (out.bytes != values * value_bytes) out.kind = GmKind::in_out;
  all.push_back(registered(tensors.workspace, GmKind::workspace));
  auto* steps = const_cast<uint8_t*>(staircase().data());
  all.push_back(GmTensor{"staircase", steps, staircase_rows * staircase_row_bytes, GmKind::input});

  const auto gm = [](void* data) { return static_cast<uint8_t*>(data); };
  const auto kernel = f.format == NPU_FP16 ? flash_forward_fp16 : flash_forward_bf16;
  return emulator::launch(options_of(f.emulation), emulator::KernelType::mix_aic_1_2,
                          static_cast<int>(tiling.groups), all, [&] {
                            kernel(gm(f.q.data), gm(f.k.data), gm(f.v.data), gm(f.out.data),
                                   gm(f.lse), gm(f.softmax_max), gm(f.softmax_sum), steps,
                                   gm(f.workspace), tiling);
                          });
}

// --- What goes back ---

void write_text(NpuForward& f, const std::string& text) {
  if (f.text == nullptr || f.text_bytes <= 0) return;
  const size_t bytes = std::min(text.size(), static_cast<size_t>(f.text_bytes - 1));
  std::memcpy(f.text, text.data(), bytes);
  f.text[bytes] = '\0';
}

std::string text_of(const emulator::Report& report) {
  if (!report.ok) return report.error;
  std::string text;
  for (const std::string& warning : report.warnings) text += "warning: " + warning + "\n";
  for (const std::string& note : report.notes) text += "note: " + note + "\n";
  return text;
}

void write_counters(NpuForward& f, const emulator::Report& report) {
  f.counters_count = static_cast<int64_t>(report.counters.size());
  const int64_t room = f.counters == nullptr ? 0 : f.counters_capacity;
  for (int64_t i = 0; i < min_of(f.counters_count, room); ++i) {
    const emulator::CoreCounters& from = report.counters[static_cast<size_t>(i)];
    NpuCounters& to = f.counters[i];
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

// Runs `body` where it may refuse; nothing is thrown across the border.
template <typename Body>
int32_t guarded(NpuForward* f, const Body& body) {
  if (f == nullptr || f->struct_bytes != sizeof(NpuForward)) return NPU_BAD_ARGUMENT;
  write_text(*f, "");
  try {
    return body();
  } catch (const Refusal& refusal) {
    write_text(*f, refusal.text);
    return refusal.code;
  } catch (const std::exception& error) {
    write_text(*f, error.what());
    return NPU_CHECK_FAILED;
  }
}

}  // namespace
}  // namespace flash

static_assert(sizeof(NpuCounters::instructions) == emulator::pipe_count * sizeof(uint64_t),
              "pipes");
static_assert(sizeof(NpuCounters::bytes) == emulator::path_count * sizeof(uint64_t), "paths");

uint64_t npu_forward_struct_bytes() {
  return sizeof(NpuForward);
}

int64_t npu_flash_forward_workspace(NpuForward* forward) {
  int64_t bytes = 0;
  const int32_t code = flash::guarded(forward, [&] {
    flash::check_shapes(*forward);
    bytes = flash::workspace_bytes(*forward);
    return NPU_OK;
  });
  return code == NPU_OK ? bytes : -1;
}

int32_t npu_flash_forward(NpuForward* forward) {
  return flash::guarded(forward, [&]() -> int32_t {
    NpuForward& f = *forward;
    f.counters_count = 0;
    flash::check_shapes(f);
    const flash::Tensors tensors = flash::check_tensors(f, flash::workspace_bytes(f));
    flash::ForwardTiling tiling = flash::tiling_of(f);
    flash::split_work(tiling, f.groups);
    if (tiling.groups == 0) return NPU_OK;  // no query, no work
    const emulator::Report report = flash::launch(f, tiling, tensors);
    flash::write_text(f, flash::text_of(report));
    flash::write_counters(f, report);
    return report.ok ? NPU_OK : NPU_CHECK_FAILED;
  });
}
