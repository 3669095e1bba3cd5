// The border between Python and C++: three questions and what is common to them. binding.py and
// structs.py mirror this file.
//
// The emulator's library exports it over host memory, the device's library over device memory. On a
// device a function launches nothing: it plans, and npu_launch of cann/device.h launches the plan.
// The library reads and writes only what the structs point to, and keeps no pointer.
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// What the functions return. For all but NPU_OK `launch.text` says why; for NPU_BAD_ARGUMENT and
// NPU_UNSUPPORTED it begins with the argument's name and a colon, and nothing was launched.
enum { NPU_OK = 0, NPU_BAD_ARGUMENT = 1, NPU_UNSUPPORTED = 2, NPU_CHECK_FAILED = 3 };

// Formats of q, k, v, bias, out and their gradients.
enum { NPU_FP16 = 0, NPU_BF16 = 1 };

// Where a window is held: shift is seqlen_k - seqlen_q of each sequence, or 0.
enum { NPU_BOTTOM_RIGHT = 0, NPU_TOP_LEFT = 1 };

// How the emulated cube adds up: NpuEmulation.mmad_order.
enum { NPU_MMAD_SEQUENTIAL = 0, NPU_MMAD_TREE16 = 1, NPU_MMAD_EXACT = 2 };

// A side of a window that hides nothing.
#define NPU_UNBOUNDED INT64_MAX

// Elements [b][s][h][0..head_dim) at data + b * stride_batch + s * stride_seqlen + h * stride_head,
// strides in elements and not negative; the values of one row lie side by side. Packed: s counts
// over all sequences, and stride_batch is 0.
typedef struct NpuTensor {
  void* data;     // may be null if the tensor has no elements
  int64_t bytes;  // from data on; nothing beyond is touched
  int64_t stride_batch;
  int64_t stride_seqlen;
  int64_t stride_head;
} NpuTensor;

// Values for each (batch, heads_q, seqlen_q, seqlen_k); a stride of 0 repeats. stride_k is 0 or 1.
typedef struct NpuPairs {
  const void* data;  // null: there are none
  int64_t bytes;
  int64_t stride_batch;
  int64_t stride_head;
  int64_t stride_q;
  int64_t stride_k;
} NpuPairs;

// A bit for each (batch, heads_q, seqlen_q, seqlen_k), 1 = keep, by tiles of 128 x 128 pairs: 2048
// B each, 16 B to a row, LSB first; what lies beyond a sequence does not matter. The tiles of one
// head, ceil(seqlen_q / 128) rows of ceil(seqlen_k / 128), lie side by side.
typedef struct NpuBits {
  const void* data;  // null: there are none
  int64_t bytes;
  int64_t stride_batch;  // in tiles, 0 repeats; NPU_UNBOUNDED: the heads of a sequence lie side by
  int64_t stride_head;   // side, sequence after sequence, each with its own number of tiles
  int64_t stride_row;    // in tiles, from one row of tiles to the next; with NPU_UNBOUNDED ignored
} NpuBits;

// What only the emulator knows. Zeroed: fast mode, nothing varied. The device ignores it.
typedef struct NpuEmulation {
  int32_t checked;        // 0: bounds and capacities only; the same numbers
  int32_t auto_sync;      // 1: vector barriers that the stock build switch inserts may be missing
  int32_t keeps_inf_nan;  // 1: CTRL[48] = 1; 0: results of 16 bits saturate
  int32_t mmad_order;
  int32_t exp_ulps;        // Exp is off by up to this much, chosen by seed
  int32_t threads;         // groups that run side by side; 0: one
  int32_t adversarial;     // 1: what is not ordered happens as late, or as early, as seed says
  int32_t ln_ulps;         // as exp_ulps, of Ln
  int32_t truncates;       // 1: the cube rounds its sums toward zero
  int32_t random_padding;  // 1: DataCopyPad without padding leaves bits from seed behind the data
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

// How and where a question runs, and what is said of it.
typedef struct NpuLaunch {
  int64_t groups;   // of one AIC and two AIVs; at most 64. As many run as there is work for
  void* workspace;  // contents do not matter
  int64_t workspace_bytes;
  void* stream;          // of the device; the emulator ignores it, and the plan
  void* plan;            // host memory: what to launch, its arguments and tables; out
  int64_t plan_bytes;    // room at plan: npu_plan_bytes says how much is needed
  void* plan_on_device;  // where the caller copies it before npu_launch
  NpuEmulation emulation;
  char* text;                 // zero-terminated: the error, or warnings and notes, one per line
  int64_t text_bytes;         // room at text; 0: none
  NpuCounters* counters;      // one per core that ran, by kernel, then group, then core
  int64_t counters_capacity;  // room at counters, in NpuCounters; 0: none
  int64_t counters_count;     // out: cores that ran, also if there was no room for them
} NpuLaunch;

// softmax(softcap(scale q k^T) + bias - slope |i + shift - j|) v over the visible keys and the
// sink. Query head h reads key head h / (heads_q / heads_k). Query i sees key j iff (i + shift -
// window_left <= j <= i + shift + window_right or j < prefix) and keep(i, j).
typedef struct NpuProblem {
  int64_t batch;  // of sequences
  int64_t heads_q;
  int64_t heads_k;
  int64_t seqlen_q;             // packed: of the longest sequence
  int64_t seqlen_k;             // the same
  int64_t head_dim;             // of q and k
  int64_t head_dim_v;           // of v and out
  const int64_t* cu_seqlens_q;  // host memory, batch + 1 offsets; null: dense
  const int64_t* cu_seqlens_k;
  const int64_t* prefix;  // host memory, one to each sequence; null: 0
  int64_t window_left;
  int64_t window_right;
  int32_t anchor;
  int32_t format;
  float scale;
  float softcap;    // 0: none
  float keep_prob;  // what dropout divides by: 1 - p; 1: no dropout
  int32_t reserved;
  NpuTensor q;
  NpuTensor k;
  NpuTensor v;
  NpuPairs bias;  // in `format`; -inf hides the pair
  NpuBits keep;
  NpuBits dropout;              // null data iff keep_prob is 1
  const float* slopes;          // (batch, heads_q), or null
  int64_t slopes_stride_batch;  // heads_q, or 0: the same for every sequence
  const float* sink;            // (heads_q), or null
} NpuProblem;

typedef struct NpuForward {
  uint64_t struct_bytes;  // sizeof(NpuForward): checked
  NpuProblem problem;
  NpuTensor out;
  float* lse;          // (batch, heads_q, seqlen_q), packed (heads_q, total_q), contiguous;
                       // of a row that sees neither key nor sink -inf
  float* softmax_max;  // like lse; -inf there
  float* softmax_sum;  // like lse; 0 there
  NpuLaunch launch;
} NpuForward;

// Gradients of the problem: P is made again from lse.
typedef struct NpuBackward {
  uint64_t struct_bytes;  // sizeof(NpuBackward): checked
  NpuProblem problem;
  NpuTensor out;
  NpuTensor dout;
  const float* lse;   // like NpuForward.lse
  const float* dlse;  // the same, or null
  NpuTensor dq;       // like q
  NpuTensor dk;       // like k
  NpuTensor dv;       // like v
  float* dbias;       // (batch, heads_q, seqlen_q, seqlen_k) with 1 where stride is 0; or null
  float* dsink;       // (heads_q), or null
  NpuLaunch launch;
} NpuBackward;

// Which pairs are visible at most: as in NpuProblem.
typedef struct NpuVisible {
  int64_t window_left;
  int64_t window_right;
  const int64_t* prefix;
  int32_t anchor;
  int32_t reserved;
} NpuVisible;

// The keep bits of dropout: NpuBits, the heads of a sequence side by side, by Philox4x32-10. Tiles
// without a visible pair are left as they are.
typedef struct NpuDropoutMask {
  uint64_t struct_bytes;  // sizeof(NpuDropoutMask): checked
  int64_t batch;
  int64_t heads_q;
  int64_t seqlen_q;
  int64_t seqlen_k;
  const int64_t* cu_seqlens_q;  // as in NpuProblem
  const int64_t* cu_seqlens_k;
  const NpuVisible* visible;  // null: all pairs are
  uint64_t seed;
  uint64_t offset;
  float keep_prob;  // float32(1 - p), in (0, 1]
  int32_t reserved;
  void* bits;
  int64_t bits_bytes;
  NpuLaunch launch;
} NpuDropoutMask;

// Probes of what the silicon does, in the order of NpuProbe.operation: exp, ln, Cast to fp16 and to
// bf16, x times 1; rows of 5 values as DataCopyPad leaves them in 32 B; copies of 32 B, one after
// the other; a product of fp16 by one Mmad; hand-overs between an AIC and its AIVs.
enum { NPU_PROBE_FIRST = 0, NPU_PROBE_PRODUCT = 7, NPU_PROBE_LAST = 8 };

typedef struct NpuProbe {
  uint64_t struct_bytes;  // sizeof(NpuProbe): checked
  int64_t operation;
  int64_t count;  // values of x, at most 2048, whole blocks of 32 B; of a product its depth, a
                  // multiple of 16 up to 128; of copies and hand-overs, how many
  const void* x;  // fp32; of a product A, (16, depth) fp16; of hand-overs null
  int64_t x_bytes;
  const void* y;  // B, (depth, 16) fp16, or null
  int64_t y_bytes;
  void* out;
  int64_t out_bytes;
  NpuLaunch launch;
} NpuProbe;

// The structs above as the library was compiled with them, a line for each struct and each field:
// "NpuTensor 0 40", "NpuTensor.data 0 8": name, first byte, bytes.
const char* npu_structs(void);

// Bytes of workspace that the question needs with this many groups; looks at shapes only.
// -1: a shape is bad or unsupported, and text says which.
int64_t npu_flash_forward_workspace(NpuForward* forward);
int64_t npu_flash_backward_workspace(NpuBackward* backward);
int64_t npu_dropout_mask_workspace(NpuDropoutMask* mask);
int64_t npu_probe_workspace(NpuProbe* probe);

int32_t npu_flash_forward(NpuForward* forward);
int32_t npu_flash_backward(NpuBackward* backward);
int32_t npu_dropout_mask(NpuDropoutMask* mask);
int32_t npu_probe(NpuProbe* probe);

#ifdef __cplusplus
}
#endif
