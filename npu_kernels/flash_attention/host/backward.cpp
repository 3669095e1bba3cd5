// The backward as abi.h asks it, on the emulator or on a device: checks, tiling, one launch after
// the other.
#include "host/backward_plan.h"
#include "host/tables.h"
#include "launcher.h"

namespace flash {

using RowsKernel = void(GM_ADDR out, GM_ADDR dout, GM_ADDR dlse, GM_ADDR delta, GM_ADDR tables,
                        GradientTiling tiling);
// Results: dk and dv, or dq and dx.
using PassKernel = void(GM_ADDR q, GM_ADDR k, GM_ADDR v, GM_ADDR bias, GM_ADDR slopes, GM_ADDR keep,
                        GM_ADDR dropout, GM_ADDR dout, GM_ADDR lse, GM_ADDR delta, GM_ADDR first,
                        GM_ADDR second, GM_ADDR tables, GM_ADDR workspace, GradientTiling tiling);

using BiasKernel = void(GM_ADDR dx, GM_ADDR dbias, GM_ADDR tables, GradientTiling tiling);
using SinkKernel = void(GM_ADDR sink, GM_ADDR lse, GM_ADDR delta, GM_ADDR dsink,
                        GradientTiling tiling);

}  // namespace flash

extern "C" flash::RowsKernel flash_backward_rows_fp16;
extern "C" flash::RowsKernel flash_backward_rows_bf16;
extern "C" flash::PassKernel flash_backward_keys_fp16;
extern "C" flash::PassKernel flash_backward_keys_bf16;
extern "C" flash::PassKernel flash_backward_queries_fp16;
extern "C" flash::PassKernel flash_backward_queries_bf16;
extern "C" flash::BiasKernel flash_backward_bias;
extern "C" flash::SinkKernel flash_backward_sink;

namespace flash {
namespace {

uint8_t* gm(const void* data) {
  return static_cast<uint8_t*>(const_cast<void*>(data));
}

// All that the kernels are given beside what NpuBackward points to.
class Backward {
 public:
  explicit Backward(NpuBackward& asked)
      : asked_(asked),
        p_(asked.problem),
        is_fp16_(p_.format == NPU_FP16),
        tensors_(tensors_of(asked)),
        sequences_(gradient_sequences(asked)),
        tables_(tables_of(sequences_)),
        tables_range_(range_from("tables", tables_.data(), static_cast<int64_t>(tables_.size()))),
        tiling_(gradient_tiling(asked)),
        launches_(asked.launch) {}

  void run() {
    if (task_count(p_, 1) > 0) compute_rows();
    if (key_task_count(p_, 1) > 0) pass_over_keys();
    if (task_count(p_, 1) > 0) pass_over_queries();
    if (tensors_.dbias.bytes > 0) add_up_bias();
    if (tensors_.dsink.bytes > 0) add_up_sink();
  }

 private:
  void compute_rows() {
    const auto kernel = is_fp16_ ? flash_backward_rows_fp16 : flash_backward_rows_bf16;
    const GradientTiling tiling = split(query_costs(tiling_.problem, sequences_), p_.heads_q);
    Memory memory{{tensors_.out, tensors_.dout}, {tensors_.delta}, {}, {tables_range_}};
    if (asked_.dlse != nullptr) memory.inputs.push_back(tensors_.dlse);
    launches_.run(Launches::vector_only, vector_cores * tiling.problem.groups, memory, [&] {
      kernel(gm(asked_.out.data), gm(asked_.dout.data), gm(asked_.dlse), gm(tensors_.delta.begin),
             gm(tables_.data()), tiling);
    });
  }

  void pass_over_keys() {
    const auto kernel = is_fp16_ ? flash_backward_keys_fp16 : flash_backward_keys_bf16;
    const GradientTiling tiling = split(key_costs(tiling_.problem, sequences_), p_.heads_k);
    run_pass(kernel, tiling, {tensors_.dk, tensors_.dv}, asked_.dk.data, asked_.dv.data);
  }

  void pass_over_queries() {
    const auto kernel = is_fp16_ ? flash_backward_queries_fp16 : flash_backward_queries_bf16;
    const GradientTiling tiling = split(query_costs(tiling_.problem, sequences_), p_.heads_q);
    std::vector<Range> outputs{tensors_.dq};
    if (asked_.dbias != nullptr) outputs.push_back(tensors_.dx);
    run_pass(kernel, tiling, std::move(outputs), asked_.dq.data, tensors_.dx.begin);
  }

  void add_up_bias() {
    const PairSizes& size = tiling_.dbias;
    const int64_t parts =
        size.batch * size.heads * ceil_div(size.queries, half_q) * ceil_div(size.keys, block_k);
    const Memory memory{{tensors_.dx}, {tensors_.dbias}, {}, {tables_range_}};
    launches_.run(
        Launches::vector_only, min_of(parts, vector_cores * asked_.launch.groups), memory, [&] {
          flash_backward_bias(gm(tensors_.dx.begin), gm(asked_.dbias), gm(tables_.data()), tiling_);
        });
  }

  void add_up_sink() {
    Memory memory{{tensors_.lse, tensors_.delta}, {tensors_.dsink}, {}, {}};
    memory.inputs.push_back(range_from("sink", p_.sink, p_.heads_q * float_bytes));
    launches_.run(Launches::vector_only, min_of(p_.heads_q, vector_cores * asked_.launch.groups),
                  memory, [&] {
                    flash_backward_sink(gm(p_.sink), gm(asked_.lse), gm(tensors_.delta.begin),
                                        gm(asked_.dsink), tiling_);
                  });
  }

  void run_pass(PassKernel* kernel, const GradientTiling& tiling, std::vector<Range> outputs,
                const void* first, const void* second) {
    Memory memory{tensors_.problem, std::move(outputs), tensors_.workspace, {tables_range_}};
    for (const Range& one : {tensors_.dout, tensors_.lse, tensors_.delta}) {
      memory.inputs.push_back(one);
    }
    launches_.run(Launches::mixed, tiling.problem.groups, memory, [&] {
      kernel(gm(p_.q.data), gm(p_.k.data), gm(p_.v.data), gm(p_.bias.data), gm(p_.slopes),
             gm(p_.keep.data), gm(p_.dropout.data), gm(asked_.dout.data), gm(asked_.lse),
             gm(tensors_.delta.begin), gm(first), gm(second), gm(tables_.data()),
             gm(tensors_.workspace.begin), tiling);
    });
  }

  GradientTiling split(const Costs& costs, int64_t heads) const {
    GradientTiling tiling = tiling_;
    split_work(tiling.problem, costs, heads, asked_.launch.groups);
    return tiling;
  }

  NpuBackward& asked_;
  const NpuProblem& p_;
  const bool is_fp16_;
  const GradientTensors tensors_;
  const std::vector<Sequence> sequences_;
  const std::vector<uint8_t> tables_;
  const Range tables_range_;
  const GradientTiling tiling_;
  Launches launches_;
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
