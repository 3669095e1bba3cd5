// The forward as abi.h asks it, on the emulator or on a device: checks, tiling, launch.
#include "forward/arguments.h"
#include "host/call.h"
#include "host/launches.h"
#include "host/split.h"
#include "host/tables.h"
#include "host/tiling.h"

namespace flash {
namespace {

void check_forward(const NpuForward& f) {
  check_problem(f.problem);
  check_groups(f.launch.groups);
}

int64_t workspace_bytes(const NpuForward& f) {
  return task_count(f.problem, f.launch.groups) *
         group_workspace_bytes(f.problem.head_dim, f.problem.head_dim_v);
}

Memory memory_of(const NpuForward& f) {
  const NpuProblem& p = f.problem;
  Memory memory{problem_ranges(p), {}, {}};
  memory.outputs.push_back(written_rows_range("out", f.out, rows_of_queries(p, p.head_dim_v)));
  memory.outputs.push_back(statistics_range("lse", f.lse, p));
  memory.outputs.push_back(statistics_range("softmax_max", f.softmax_max, p));
  memory.outputs.push_back(statistics_range("softmax_sum", f.softmax_sum, p));
  memory.workspace = workspace_range(f.launch, workspace_bytes(f));
  check_apart(memory);
  return memory;
}

Addresses addresses_of(const NpuForward& f, Address tables) {
  const NpuProblem& p = f.problem;
  Addresses at{};
  at.q = address_of(p.q.data);
  at.k = address_of(p.k.data);
  at.v = address_of(p.v.data);
  at.bias = address_of(p.bias.data);
  at.slopes = address_of(p.slopes);
  at.sink = address_of(p.sink);
  at.keep = address_of(p.keep.data);
  at.dropout = address_of(p.dropout.data);
  at.out = address_of(f.out.data);
  at.lse = address_of(f.lse);
  at.softmax_max = address_of(f.softmax_max);
  at.softmax_sum = address_of(f.softmax_sum);
  at.tables = tables;
  at.workspace = address_of(f.launch.workspace);
  return at;
}

// Who does which tasks, and what the slowest group does.
struct Split {
  std::vector<Sequence> sequences;
  Tiling tiling;
  int64_t load;
};
Split split_into(const NpuForward& f, int64_t blocks) {
  Split split{sequences_of(f.problem, blocks), tiling_of(f.problem), 0};
  split.tiling.blocks = blocks;
  split.tiling.out = strides_of(f.out);
  const Costs costs = query_costs(split.tiling, split.sequences);
  split.load = split_work(split.tiling, costs, f.problem.heads_q, f.launch.groups);
  return split;
}
// Larger tasks load K and V less often, but are harder to spread. Bits do not depend on it: a block
// takes the same steps in either.
Split best_split(const NpuForward& f) {
  const int64_t most = most_blocks(f.problem.head_dim, f.problem.head_dim_v);
  Split small = split_into(f, 1);
  if (most == 1) return small;
  Split large = split_into(f, most);
  return large.load <= small.load + small.load / 8 ? large : small;
}

void run(NpuForward& f, const Memory& memory) {
  const NpuProblem& p = f.problem;
  const Split split = best_split(f);
  const Tiling& tiling = split.tiling;
  const std::vector<uint8_t> tables = tables_of(split.sequences);
  Launches launches(f.launch);
  const ForwardArguments arguments{addresses_of(f, launches.add_table(tables)), tiling};
  const Kernel kernel = p.format == NPU_FP16 ? Kernel::forward_fp16 : Kernel::forward_bf16;
  launches.run(kernel, tiling.groups, memory, arguments);
}

}  // namespace
}  // namespace flash

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
    const flash::Memory memory = flash::memory_of(*forward);
    if (flash::task_count(forward->problem, 1) == 0) return;  // no query, no work
    flash::run(*forward, memory);
  });
}
