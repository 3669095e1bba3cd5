// The list of kernels: each has a file of its name in kernels/. Host only.
#pragma once

// What is launched for a kernel: so many groups of one AIC and two AIVs, or so many vector cores.
// clang-format off
#define FLASH_KERNELS(kernel)             \
  kernel(forward_fp16, mixed)             \
  kernel(forward_bf16, mixed)             \
  kernel(backward_rows_fp16, vector_only) \
  kernel(backward_rows_bf16, vector_only) \
  kernel(backward_keys_fp16, mixed)       \
  kernel(backward_keys_bf16, mixed)       \
  kernel(backward_queries_fp16, mixed)    \
  kernel(backward_queries_bf16, mixed)    \
  kernel(backward_bias, vector_only)      \
  kernel(backward_sink, vector_only)      \
  kernel(dropout_mask, vector_only)       \
  kernel(probe_vector, vector_only)       \
  kernel(probe_cube, mixed)
// clang-format on

namespace flash {

#define NAME(name, cores) name,
enum class Kernel { FLASH_KERNELS(NAME) };
#undef NAME

}  // namespace flash
