// What a missing edge does in adversarial mode: some seed gives other numbers, checks or no checks.
#pragma once

#include "micro_test.h"

namespace micro_test {

constexpr uint64_t seeds = 24;

inline Options adversary(uint64_t seed, bool checked = false) {
  Options options;
  options.checked = checked;
  options.adversarial = true;
  options.seed = seed;
  return options;
}

template <typename T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

// `run(ordered, options)` returns the kernel's output, with or without the edge in question.
template <typename Run>
void expect_shown(const char* edge, const Run& run) {
  Options plain;
  const auto right = run(true, plain);
  bool shown = false;
  for (uint64_t seed = 0; seed < seeds; ++seed) {
    for (const bool checked : {false, true}) {
      expect(same_bits(run(true, adversary(seed, checked)), right),
             std::string(edge) + ": other bits with the edge, seed " + std::to_string(seed));
    }
    shown = shown || !same_bits(run(false, adversary(seed)), right);
  }
  expect(shown, std::string(edge) + ": no seed shows that the edge is missing");
}

}  // namespace micro_test
