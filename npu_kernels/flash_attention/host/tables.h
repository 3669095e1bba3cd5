// The tables that the kernels read: sizes.h says where each lies. Host only.
#pragma once

#include <cstring>
#include <vector>

#include "common/problem.h"

namespace flash {

inline void set_lowest_bits(uint8_t* row, int64_t count) {
  for (int64_t bit = 0; bit < count; ++bit) row[bit / 8] |= static_cast<uint8_t>(1 << (bit % 8));
}

inline std::vector<uint8_t> constant_tables() {
  std::vector<uint8_t> tables(static_cast<size_t>(sequences_at), 0);
  for (int64_t row = 0; row < staircase_rows; ++row) {
    set_lowest_bits(tables.data() + staircase_at + row * bits_row_bytes,
                    min_of(row - block_k, block_k));
  }
  for (int64_t row = 0; row < constant_rows; ++row) {
    uint8_t* twice = tables.data() + constant_rows_at + row * constant_row_bytes;
    set_lowest_bits(twice, row);
    set_lowest_bits(twice + bits_row_bytes, row);
  }
  float ramp[block_k];
  for (int64_t key = 0; key < block_k; ++key) ramp[key] = static_cast<float>(key);
  std::memcpy(tables.data() + ramp_at, ramp, sizeof(ramp));
  return tables;
}

inline std::vector<uint8_t> tables_of(const std::vector<Sequence>& sequences) {
  static const std::vector<uint8_t> constant = constant_tables();
  static_assert(sizeof(Sequence) == sequence_bytes, "tables");
  std::vector<uint8_t> tables = constant;
  tables.resize(static_cast<size_t>(tables_bytes(static_cast<int64_t>(sequences.size()))));
  if (!sequences.empty()) {
    std::memcpy(tables.data() + sequences_at, sequences.data(),
                sequences.size() * sizeof(Sequence));
  }
  return tables;
}

}  // namespace flash
