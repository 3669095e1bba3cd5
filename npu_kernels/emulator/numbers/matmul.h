// Products on row-major fp32 panels, and conversions of short rows, in loops that vectorise.
#pragma once

#include <cstdint>
#include <vector>

#include "machine/report.h"

namespace emulator {

constexpr int64_t matmul_columns = 16;  // panels are padded to this many columns

// a: (m, k). b: (k, pitch). c: (m, pitch).
struct Panels {
  std::vector<float> a, b, c;
  void resize(int64_t m, int64_t pitch, int64_t k) {
    a.resize(static_cast<size_t>(m * k));
    b.assign(static_cast<size_t>(k * pitch), 0.0f);
    c.assign(static_cast<size_t>(m * pitch), 0.0f);
  }
};

struct Summation {
  MmadOrder order;
  bool truncates;
};

// c = a b, or c += a b. Sums in fp32: term after term (sequential), or in adjacent-pair trees of 16
// terms that are added one after the other (tree16), or in fp64, rounded once at the end (exact).
// Each sum goes to the nearest number, or toward zero if it truncates.
void multiply(Panels& panels, int64_t m, int64_t pitch, int64_t k, bool adds, Summation how);

// half or bfloat16_t to fp32, and back to nearest even. Saturating: finite numbers only, NaN to 0.
void widen(float* dst, const void* src, int64_t count, bool bf16);
void narrow(void* dst, const void* src, int64_t count, bool bf16, bool saturates);

}  // namespace emulator
