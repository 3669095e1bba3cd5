// The forward as abi.h asks it, on the emulator or on a device: checks, tiling, launch.
#include "host/split.h"
#include "host/tables.h"
#include "host/tiling.h"
#include "launcher.h"

namespace flash {

// q, k, v, bias, slopes, sink, keep, dropout; out, lse, softmax_max, softmax_sum; tables,
// workspace.
using ForwardKernel = void(GM_ADDR, GM_ADDR, GM_ADDR, GM_ADDR, GM_ADDR, GM_ADDR, GM_ADDR, GM_ADDR,
                           GM_ADDR, GM_ADDR, GM_ADDR, GM_ADDR, GM_ADDR, GM_ADDR, Tiling);

}  // namespace flash

extern "C" flash::ForwardKernel flash_forward_fp16;
extern "C" flash::ForwardKernel flash_forward_bf16;

namespace flash {
namespace {

void check_forward(const NpuForward& f) {
  check_problem(f.problem);
  check_groups(f.launch.groups);
}

int64_t workspace_bytes(const NpuForward& f) {
  return task_count(f.problem, f.launch.groups) * group_workspace_bytes(f.problem.head_dim_v);
}

Memory memory_of(const NpuForward& f) {
  const NpuProblem& p = f.problem;
  Memory memory{problem_ranges(p), {}, {}, {}};
  memory.outputs.push_back(written_rows_range("out", f.out, rows_of_queries(p, p.head_dim_v)));
  memory.outputs.push_back(statistics_range("lse", f.lse, p));
  memory.outputs.push_back(statistics_range("softmax_max", f.softmax_max, p));
  memory.outputs.push_back(statistics_range("softmax_sum", f.softmax_sum, p));
  memory.workspace = workspace_range(f.launch, workspace_bytes(f));
  check_apart(memory);
  return memory;
}

void run(NpuForward& f, Memory memory) {
  const NpuProblem& p = f.problem;
  const std::vector<Sequence> sequences = sequences_of(p);
  Tiling tiling = tiling_of(p);
  tiling.out = strides_of(f.out);
  split_work(tiling, query_costs(tiling, sequences), p.heads_q, f.launch.groups);

  const std::vector<uint8_t> tables = tables_of(sequences);
  memory.tables.push_back(range_from("tables", tables.data(), static_cast<int64_t>(tables.size())));
  const auto gm = [](const void* data) { return static_cast<uint8_t*>(const_cast<void*>(data)); };
  const auto kernel = p.format == NPU_FP16 ? flash_forward_fp16 : flash_forward_bf16;
  Launches(f.launch).run(Launches::mixed, tiling.groups, memory, [&] {
    kernel(gm(p.q.data), gm(p.k.data), gm(p.v.data), gm(p.bias.data), gm(p.slopes), gm(p.sink),
           gm(p.keep.data), gm(p.dropout.data), gm(f.out.data), gm(f.lse), gm(f.softmax_max),
           gm(f.softmax_sum), gm(tables.data()), gm(f.launch.workspace), tiling);
  });
}

}  // namespace
}  // namespace flash

uint64_t npu_struct_bytes(int32_t which) {
  const uint64_t bytes[] = {sizeof(NpuForward), sizeof(NpuBackward), sizeof(NpuDropoutMask)};
  return which >= 0 && which < 3 ? bytes[which] : 0;
}

int64_t npu_flash_forward_workspace(NpuForward* forward) {
  return flash::answered_bytes(forward, [&] {
    flash::check_forward(*forward);
    return flash::workspace_bytes(*forward);
  });
}

int32_t npu_flash_forward(NpuForward* forward) {
  return flash::answered(forward, [&] {
    forward->launch.counters_count = 0;
    flash::check_forward(*forward);
    flash::Memory memory = flash::memory_of(*forward);
    if (flash::task_count(forward->problem, 1) == 0) return;  // no query, no work
    flash::run(*forward, std::move(memory));
  });
}
