// The border between Python and C++: one struct and one function. binding.py mirrors this file.
//
// The emulator's library exports it over host memory, the device's library over device memory.
// The library reads and writes only what the struct points to, and keeps no pointer.
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// What npu_flash_forward returns. For all but NPU_OK `text` says why; for NPU_BAD_ARGUMENT and
// NPU_UNSUPPORTED it begins with the argument's name and a colon, and nothing was launched.
enum { NPU_OK = 0, NPU_BAD_ARGUMENT = 1, NPU_UNSUPPORTED = 2, NPU_CHECK_FAILED = 3 };

// Formats of q, k, v and out.
enum { NPU_FP16 = 0, NPU_BF16 = 1 };

// How the emulated cube adds up: NpuEmulation.mmad_order.
enum { NPU_MMAD_SEQUENTIAL = 0, NPU_MMAD_TREE16 = 1, NPU_MMAD_EXACT = 2 };

// Elements [b][s][h][0..head_dim) at data + b * stride_batch + s * stride_seqlen + h * stride_head,
// strides in elements and not negative; the values of one row lie side by side.
typedef struct NpuTensor {
  void* data;     // may be null if the tensor has no elements
  int64_t bytes;  // from data on; nothing beyond is touched
  int64_t stride_batch;
  int64_t stride_seqlen;
  int64_t stride_head;
} NpuTensor;

// What only the emulator knows. Zeroed: fast mode, nothing varied. The device ignores it.
typedef struct NpuEmulation {
  int32_t checked;        // 0: bounds and capacities only; the same numbers
  int32_t auto_sync;      // 1: vector barriers that the stock build switch inserts may be missing
  int32_t keeps_inf_nan;  // 1: CTRL[48] = 1; 0: results of 16 bits saturate
  int32_t mmad_order;
  int32_t exp_ulps;     // Exp is off by up to this much, chosen by seed
  int32_t threads;      // groups that run side by side; 0: one
  int32_t adversarial;  // 1: what is not ordered happens as late, or as early, as seed says
  int32_t reserved;
  uint64_t seed;
} NpuEmulation;

// What one core did. Pipes: S V M MTE1 MTE2 MTE3 FIX. Paths: GM to UB, GM to L1, UB to GM,
// L0C to GM, L1 to L0A, L1 to L0B.
typedef struct NpuCounters {
  int32_t group;
  int32_t core;  // 0 AIC, 1 AIV0, 2 AIV1
  uint64_t instructions[7];
  uint64_t repeats[7];
  uint64_t macs[7];
  uint64_t waits[7];
  uint64_t bytes[6];
} NpuCounters;

// softmax(scale * q k^T + mask) v. Query head h reads key head h / (heads_q / heads_k).
typedef struct NpuForward {
  uint64_t struct_bytes;  // sizeof(NpuForward): checked

  int64_t batch;
  int64_t heads_q;
  int64_t heads_k;
  int64_t seqlen_q;
  int64_t seqlen_k;
  int64_t head_dim;    // of q and k
  int64_t head_dim_v;  // of v and out
  int32_t format;
  int32_t causal;  // 1: query i sees keys j <= i + seqlen_k - seqlen_q (bottom-right)
  float scale;
  int32_t groups;  // of one AIC and two AIVs; at most 64. As many run as there is work for

  NpuTensor q;
  NpuTensor k;
  NpuTensor v;
  NpuTensor out;
  float* lse;          // (batch, heads_q, seqlen_q), contiguous; -inf where a row sees no key
  float* softmax_max;  // like lse; -inf there
  float* softmax_sum;  // like lse; 0 there
  void* workspace;     // contents do not matter
  int64_t workspace_bytes;

  void* stream;  // of the device; the emulator ignores it
  NpuEmulation emulation;

  char* text;                 // zero-terminated: the error, or warnings and notes, one per line
  int64_t text_bytes;         // room at text; 0: none
  NpuCounters* counters;      // one per core that ran, by group, then core
  int64_t counters_capacity;  // room at counters, in NpuCounters; 0: none
  int64_t counters_count;     // out: cores that ran, also if there was no room for them
} NpuForward;

uint64_t npu_forward_struct_bytes(void);
// Bytes of workspace that this problem needs with this many groups; looks at shapes only.
// -1: a shape is bad or unsupported, and text says which.
int64_t npu_flash_forward_workspace(NpuForward* forward);
int32_t npu_flash_forward(NpuForward* forward);

#ifdef __cplusplus
}
#endif
