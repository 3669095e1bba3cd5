// Vector instructions: values and lanes worked out by hand.
#include <algorithm>
#include <cmath>
#include <limits>

#include "micro_test.h"

namespace micro_test {
namespace {

using Floats = std::vector<float>;

// 32 rows of 128 columns; the maximum of row r is 1000 + r, somewhere.
Floats rows_of_128(size_t rows) {
  Floats s(rows * 128);
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < 128; ++c) s[128 * r + c] = static_cast<float>((r * 31 + c * 17) % 100);
    s[128 * r + (r * 37) % 128] = static_cast<float>(1000 + r);
  }
  return s;
}

const Test row_maximum("row_maximum_of_128_columns_in_three_instructions", [] {
  Floats in = rows_of_128(16);
  Floats out(16 * 64 + 128 + 16, -1.0f);
  expect_ok(through_ub<float, float>(out, in, [](const auto& dst, const auto& s) {
    const auto t = dst;
    const auto u = dst[16 * 64];
    const auto m = dst[16 * 64 + 128];
    Max(t, s, s[64], 64, 16, {1, 1, 1, 8, 16, 16});
    PipeBarrier<PIPE_V>();
    BlockReduceMax(u, t, 16, 64, 1, 1, 8);
    PipeBarrier<PIPE_V>();
    BlockReduceMax(m, u, 2, 64, 1, 1, 8);
  }));
  for (size_t r = 0; r < 16; ++r) {
    expect(out[16 * 64 + 128 + r] == static_cast<float>(1000 + r), "row " + std::to_string(r));
  }
});

const Test whole_values("whole_reduce_max_gives_values_when_asked", [] {
  Floats in = rows_of_128(4);
  Floats out(64, -1.0f);
  expect_ok(through_ub<float, float>(out, in, [](const auto& m, const auto& s) {
    WholeReduceMax(m, s, 64, 4, 1, 1, 16, ReduceOrder::ORDER_ONLY_VALUE);
    WholeReduceMax(m[8], s, 64, 4, 8, 1, 16, ReduceOrder::ORDER_ONLY_VALUE);
  }));
  Floats want(64, -1.0f);
  for (size_t r = 0; r < 4; ++r) {
    want[r] = *std::max_element(in.begin() + static_cast<long>(128 * r),
                                in.begin() + static_cast<long>(128 * r + 64));
    want[8 + 8 * r] = want[r];
  }
  expect_values(out, want);
});

const Test whole_pairs("whole_reduce_max_writes_pairs_by_default", [] {
  Floats in = rows_of_128(4);
  Floats out(16, -1.0f);
  expect_ok(through_ub<float, float>(out, in, [](const auto& m, const auto& s) {
    WholeReduceMax(m, s, 64, 1, 1, 1, 16);
    WholeReduceMin(m[2], s, 64, 1, 1, 1, 16);
  }));
  expect(out[0] == 1000.0f && emulator::bit_cast<uint32_t>(out[1]) == 0, "value, index");
  expect(out[2] == 1.0f && emulator::bit_cast<uint32_t>(out[3]) == 53, "17 * 53 % 100");
});

const Test sum_tree("block_reduce_sum_adds_adjacent_pairs", [] {
  Floats in(64, 0.0f);
  in[0] = 16777216.0f;
  in[2] = in[3] = 1.0f;
  Floats out(8, -1.0f);
  expect_ok(through_ub<float, float>(
      out, in, [](const auto& u, const auto& s) { BlockReduceSum(u, s, 1, 64, 1, 1, 8); }));
  expect_values(out, {16777218.0f, 0, 0, 0, 0, 0, 0, 0});
});

const Test sum_mask("reductions_skip_lanes_that_are_off", [] {
  Floats in = counting<float>(64);
  Floats out(16, -1.0f);
  expect_ok(through_ub<float, float>(out, in, [](const auto& u, const auto& s) {
    WholeReduceSum(u, s, 10, 1, 1, 1, 8);
    uint64_t mask[2] = {0xF000, 0};
    WholeReduceSum(u[1], s, mask, 1, 1, 1, 8);
    BlockReduceSum(u[8], s, 1, 12, 1, 1, 8);
  }));
  expect(out[0] == 45.0f && out[1] == 54.0f, "10 lanes; lanes 12..15");
  expect(out[8] == 28.0f && out[9] == 38.0f && out[10] == -1.0f, "a block that is off stays");
});

const Test broadcast("brcb_and_a_stride_of_0_subtract_a_column", [] {
  Floats in = counting<float>(8 * 128 + 8);
  Floats out(8 * 128 + 64, -1.0f);
  expect_ok(through_ub<float, float>(out, in, [](const auto& dst, const auto& s) {
    const auto mb = dst[8 * 128];
    Brcb(mb, s[8 * 128], 1, {1, 8});
    PipeBarrier<PIPE_V>();
    Sub(dst, s, mb, 64, 8, {1, 1, 0, 16, 16, 1});
    Sub(dst[64], s[64], mb, 64, 8, {1, 1, 0, 16, 16, 1});
  }));
  for (size_t r = 0; r < 8; ++r) {
    expect(out[8 * 128 + 8 * r + 5] == static_cast<float>(1024 + r), "block r holds element r");
    for (size_t c = 0; c < 128; ++c) {
      expect(out[128 * r + c] == static_cast<float>(127 * r + c) - 1024.0f, "s - m");
    }
  }
});

const Test counter("counter_mode_covers_its_count_whatever_the_repeats", [] {
  Floats in(256, 0.0f);
  Floats out(256, -1.0f);
  expect_ok(through_ub<float, float>(out, in, [](const auto& dst, const auto& src) {
    SetMaskCount();
    SetVectorMask<float, MaskMode::COUNTER>(0, 100);
    Adds<float, false>(dst, src, 1.0f, uint64_t{0}, 1, {1, 1, 16, 16});
    SetMaskNorm();
    ResetMask();
  }));
  Floats want(256, -1.0f);
  for (size_t i = 0; i < 64; ++i) want[i] = 1.0f;
  for (size_t i = 128; i < 164; ++i) want[i] = 1.0f;
  expect_values(out, want);
});

const Test masks("masks_choose_lanes_in_every_repeat", [] {
  Floats in(128, 3.0f);
  Floats out(128, -1.0f);
  expect_ok(through_ub<float, float>(out, in, [](const auto& dst, const auto& src) {
    Muls(dst, src, 2.0f, 3, 2, {1, 1, 8, 8});
    uint64_t mask[2] = {uint64_t{1} << 40 | uint64_t{1} << 63, 0};
    Muls(dst, src, 3.0f, mask, 2, {1, 1, 8, 8});
  }));
  Floats want(128, -1.0f);
  for (const size_t base : {size_t{0}, size_t{64}}) {
    for (size_t i = 0; i < 3; ++i) want[base + i] = 6.0f;
    want[base + 40] = want[base + 63] = 9.0f;
  }
  expect_values(out, want);
});

const Test register_mask("a_count_form_forgets_the_mask_that_was_set", [] {
  Floats in(64, 1.0f);
  Floats out(128, -1.0f);
  expect_ok(through_ub<float, float>(out, in, [](const auto& dst, const auto& src) {
    SetVectorMask<float>(0, 0xF);
    Adds<float, false>(dst, src, 1.0f, uint64_t{0}, 1, {1, 1, 8, 8});
    PipeBarrier<PIPE_V>();
    Adds(dst[64], src, 1.0f, 64);
    PipeBarrier<PIPE_V>();
    Adds<float, false>(dst[64], src, 2.0f, uint64_t{0}, 1, {1, 1, 8, 8});
  }));
  expect(out[3] == 2.0f && out[4] == -1.0f, "four lanes");
  expect(out[64 + 63] == 3.0f, "then all of them");
});

const Test arithmetic("count_forms_of_every_binary_operation", [] {
  Floats in = {6, -6, 1.5f, 0, 1, 1, 1, 1, 2, 4, 4, 0.25f, 1, 1, 1, 1};
  Floats out(6 * 8, -1.0f);
  expect_ok(through_ub<float, float>(out, in, [](const auto& d, const auto& s) {
    Add(d, s, s[8], 4);
    Sub(d[8], s, s[8], 4);
    Mul(d[16], s, s[8], 4);
    Div(d[24], s, s[8], 4);
    Max(d[32], s, s[8], 4);
    Min(d[40], s, s[8], 4);
  }));
  const Floats want = {8, -2,    5.5f,   0.25f, 4, -10, -2.5f, -0.25f, 12, -24, 6,    0,
                       3, -1.5f, 0.375f, 0,     6, 4,   4,     0.25f,  2,  -6,  1.5f, 0};
  for (size_t i = 0; i < 24; ++i) {
    expect(out[i / 4 * 8 + i % 4] == want[i], "result " + std::to_string(i));
    expect(out[i / 4 * 8 + 4 + i % 4] == -1.0f, "beyond the count");
  }
});

const Test scalars("count_forms_of_every_scalar_operation_in_half", [] {
  std::vector<half> in = counting<half>(16);
  std::vector<half> out(64, half(-1.0f));
  expect_ok(through_ub<half, half>(out, in, [](const auto& d, const auto& s) {
    Adds(d, s, half(0.5f), 16);
    Muls(d[16], s, half(3.0f), 16);
    Maxs(d[32], s, half(4.0f), 16);
    Mins(d[48], s, half(4.0f), 16);
  }));
  for (size_t i = 0; i < 16; ++i) {
    const float x = static_cast<float>(i);
    const float want[] = {x + 0.5f, 3 * x, std::max(x, 4.0f), std::min(x, 4.0f)};
    for (size_t k = 0; k < 4; ++k) expect(static_cast<float>(out[16 * k + i]) == want[k], "half");
  }
});

const Test nan_wins("max_and_min_let_nan_through_from_either_side", [] {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  Floats in = {nan, 1, nan, 2, 0, 0, 0, 0, 1, nan, nan, 1, 0, 0, 0, 0};
  Floats out(16, -1.0f);
  expect_ok(through_ub<float, float>(out, in, [](const auto& d, const auto& s) {
    Max(d, s, s[8], 4);
    Min(d[8], s, s[8], 4);
  }));
  expect_values(out, {nan, nan, nan, 2, -1, -1, -1, -1, nan, nan, nan, 1, -1, -1, -1, -1});
});

const Test bits("logic_and_shifts_work_on_bits", [] {
  std::vector<uint16_t> in(32, 0xA5F0);
  for (size_t i = 16; i < 32; ++i) in[i] = 0x0FF0;
  std::vector<uint16_t> out(16 * 5, 0);
  const Report report = through_ub<uint16_t, uint16_t>(out, in, [](const auto& d, const auto& s) {
    And(d, s, s[16], 16);
    Or(d[16], s, s[16], 16);
    Not(d[32], s, 16);
    ShiftLeft(d[48], s, uint16_t{4}, 16);
    ShiftRight(d[64], s, uint16_t{4}, 16);
  });
  expect_ok(report);
  expect(out[0] == 0x05F0 && out[16] == 0xAFF0 && out[32] == 0x5A0F, "and, or, not");
  expect(out[48] == 0x5F00 && out[64] == 0x0A5F, "shifts");
});

const Test sign_kept("a_signed_left_shift_keeps_the_sign_bit", [] {
  std::vector<int32_t> in(8, static_cast<int32_t>(0xA0000001));
  std::vector<int32_t> out(16, 0);
  expect_ok(through_ub<int32_t, int32_t>(out, in, [](const auto& d, const auto& s) {
    ShiftLeft(d, s, int32_t{1}, 8);
    ShiftRight(d[8], s, int32_t{4}, 8);
  }));
  expect(static_cast<uint32_t>(out[0]) == 0xC0000002u, "left");
  expect(static_cast<uint32_t>(out[8]) == 0xFA000000u, "right");
});

const Test overflow("integer_overflow_is_refused", [] {
  std::vector<int32_t> in(8, 2000000000);
  std::vector<int32_t> out(8, 0);
  const auto body = [](const auto& d, const auto& s) { Add(d, s, s, 8); };
  expect_error(through_ub<int32_t, int32_t>(out, in, body), {"Add", "not documented"});
});

const Test selects("select_takes_src0_where_the_bit_is_1", [] {
  Floats in = counting<float>(128 + 8);
  // bytes 0..15: bit 0 of byte 0, bit 1 of byte 8, all of byte 15
  const uint64_t low = 1;
  const uint64_t high = (uint64_t{0xFF} << 56) | 2;
  std::memcpy(&in[128], &low, 8);
  std::memcpy(&in[130], &high, 8);
  Floats out(256, -1.0f);
  expect_ok(through_ub<float, float>(out, in, [](const auto& d, const auto& s) {
    const LocalTensor<uint8_t> chosen = s[128].template ReinterpretCast<uint8_t>();
    Select(d, chosen, s, 7.0f, SELMODE::VSEL_TENSOR_SCALAR_MODE, 64, 2, {1, 1, 1, 8, 8, 8});
    Duplicate(d[128], 5.0f, 128);
    PipeBarrier<PIPE_V>();
    Select(d[128], chosen, s, d[128], SELMODE::VSEL_TENSOR_TENSOR_MODE, 128);
  }));
  for (size_t i = 0; i < 128; ++i) {
    const bool bit = i == 0 || i == 65 || i >= 120;
    expect(out[i] == (bit ? in[i] : 7.0f), "scalar mode, lane " + std::to_string(i));
    expect(out[128 + i] == (bit ? in[i] : 5.0f), "tensor mode, lane " + std::to_string(i));
  }
});

const Test compares("compare_packs_bits_lowest_first", [] {
  Floats in = counting<float>(128);
  std::vector<uint8_t> out(64, 0);
  expect_ok(through_ub<uint8_t, float>(out, in, [](const auto& d, const auto& s) {
    CompareScalar(d, s, 9.0f, CMPMODE::GE, 64);
    Compare(d[32], s, s[64], CMPMODE::LT, 64);
  }));
  expect(out[0] == 0 && out[1] == 0xFE && out[7] == 0xFF && out[8] == 0, "elements 9..63");
  expect(out[32] == 0xFF && out[39] == 0xFF, "all less");
});

const Test compare_count("compare_needs_whole_repeats", [] {
  Floats in = counting<float>(64);
  std::vector<uint8_t> out(32, 0);
  const auto body = [](const auto& d, const auto& s) {
    CompareScalar(d, s, 9.0f, CMPMODE::GE, 60);
  };
  expect_error(through_ub<uint8_t, float>(out, in, body), {"CompareScalar", "multiple of 256 B"});
});

const Test duplicates("duplicate_fills_counts_and_masks", [] {
  std::vector<half> in(16, half(0));
  std::vector<half> out(256, half(-1.0f));
  expect_ok(through_ub<half, half>(out, in, [](const auto& d, const auto&) {
    Duplicate(d, half(2.0f), 20);
    Duplicate(d[128], half(3.0f), 16, 2, 1, 4);
  }));
  expect(static_cast<float>(out[19]) == 2.0f && static_cast<float>(out[20]) == -1.0f, "count");
  expect(static_cast<float>(out[143]) == 3.0f && static_cast<float>(out[144]) == -1.0f &&
             static_cast<float>(out[192 + 15]) == 3.0f,
         "mask, repeat stride 4 blocks");
});

}  // namespace
}  // namespace micro_test
