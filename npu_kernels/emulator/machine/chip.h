// The chip as the emulator knows it: dav-c220 (Atlas A2 and A3), sizes from its public
// documentation.
#pragma once

#include <cstdint>

// Pipes of one core. CANN's names; the values are ours.
enum pipe_t : uint8_t {
  PIPE_S,
  PIPE_V,
  PIPE_M,
  PIPE_MTE1,
  PIPE_MTE2,
  PIPE_MTE3,
  PIPE_FIX,
  PIPE_ALL,
};

// Event ids that a kernel may write by hand: 6 and 7 belong to the framework.
enum event_t : uint8_t { EVENT_ID0, EVENT_ID1, EVENT_ID2, EVENT_ID3, EVENT_ID4, EVENT_ID5 };

namespace emulator {

constexpr int pipe_count = 7;
constexpr int cores_per_group = 3;  // AIC, AIV0, AIV1
constexpr int event_ids = 8;        // per kind of event
constexpr int reserved_event_id = 6;
constexpr int max_buffers = 64;  // of all InitBuffer calls on one core
constexpr int max_held_tensors = 8;
constexpr int cross_core_ids = 16;
constexpr int cross_core_limit = 15;     // pending sets of one id
constexpr int sync_all_first_flag = 11;  // 11..14 belong to SyncAll
constexpr int sync_all_last_flag = 14;

constexpr int64_t block_bytes = 32;     // data block: the unit of every transfer and stride
constexpr int64_t repeat_bytes = 256;   // what one vector repeat covers
constexpr int64_t fractal_bytes = 512;  // 16 x 16 values of 16 bits

enum class Memory : uint8_t { ub, l1, l0a, l0b, l0c, gm };
constexpr int local_memories = 5;

struct MemoryLimits {
  const char* name;
  int64_t bytes;   // physical
  int64_t usable;  // by InitBuffer
  bool on_cube;    // else on a vector core
};

// UB: 256 B are the system's; 8 KB more unless the build switch --cce-disable-asc-reserved-ubuf is
// given (Options::whole_ub), and Select modes 1 and 2 scribble over those.
constexpr int64_t select_reserve_bytes = 8 * 1024;
constexpr MemoryLimits limits_of[local_memories] = {
    {"UB", 192 * 1024, 192 * 1024 - 256, false}, {"L1", 512 * 1024, 512 * 1024 - 256, true},
    {"L0A", 64 * 1024, 64 * 1024, true},         {"L0B", 64 * 1024, 64 * 1024, true},
    {"L0C", 128 * 1024, 128 * 1024, true},
};

// Read as fp32, half or bf16, memory that nobody wrote is NaN.
constexpr uint32_t poison_word = 0x7FC17FC1;

constexpr const char* pipe_names[pipe_count + 1] = {
    "PIPE_S", "PIPE_V", "PIPE_M", "PIPE_MTE1", "PIPE_MTE2", "PIPE_MTE3", "PIPE_FIX", "PIPE_ALL"};
constexpr const char* core_names[cores_per_group] = {"AIC", "AIV0", "AIV1"};

constexpr bool core_has(bool is_cube, int pipe) {
  if (pipe == PIPE_S || pipe == PIPE_MTE2 || pipe == PIPE_MTE3) return true;
  return is_cube == (pipe != PIPE_V);
}

constexpr int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}
constexpr int64_t round_up(int64_t a, int64_t b) {
  return ceil_div(a, b) * b;
}

}  // namespace emulator
