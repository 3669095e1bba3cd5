#include "numbers/matmul.h"

#include <algorithm>
#include <cfenv>

#include "numbers/dispatch.h"
#include "numbers/formats.h"

namespace emulator {
namespace {

using Row = float __attribute__((vector_size(64)));  // 16 columns
using HalfRow = float __attribute__((vector_size(32)));
constexpr int64_t rows_at_once = 6;
constexpr int64_t chunk = 16;  // terms of one tree

}  // namespace

// Six rows by as many columns of c as a register holds stay there while k runs: with two of each
// step, 16 registers are enough. Named one by one, since an array of them would live in memory.
template <typename Columns>
[[gnu::always_inline]] inline void multiply_rows(const float* a, const float* b, float* c,
                                                 int64_t m, int64_t pitch, int64_t k) {
  constexpr int64_t columns = sizeof(Columns) / sizeof(float);
  for (int64_t j = 0; j < pitch; j += columns) {
    for (int64_t i = 0; i < m; i += rows_at_once) {
      // A short last block computes its last row again.
      const int64_t i1 = std::min(i + 1, m - 1);
      const int64_t i2 = std::min(i + 2, m - 1);
      const int64_t i3 = std::min(i + 3, m - 1);
      const int64_t i4 = std::min(i + 4, m - 1);
      const int64_t i5 = std::min(i + 5, m - 1);
      const float* a0 = a + i * k;
      const float* a1 = a + i1 * k;
      const float* a2 = a + i2 * k;
      const float* a3 = a + i3 * k;
      const float* a4 = a + i4 * k;
      const float* a5 = a + i5 * k;
      const float* right = b + j;
      Columns sum0, sum1, sum2, sum3, sum4, sum5;
      std::memcpy(&sum0, c + i * pitch + j, sizeof sum0);
      std::memcpy(&sum1, c + i1 * pitch + j, sizeof sum1);
      std::memcpy(&sum2, c + i2 * pitch + j, sizeof sum2);
      std::memcpy(&sum3, c + i3 * pitch + j, sizeof sum3);
      std::memcpy(&sum4, c + i4 * pitch + j, sizeof sum4);
      std::memcpy(&sum5, c + i5 * pitch + j, sizeof sum5);
      for (int64_t l = 0; l < k; ++l) {
        Columns row;
        std::memcpy(&row, right + l * pitch, sizeof row);
        sum0 += a0[l] * row;
        sum1 += a1[l] * row;
        sum2 += a2[l] * row;
        sum3 += a3[l] * row;
        sum4 += a4[l] * row;
        sum5 += a5[l] * row;
      }
      std::memcpy(c + i * pitch + j, &sum0, sizeof sum0);
      std::memcpy(c + i1 * pitch + j, &sum1, sizeof sum1);
      std::memcpy(c + i2 * pitch + j, &sum2, sizeof sum2);
      std::memcpy(c + i3 * pitch + j, &sum3, sizeof sum3);
      std::memcpy(c + i4 * pitch + j, &sum4, sizeof sum4);
      std::memcpy(c + i5 * pitch + j, &sum5, sizeof sum5);
    }
  }
}

EMULATOR_WIDE
static void multiply_wide(const float* a, const float* b, float* c, int64_t m, int64_t pitch,
                          int64_t k) {
  multiply_rows<Row>(a, b, c, m, pitch, k);
}
EMULATOR_VECTORISED
static void multiply_sequential(const float* a, const float* b, float* c, int64_t m, int64_t pitch,
                                int64_t k) {
  multiply_rows<HalfRow>(a, b, c, m, pitch, k);
}

EMULATOR_VECTORISED
static void multiply_tree16(const float* a, const float* b, float* c, int64_t m, int64_t pitch,
                            int64_t k) {
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < pitch; j += matmul_columns) {
      Row sum;
      std::memcpy(&sum, c + i * pitch + j, sizeof sum);
      for (int64_t l = 0; l < k; l += chunk) {
        Row products[chunk] = {};
        for (int64_t t = 0; t < std::min(chunk, k - l); ++t) {
          Row right;
          std::memcpy(&right, b + (l + t) * pitch + j, sizeof right);
          products[t] = a[i * k + l + t] * right;
        }
        for (int64_t width = chunk / 2; width > 0; width /= 2) {
          for (int64_t t = 0; t < width; ++t) products[t] = products[2 * t] + products[2 * t + 1];
        }
        sum += products[0];
      }
      std::memcpy(c + i * pitch + j, &sum, sizeof sum);
    }
  }
}

EMULATOR_VECTORISED
static void multiply_exact(const float* a, const float* b, float* c, int64_t m, int64_t pitch,
                           int64_t k) {
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < pitch; j += matmul_columns) {
      double sum[16];
      for (int64_t x = 0; x < 16; ++x) sum[x] = static_cast<double>(c[i * pitch + j + x]);
      for (int64_t l = 0; l < k; ++l) {
        const double term = static_cast<double>(a[i * k + l]);
        for (int64_t x = 0; x < 16; ++x) {
          sum[x] += term * static_cast<double>(b[l * pitch + j + x]);
        }
      }
      for (int64_t x = 0; x < 16; ++x) c[i * pitch + j + x] = static_cast<float>(sum[x]);
    }
  }
}

void multiply(Panels& p, int64_t m, int64_t pitch, int64_t k, bool adds, Summation how) {
  if (!adds) std::fill(p.c.begin(), p.c.end(), 0.0f);
  const auto sequential = EMULATOR_IS_WIDE ? multiply_wide : multiply_sequential;
  const auto run = how.order == MmadOrder::sequential ? sequential
                   : how.order == MmadOrder::tree16   ? multiply_tree16
                                                      : multiply_exact;
  // Products of 16-bit values are exact in fp32: the mode rounds sums alone.
  const int nearest = std::fegetround();
  if (how.truncates) std::fesetround(FE_TOWARDZERO);
  run(p.a.data(), p.b.data(), p.c.data(), m, pitch, k);
  if (how.truncates) std::fesetround(nearest);
}

EMULATOR_VECTORISED
void widen(float* dst, const void* src, int64_t count, bool bf16) {
  const auto* from = static_cast<const uint16_t*>(src);
  if (bf16) {
    for (int64_t i = 0; i < count; ++i) dst[i] = bf16_to_float(from[i]);
  } else {
    for (int64_t i = 0; i < count; ++i) dst[i] = half_to_float(from[i]);
  }
}

void narrow(void* dst, const void* src, int64_t count, bool bf16, bool saturates) {
  for (int64_t i = 0; i < count; ++i) {
    float x = 0;
    std::memcpy(&x, static_cast<const uint8_t*>(src) + 4 * i, sizeof x);
    uint16_t bits = bf16 ? float_to_bf16(x) : float_to_half(x);
    if (saturates) bits = saturated(bits, bf16);
    std::memcpy(static_cast<uint8_t*>(dst) + 2 * i, &bits, sizeof bits);
  }
}

}  // namespace emulator
