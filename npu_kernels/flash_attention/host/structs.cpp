// The structs of abi.h as this library was compiled with them: Python compares them with its own.
#include <cstddef>
#include <initializer_list>
#include <string>

#include "abi.h"

namespace {

struct Field {
  const char* name;
  size_t offset;
  size_t bytes;
};
#define FIELD(field)                             \
  Field {                                        \
    #field, offsetof(S, field), sizeof(S::field) \
  }

// A line for the struct, and one for each field: its name, where it begins, its bytes.
std::string lines(const std::string& name, size_t bytes, std::initializer_list<Field> fields) {
  std::string text = name + " 0 " + std::to_string(bytes) + "\n";
  for (const Field& field : fields) {
    text += name + "." + field.name + " " + std::to_string(field.offset) + " " +
            std::to_string(field.bytes) + "\n";
  }
  return text;
}

std::string tensor_lines() {
  using S = NpuTensor;
  return lines(
      "NpuTensor", sizeof(S),
      {FIELD(data), FIELD(bytes), FIELD(stride_batch), FIELD(stride_seqlen), FIELD(stride_head)});
}

std::string pairs_lines() {
  using S = NpuPairs;
  return lines("NpuPairs", sizeof(S),
               {FIELD(data), FIELD(bytes), FIELD(stride_batch), FIELD(stride_head), FIELD(stride_q),
                FIELD(stride_k)});
}

std::string bits_lines() {
  using S = NpuBits;
  return lines(
      "NpuBits", sizeof(S),
      {FIELD(data), FIELD(bytes), FIELD(stride_batch), FIELD(stride_head), FIELD(stride_row)});
}

std::string emulation_lines() {
  using S = NpuEmulation;
  return lines("NpuEmulation", sizeof(S),
               {FIELD(checked), FIELD(auto_sync), FIELD(keeps_inf_nan), FIELD(mmad_order),
                FIELD(exp_ulps), FIELD(threads), FIELD(adversarial), FIELD(ln_ulps),
                FIELD(truncates), FIELD(random_padding), FIELD(seed)});
}

std::string counters_lines() {
  using S = NpuCounters;
  return lines("NpuCounters", sizeof(S),
               {FIELD(group), FIELD(core), FIELD(instructions), FIELD(repeats), FIELD(macs),
                FIELD(waits), FIELD(bytes)});
}

std::string launch_lines() {
  using S = NpuLaunch;
  return lines(
      "NpuLaunch", sizeof(S),
      {FIELD(groups), FIELD(workspace), FIELD(workspace_bytes), FIELD(stream), FIELD(plan),
       FIELD(plan_bytes), FIELD(plan_on_device), FIELD(emulation), FIELD(text), FIELD(text_bytes),
       FIELD(counters), FIELD(counters_capacity), FIELD(counters_count)});
}

std::string problem_lines() {
  using S = NpuProblem;
  return lines("NpuProblem", sizeof(S),
               {FIELD(batch),
                FIELD(heads_q),
                FIELD(heads_k),
                FIELD(seqlen_q),
                FIELD(seqlen_k),
                FIELD(head_dim),
                FIELD(head_dim_v),
                FIELD(cu_seqlens_q),
                FIELD(cu_seqlens_k),
                FIELD(prefix),
                FIELD(window_left),
                FIELD(window_right),
                FIELD(anchor),
                FIELD(format),
                FIELD(scale),
                FIELD(softcap),
                FIELD(keep_prob),
                FIELD(reserved),
                FIELD(q),
                FIELD(k),
                FIELD(v),
                FIELD(bias),
                FIELD(keep),
                FIELD(dropout),
                FIELD(slopes),
                FIELD(slopes_stride_batch),
                FIELD(sink)});
}

std::string forward_lines() {
  using S = NpuForward;
  return lines("NpuForward", sizeof(S),
               {FIELD(struct_bytes), FIELD(problem), FIELD(out), FIELD(lse), FIELD(softmax_max),
                FIELD(softmax_sum), FIELD(launch)});
}

std::string backward_lines() {
  using S = NpuBackward;
  return lines(
      "NpuBackward", sizeof(S),
      {FIELD(struct_bytes), FIELD(problem), FIELD(out), FIELD(dout), FIELD(lse), FIELD(dlse),
       FIELD(dq), FIELD(dk), FIELD(dv), FIELD(dbias), FIELD(dsink), FIELD(launch)});
}

std::string visible_lines() {
  using S = NpuVisible;
  return lines(
      "NpuVisible", sizeof(S),
      {FIELD(window_left), FIELD(window_right), FIELD(prefix), FIELD(anchor), FIELD(reserved)});
}

std::string dropout_mask_lines() {
  using S = NpuDropoutMask;
  return lines(
      "NpuDropoutMask", sizeof(S),
      {FIELD(struct_bytes), FIELD(batch), FIELD(heads_q), FIELD(seqlen_q), FIELD(seqlen_k),
       FIELD(cu_seqlens_q), FIELD(cu_seqlens_k), FIELD(visible), FIELD(seed), FIELD(offset),
       FIELD(keep_prob), FIELD(reserved), FIELD(bits), FIELD(bits_bytes), FIELD(launch)});
}

std::string probe_lines() {
  using S = NpuProbe;
  return lines("NpuProbe", sizeof(S),
               {FIELD(struct_bytes), FIELD(operation), FIELD(count), FIELD(x), FIELD(x_bytes),
                FIELD(y), FIELD(y_bytes), FIELD(out), FIELD(out_bytes), FIELD(launch)});
}

#undef FIELD

}  // namespace

const char* npu_structs(void) {
  static const std::string text = tensor_lines() + pairs_lines() + bits_lines() +
                                  emulation_lines() + counters_lines() + launch_lines() +
                                  problem_lines() + forward_lines() + backward_lines() +
                                  visible_lines() + dropout_mask_lines() + probe_lines();
  return text.c_str();
}
