#include "matmul.h"

#include <algorithm>

#include "dispatch.h"
#include "formats.h"

namespace emulator {
namespace {

// 16 columns at once, whatever the machine's registers hold.
using Row = float __attribute__((vector_size(64)));
constexpr int64_t rows_at_once = 4;
constexpr int64_t chunk = 16;  // terms of one tree

}  // namespace

// Four rows by 32 columns of c stay in registers while k runs.
EMULATOR_VECTORISED
static void multiply_sequential(const float* a, const float* b, float* c, int64_t m, int64_t pitch,
                                int64_t k) {
  for (int64_t j = 0; j < pitch; j += matmul_columns) {
    for (int64_t i = 0; i < m; i += rows_at_once) {
      const int64_t rows = std::min(rows_at_once, m - i);
      Row sum[rows_at_once][2] = {};
      const float* term[rows_at_once];
      for (int64_t r = 0; r < rows_at_once; ++r) {
        const int64_t row = i + std::min(r, rows - 1);  // a short last block repeats its last row
        term[r] = a + row * k;
        std::memcpy(&sum[r], c + row * pitch + j, sizeof sum[r]);
      }
      for (int64_t l = 0; l < k; ++l) {
        Row right[2];
        std::memcpy(&right, b + l * pitch + j, sizeof right);
        for (int64_t r = 0; r < rows_at_once; ++r) {
          sum[r][0] += term[r][l] * right[0];
          sum[r][1] += term[r][l] * right[1];
        }
      }
      for (int64_t r = 0; r < rows; ++r) {
        std::memcpy(c + (i + r) * pitch + j, &sum[r], sizeof sum[r]);
      }
    }
  }
}

EMULATOR_VECTORISED
static void multiply_tree16(const float* a, const float* b, float* c, int64_t m, int64_t pitch,
                            int64_t k) {
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < pitch; j += 16) {
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
    for (int64_t j = 0; j < pitch; j += 16) {
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

void multiply(Panels& p, int64_t m, int64_t pitch, int64_t k, bool adds, MmadOrder order) {
  if (!adds) std::fill(p.c.begin(), p.c.end(), 0.0f);
  const auto run = order == MmadOrder::sequential ? multiply_sequential
                   : order == MmadOrder::tree16   ? multiply_tree16
                                                  : multiply_exact;
  run(p.a.data(), p.b.data(), p.c.data(), m, pitch, k);
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
