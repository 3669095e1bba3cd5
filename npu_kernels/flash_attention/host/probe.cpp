// A probe as abi.h asks for it, on the emulator or on a device.
#include "host/call.h"
#include "host/check.h"
#include "host/launches.h"
#include "probe/problem.h"

namespace flash {
namespace {

Probe operation_of(const NpuProbe& p) {
  return static_cast<Probe>(p.operation);
}

bool is_of_values(const NpuProbe& p) {
  return p.operation <= static_cast<int64_t>(Probe::padded_rows);
}

void check_probe(const NpuProbe& p) {
  if (p.operation < NPU_PROBE_FIRST || p.operation > NPU_PROBE_LAST) {
    refuse("operation", text_of(p.operation) + " is none of 0 to " + text_of(NPU_PROBE_LAST));
  }
  const bool is_product = operation_of(p) == Probe::product;
  const int64_t most = is_product ? chunk : is_of_values(p) ? probe_values : longest;
  const int64_t unit = is_product || is_of_values(p) ? fractal : 1;
  if (p.count <= 0 || p.count > most || p.count % unit != 0) {
    refuse("count",
           text_of(p.count) + " is no multiple of " + text_of(unit) + " up to " + text_of(most));
  }
}

// Bytes of x, of y, and of what comes out.
struct ProbeBytes {
  int64_t x;
  int64_t y;
  int64_t out;
};

ProbeBytes bytes_of(const NpuProbe& p) {
  switch (operation_of(p)) {
    case Probe::hand_overs:
      return {0, 0, 0};
    case Probe::copies:
      return {block_bytes, 0, block_bytes};
    case Probe::product: {
      const int64_t operand = fractal * p.count * value_bytes;
      return {operand, operand, fractal * fractal * float_bytes};
    }
    case Probe::padded_rows:
      return {p.count * float_bytes, 0, p.count / padded_row * block_bytes};
    case Probe::to_half:
    case Probe::to_bf16:
      return {p.count * float_bytes, 0, p.count * value_bytes};
    default:
      return {p.count * float_bytes, 0, p.count * float_bytes};
  }
}

void check_room(const char* name, int64_t bytes, int64_t needed) {
  if (bytes >= needed) return;
  refuse(name, "of " + text_of(bytes) + " B is too small, needs " + text_of(needed) + " B");
}

void run(NpuProbe& p) {
  const ProbeBytes bytes = bytes_of(p);
  check_room("x", p.x_bytes, bytes.x);
  check_room("y", p.y_bytes, bytes.y);
  check_room("out", p.out_bytes, bytes.out);
  Memory memory{{}, {}, workspace_range(p.launch, 0)};
  if (bytes.x > 0) memory.inputs.push_back(range_from("x", p.x, bytes.x));
  if (bytes.y > 0) memory.inputs.push_back(range_from("y", p.y, bytes.y));
  if (bytes.out > 0) memory.outputs.push_back(range_from("out", p.out, bytes.out));
  const bool is_of_a_group = p.operation >= NPU_PROBE_PRODUCT;
  const ProbeArguments arguments{p.operation, p.count, address_of(p.x), address_of(p.y),
                                 address_of(p.out)};
  Launches(p.launch).run(is_of_a_group ? Kernel::probe_cube : Kernel::probe_vector, 1, memory,
                         arguments);
}

}  // namespace
}  // namespace flash

int64_t npu_probe_workspace(NpuProbe* probe) {
  return flash::answered_bytes(probe, [&] {
    flash::check_probe(*probe);
    return int64_t{0};
  });
}

int32_t npu_probe(NpuProbe* probe) {
  return flash::answered(probe, [&] {
    probe->launch.counters_count = 0;
    flash::check_probe(*probe);
    flash::run(*probe);
  });
}
