#include "numbers/matmul.h"

#include <algorithm>
#include <cfenv>

#include "numbers/dispatch.h"
#include "numbers/formats.h"

namespace emulator {
namespace {

// 16 columns at once, whatever the machine's registers hold.
using Row = float __attribute__((vector_size(64)));
constexpr int64_t rows_at_once = 4;
constexpr int64_t chunk = 16;  // terms of one tree

}  // namespace

// Four rows by 16 columns of c stay in registers while k runs; named one by one, since an array of
// them would live in memory.
EMULATOR_VECTORISED
static void multiply_sequential(const float* a, const float* b, float* c, int64_t m, int64_t pitch,
                                int64_t k) {
  for (int64_t j = 0; j < pitch; j += matmul_columns) {
    for (int64_t i = 0; i < m; i += rows_at_once) {
      // A short last block computes its last row again.
      const int64_t i1 = std::min(i + 1, m - 1);
      const int64_t i2 = std::min(i + 2, m - 1);
      const int64_t i3 = std::min(i + 3, m - 1);
      const float* a0 = a + i * k;
      const float* a1 = a + i1 * k;
      const float* a2 = a + i2 * k;
      const float* a3 = a + i3 * k;
      const float* right = b + j;
      Row sum0, sum1, sum2, sum3;
      std::memcpy(&sum0, c + i * pitch + j, sizeof sum0);
      std::memcpy(&sum1, c + i1 * pitch + j, sizeof sum1);
      std::memcpy(&sum2, c + i2 * pitch + j, sizeof sum2);
      std::memcpy(&sum3, c + i3 * pitch + j, sizeof sum3);
      for (int64_t l = 0; l < k; ++l) {
        Row row;
        std::memcpy(&row, right + l * pitch, sizeof row);
        sum0 += a0[l] * row;
        sum1 += a1[l] * row;
        sum2 += a2[l] * row;
        sum3 += a3[l] * row;
      }
      std::memcpy(c + i * pitch + j, &sum0, sizeof sum0);
      std::memcpy(c + i1 * pitch + j, &sum1, sizeof sum1);
      std::memcpy(c + i2 * pitch + j, &sum2, sizeof sum2);
      std::memcpy(c + i3 * pitch + j, &sum3, sizeof sum3);
    }
  }
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
  const auto run = how.order == MmadOrder::sequential ? multiply_sequential
                   : how.order == MmadOrder::tree16   ? multiply_tree16
                                                      : multiply_exact;
  // Products of 16-bit values are exact in fp32: the mode rounds sums alone.
  const int nearest = std::fegetround();
  if (how.truncates) std::fesetround(FE_TOWARDZERO);
  run(p.a.data(), p.b.data(), p.c.data(), m, pitch, k);
  if (how.truncates) std::fesetround(nearest);
}

void widen(float* dst, const void* src, int64_t count, bool bf16) {
  const auto* from = static_cast<const uint8_t*>(src);
  for (int64_t i = 0; i < count; ++i) {
    uint16_t bits = 0;
    std::memcpy(&bits, from + 2 * i, sizeof bits);
    dst[i] = bf16 ? bf16_to_float(bits) : half_to_float(bits);
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
