// The backward as abi.h asks it, on the emulator or on a device: checks, tiling, one launch after
// the other.
#include "backward/arguments.h"
#include "host/backward_plan.h"
#include "host/call.h"
#include "host/launches.h"
#include "host/tables.h"

namespace flash {
namespace {

Addresses problem_addresses(const NpuBackward& b, const GradientTensors& tensors, Address tables) {
  const NpuProblem& p = b.problem;
  Addresses at{};
  at.q = address_of(p.q.data);
  at.k = address_of(p.k.data);
  at.v = address_of(p.v.data);
  at.bias = address_of(p.bias.data);
  at.slopes = address_of(p.slopes);
  at.sink = address_of(p.sink);
  at.keep = address_of(p.keep.data);
  at.dropout = address_of(p.dropout.data);
  at.out = address_of(b.out.data);
  at.lse = address_of(b.lse);
  at.tables = tables;
  at.workspace = address_of(tensors.workspace.begin);
  return at;
}

GradientAddresses gradient_addresses(const NpuBackward& b, const GradientTensors& tensors) {
  GradientAddresses at{};
  at.dout = address_of(b.dout.data);
  at.dlse = address_of(b.dlse);
  at.delta = address_of(tensors.delta.begin);
  at.dq = address_of(b.dq.data);
  at.dk = address_of(b.dk.data);
  at.dv = address_of(b.dv.data);
  at.dx = address_of(tensors.dx.begin);
  at.dbias = address_of(b.dbias);
  at.dsink = address_of(b.dsink);
  return at;
}

// All kernels are given the same arguments, but for who does which tasks.
class Backward {
 public:
  explicit Backward(NpuBackward& asked)
      : asked_(asked),
        p_(asked.problem),
        is_fp16_(p_.format == NPU_FP16),
        tensors_(tensors_of(asked)),
        sequences_(gradient_sequences(asked)),
        tables_(tables_of(sequences_)),
        launches_(asked.launch),
        arguments_{problem_addresses(asked, tensors_, launches_.add_table(tables_)),
                   gradient_addresses(asked, tensors_), gradient_tiling(asked)} {}

  void run() {
    if (task_count(p_, 1) > 0) compute_rows();
    if (key_task_count(p_, 1) > 0) pass_over_keys();
    if (task_count(p_, 1) > 0) pass_over_queries();
    if (tensors_.dbias.bytes > 0) add_up_bias();
    if (tensors_.dsink.bytes > 0) add_up_sink();
  }

 private:
  void compute_rows() {
    const auto kernel = is_fp16_ ? Kernel::backward_rows_fp16 : Kernel::backward_rows_bf16;
    const BackwardArguments arguments = split(query_costs(tiling(), sequences_), p_.heads_q);
    Memory memory{{tensors_.out, tensors_.dout}, {tensors_.delta}, {}};
    if (asked_.dlse != nullptr) memory.inputs.push_back(tensors_.dlse);
    launches_.run(kernel, vector_cores * arguments.tiling.problem.groups, memory, arguments);
  }

  void pass_over_keys() {
    const auto kernel = is_fp16_ ? Kernel::backward_keys_fp16 : Kernel::backward_keys_bf16;
    run_pass(kernel, split(key_costs(tiling(), sequences_), p_.heads_k),
             {tensors_.dk, tensors_.dv});
  }

  void pass_over_queries() {
    const auto kernel = is_fp16_ ? Kernel::backward_queries_fp16 : Kernel::backward_queries_bf16;
    std::vector<Range> outputs{tensors_.dq};
    if (asked_.dbias != nullptr) outputs.push_back(tensors_.dx);
    run_pass(kernel, split(query_costs(tiling(), sequences_), p_.heads_q), std::move(outputs));
  }

  void add_up_bias() {
    const PairSizes& size = arguments_.tiling.dbias;
    const int64_t parts =
        size.batch * size.heads * ceil_div(size.queries, half_q) * ceil_div(size.keys, block_k);
    const Memory memory{{tensors_.dx}, {tensors_.dbias}, {}};
    launches_.run(Kernel::backward_bias, min_of(parts, cores()), memory, arguments_);
  }

  void add_up_sink() {
    Memory memory{{tensors_.lse, tensors_.delta}, {tensors_.dsink}, {}};
    memory.inputs.push_back(range_from("sink", p_.sink, p_.heads_q * float_bytes));
    launches_.run(Kernel::backward_sink, min_of(p_.heads_q, cores()), memory, arguments_);
  }

  void run_pass(Kernel kernel, const BackwardArguments& arguments, std::vector<Range> outputs) {
    Memory memory{tensors_.problem, std::move(outputs), tensors_.workspace};
    for (const Range& one : {tensors_.dout, tensors_.lse, tensors_.delta}) {
      memory.inputs.push_back(one);
    }
    launches_.run(kernel, arguments.tiling.problem.groups, memory, arguments);
  }

  BackwardArguments split(const Costs& costs, int64_t heads) const {
    BackwardArguments arguments = arguments_;
    split_work(arguments.tiling.problem, costs, heads, asked_.launch.groups);
    return arguments;
  }

  const Tiling& tiling() const { return arguments_.tiling.problem; }
  int64_t cores() const { return vector_cores * asked_.launch.groups; }

  NpuBackward& asked_;
  const NpuProblem& p_;
  const bool is_fp16_;
  const GradientTensors tensors_;
  const std::vector<Sequence> sequences_;
  const std::vector<uint8_t> tables_;
  Launches launches_;
  const BackwardArguments arguments_;
};

}  // namespace
}  // namespace flash

int64_t npu_flash_backward_workspace(NpuBackward* backward) {
  return flash::answered_bytes(backward, [&] {
    flash::check_backward(*backward);
    return flash::workspace_of(*backward).bytes;
  });
}

int32_t npu_flash_backward(NpuBackward* backward) {
  return flash::answered(backward, [&] {
    backward->launch.counters_count = 0;
    flash::check_backward(*backward);
    flash::Backward(*backward).run();
  });
}
