// Naive attention in float: scores, softmax, mean of values, row by row.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "exported_case.h"

struct Answer {
  std::vector<float> out;  // (batch, seqlen_q, heads_q, head_dim_v)
  std::vector<float> lse;  // (batch, heads_q, seqlen_q)
};

// Whether query i sees key j: window_left and window_right around the case's diagonal.
inline bool sees(const ExportedCase& asked, int64_t i, int64_t j, int64_t shift) {
  const std::string &left = asked.values.at("window_left"),
                    &right = asked.values.at("window_right");
  return (left == "none" || j >= i + shift - std::stoll(left)) &&
         (right == "none" || j <= i + shift + std::stoll(right));
}

// Throws for whatever this example does not know.
inline void require_plain(const ExportedCase& asked) {
  for (const char* name : {"bias", "slopes", "sink", "mask_keep", "cu_seqlens_q", "dropout_bits"}) {
    if (asked.types.count(name) != 0) {
      throw std::runtime_error(std::string("this example knows no ") + name);
    }
  }
  if (asked.values.at("layout") != "BSND" || asked.values.at("softcap") != "none" ||
      asked.values.at("prefix") != "0") {
    throw std::runtime_error("this example knows layout BSND, no softcap and no prefix");
  }
}

inline Answer attention(const ExportedCase& asked, float scale) {
  require_plain(asked);
  const std::vector<float> q = read_tensor(asked, "q"), k = read_tensor(asked, "k"),
                           v = read_tensor(asked, "v");
  const std::vector<int64_t>&of_q = asked.shapes.at("q"), &of_v = asked.shapes.at("v");
  const int64_t batch = of_q[0], seqlen_q = of_q[1], heads_q = of_q[2], head_dim = of_q[3];
  const int64_t seqlen_k = of_v[1], heads_k = of_v[2], head_dim_v = of_v[3];
  const int64_t shift = asked.values.at("anchor") == "bottom-right" ? seqlen_k - seqlen_q : 0;
  const auto at = [](int64_t index) { return static_cast<size_t>(index); };

  Answer answer{std::vector<float>(at(batch * seqlen_q * heads_q * head_dim_v), 0.0F),
                std::vector<float>(at(batch * heads_q * seqlen_q))};
  std::vector<float> s(at(seqlen_k));
  for (int64_t row = 0; row < batch * heads_q * seqlen_q; ++row) {
    const int64_t i = row % seqlen_q, n = row / seqlen_q % heads_q, b = row / seqlen_q / heads_q;
    const int64_t n_k = n / (heads_q / heads_k);
    const float* q_row = &q[at(((b * seqlen_q + i) * heads_q + n) * head_dim)];
    float m = -std::numeric_limits<float>::infinity();
    for (int64_t j = 0; j < seqlen_k; ++j) {
      const float* k_row = &k[at(((b * seqlen_k + j) * heads_k + n_k) * head_dim)];
      float product = 0.0F;
      for (int64_t c = 0; c < head_dim; ++c) {
        product += q_row[c] * k_row[c];
      }
      s[at(j)] =
          sees(asked, i, j, shift) ? scale * product : -std::numeric_limits<float>::infinity();
      m = std::max(m, s[at(j)]);
    }
    answer.lse[at(row)] = m;
    if (std::isinf(m)) {
      continue;  // the row sees no key: out is 0, lse -inf
    }
    float l = 0.0F;
    float* out = &answer.out[at(((b * seqlen_q + i) * heads_q + n) * head_dim_v)];
    for (int64_t j = 0; j < seqlen_k; ++j) {
      const float p = std::exp(s[at(j)] - m);
      const float* v_row = &v[at(((b * seqlen_k + j) * heads_k + n_k) * head_dim_v)];
      l += p;
      for (int64_t c = 0; c < head_dim_v; ++c) {
        out[c] += p * v_row[c];
      }
    }
    for (int64_t c = 0; c < head_dim_v; ++c) {
      out[c] /= l;
    }
    answer.lse[at(row)] = m + std::log(l);
  }
  return answer;
}
