// The remaining parameter forms of vector instructions: bit masks, strides, half.
#include <algorithm>
#include <cmath>
#include <limits>

#include "micro_test.h"

namespace micro_test {
namespace {

using Floats = std::vector<float>;
using Halves = std::vector<half>;

const Test bit_masks("binary_bit_masks_leave_other_lanes_alone", [] {
  Floats in = counting<float>(128);
  Floats out(128, -1.0f);
  expect_ok(through_ub<float, float>(out, in, [](const auto& d, const auto& s) {
    uint64_t mask[2] = {0x8000000000000001u, 0};
    Mul(d, s, s, mask, 2, {1, 1, 1, 8, 8, 8});
  }));
  for (size_t i = 0; i < 128; ++i) {
    const bool on = i % 64 == 0 || i % 64 == 63;
    expect(out[i] == (on ? in[i] * in[i] : -1.0f), "lane " + std::to_string(i));
  }
});

const Test block_strides("block_strides_spread_and_reread_blocks", [] {
  Floats in = counting<float>(128);
  Floats out(128, -1.0f);
  // 16 lanes are two blocks: written to blocks 0 and 3, read from blocks 0 and 2, then 1 and 3
  expect_ok(through_ub<float, float>(
      out, in, [](const auto& d, const auto& s) { Adds(d, s, 0.5f, 16, 2, {3, 2, 1, 1}); }));
  const size_t to[] = {0, 24, 8, 32};
  const size_t from[] = {0, 16, 8, 24};
  Floats want(128, -1.0f);
  for (size_t b = 0; b < 4; ++b) {
    for (size_t i = 0; i < 8; ++i) want[to[b] + i] = in[from[b] + i] + 0.5f;
  }
  expect_values(out, want);
});

const Test no_repeats("repeat_0_does_nothing", [] {
  Floats in(64, 1.0f);
  Floats out(64, -1.0f);
  expect_ok(through_ub<float, float>(out, in, [](const auto& d, const auto& s) {
    Adds(d, s, 1.0f, 64, 0, {1, 1, 8, 8});
    Duplicate(d, 1.0f, 64, 0, 1, 8);
    Brcb(d, s, 0, {1, 8});
    WholeReduceSum(d, s, 64, 0, 1, 1, 8);
  }));
  expect_values(out, Floats(64, -1.0f));
});

const Test absolute("abs_clears_the_sign_and_nothing_else", [] {
  const float inf = std::numeric_limits<float>::infinity();
  Floats in = {-1.5f, 1.5f, -0.0f, 0.0f, -inf, inf, -1e-45f, std::numeric_limits<float>::lowest()};
  Floats out(16, -1.0f);
  expect_ok(through_ub<float, float>(out, in, [](const auto& d, const auto& s) {
    Abs(d, s, 8);
    Abs(d[8], s, 3, 1, {1, 1, 8, 8});
  }));
  for (size_t i = 0; i < 8; ++i) {
    expect(out[i] == -std::min(in[i], -in[i]) && !std::signbit(out[i]), "lane");
    expect(out[8 + i] == (i < 3 ? out[i] : -1.0f), "masked lane");
  }
});

const Test absolute_half("abs_of_half", [] {
  Halves in(16);
  for (half& x : in) x.bits = 0x8001;
  in[0].bits = 0xFC00;
  Halves out(16);
  expect_ok(through_ub<half, half>(out, in, [](const auto& d, const auto& s) { Abs(d, s, 16); }));
  expect(out[0].bits == 0x7C00 && out[1].bits == 0x0001, "sign bits are 0");
});

const Test registers("set_vector_mask_takes_bits_or_a_length", [] {
  Floats in(64, 1.0f);
  Floats out(192, -1.0f);
  expect_ok(through_ub<float, float>(out, in, [](const auto& d, const auto& s) {
    SetVectorMask<float>(3);
    Adds<float, false>(d, s, 1.0f, uint64_t{0}, 1, {1, 1, 8, 8});
    SetVectorMask<float>(0, 0x18);
    Add<float, false>(d[64], s, s, uint64_t{0}, 1, {1, 1, 1, 8, 8, 8});
    ResetMask();
    Exp<float, false>(d[128], s, uint64_t{0}, 1, {1, 1, 8, 8});
  }));
  expect(out[2] == 2.0f && out[3] == -1.0f, "a length of 3");
  expect(out[66] == -1.0f && out[67] == 2.0f && out[68] == 2.0f && out[69] == -1.0f, "bits 3, 4");
  expect(out[191] == emulator::exp_of(1.0f), "all");
});

const Test kept("a_mask_form_leaves_its_mask_in_the_register", [] {
  Floats in(64, 1.0f);
  Floats out(128, -1.0f);
  expect_ok(through_ub<float, float>(out, in, [](const auto& d, const auto& s) {
    Adds(d, s, 1.0f, 5, 1, {1, 1, 8, 8});
    Adds<float, false>(d[64], s, 1.0f, uint64_t{0}, 1, {1, 1, 8, 8});
  }));
  expect(out[68] == 2.0f && out[69] == -1.0f, "five lanes again");
});

const Test mode_mismatch("mask_forms_and_counter_mode_exclude_each_other", [] {
  Floats in(64, 1.0f);
  Floats out(64, -1.0f);
  expect_error(through_ub<float, float>(out, in,
                                        [](const auto& d, const auto& s) {
                                          SetMaskCount();
                                          Adds(d, s, 1.0f, 64, 1, {1, 1, 8, 8});
                                        }),
               {"Adds", "counter mode", "SetMaskNorm"});
  expect_error(
      through_ub<float, float>(
          out, in, [](const auto&, const auto&) { SetVectorMask<float, MaskMode::COUNTER>(0, 8); }),
      {"SetVectorMask", "mode differs"});
});

const Test functions("exp_and_ln_in_float_and_half", [] {
  Floats in = {1, 2, 0.5f, 4, 10, 1e-3f, 3, 7};
  Floats out(16);
  expect_ok(through_ub<float, float>(out, in, [](const auto& d, const auto& s) {
    Exp(d, s, 8);
    Ln(d[8], s, 8);
  }));
  Halves half_in(16, half(0.5f));
  Halves half_out(32);
  expect_ok(through_ub<half, half>(half_out, half_in, [](const auto& d, const auto& s) {
    Exp(d, s, 16);
    Ln(d[16], s, 16);
  }));
  for (size_t i = 0; i < 8; ++i) {
    expect(out[i] == static_cast<float>(std::exp(static_cast<double>(in[i]))), "exp");
    expect(out[8 + i] == static_cast<float>(std::log(static_cast<double>(in[i]))), "ln");
  }
  expect(half_out[3].bits == half(std::exp(0.5f)).bits, "exp of half");
  expect(half_out[19].bits == half(std::log(0.5f)).bits, "ln of half");
});

const Test half_arithmetic("half_rounds_after_each_operation", [] {
  Halves in(32, half(1.0f));
  for (size_t i = 16; i < 32; ++i) in[i].bits = 0x1001;  // a little more than 2^-11
  Halves out(32);
  expect_ok(through_ub<half, half>(out, in, [](const auto& d, const auto& s) {
    Add(d, s, s[16], 16);
    PipeBarrier<PIPE_V>();
    Sub(d[16], d, s[16], 16);
  }));
  expect(out[0].bits == 0x3C01, "1 + 2^-11 (1 + 2^-10) rounds up");
  expect(out[16].bits == 0x3C00, "and back");
});

const Test half_reductions("reductions_of_half_have_128_lanes", [] {
  Halves in = counting<half>(256);
  Halves out(64, half(-1.0f));
  expect_ok(through_ub<half, half>(out, in, [](const auto& d, const auto& s) {
    WholeReduceMax(d, s, 128, 2, 1, 1, 8, ReduceOrder::ORDER_ONLY_VALUE);
    WholeReduceMin(d[2], s, 128, 2, 1, 1, 8, ReduceOrder::ORDER_VALUE_INDEX);
    BlockReduceMax(d[16], s, 2, 128, 1, 1, 8);
    BlockReduceMin(d[32], s, 1, 128, 1, 1, 8);
    BlockReduceSum(d[48], s, 1, 128, 1, 1, 8);
  }));
  const auto at = [&](size_t i) { return static_cast<float>(out[i]); };
  expect(at(0) == 127.0f && at(1) == 255.0f, "whole maxima");
  expect(at(2) == 0.0f && out[3].bits == 0 && at(4) == 128.0f && out[5].bits == 0,
         "minimum, index");
  expect(at(16) == 15.0f && at(31) == 255.0f, "sixteen block maxima");
  expect(at(32) == 0.0f && at(39) == 112.0f && at(40) == -1.0f, "eight block minima");
  expect(at(48) == 120.0f && at(49) == 376.0f, "block sums");
});

const Test reduce_orders("whole_reduce_orders_value_and_index", [] {
  Floats in(64, 1.0f);
  in[9] = in[40] = 5.0f;
  Floats out(16, -1.0f);
  expect_ok(through_ub<float, float>(out, in, [](const auto& d, const auto& s) {
    WholeReduceMax(d, s, 64, 1, 1, 1, 8, ReduceOrder::ORDER_INDEX_VALUE);
    WholeReduceMax(d[2], s, 64, 1, 1, 1, 8, ReduceOrder::ORDER_ONLY_INDEX);
    uint64_t mask[2] = {~uint64_t{0} << 10, 0};
    WholeReduceMax(d[4], s, mask, 1, 1, 1, 8);
    BlockReduceMax(d[8], s, 1, mask, 1, 1, 8);
  }));
  const auto index = [&](size_t i) { return emulator::bit_cast<uint32_t>(out[i]); };
  expect(index(0) == 9 && out[1] == 5.0f && index(2) == 9, "ties: the lowest index");
  expect(out[4] == 5.0f && index(5) == 40, "under a mask");
  expect(out[8] == -1.0f && out[9] == 1.0f && out[13] == 5.0f, "block 0 is off");
});

const Test compare_types("compare_takes_half_and_int32_equality", [] {
  Halves in = counting<half>(128);
  std::vector<uint8_t> out(32, 0);
  expect_ok(through_ub<uint8_t, half>(out, in, [](const auto& d, const auto& s) {
    CompareScalar(d, s, half(3.0f), CMPMODE::EQ, 128);
  }));
  expect(out[0] == 8 && out[1] == 0, "half");
  std::vector<int32_t> words(64, 7);
  words[63] = 8;
  expect_ok(through_ub<uint8_t, int32_t>(out, words, [](const auto& d, const auto& s) {
    CompareScalar(d, s, int32_t{8}, CMPMODE::EQ, 64);
  }));
  expect(out[0] == 0 && out[7] == 0x80, "int32_t");
  expect_error(through_ub<uint8_t, int32_t>(out, words,
                                            [](const auto& d, const auto& s) {
                                              CompareScalar(d, s, int32_t{8}, CMPMODE::LT, 64);
                                            }),
               {"CompareScalar", "int32_t with EQ"});
});

const Test compare_modes("compare_modes_treat_nan_as_unequal", [] {
  Floats in(128, 1.0f);
  in[1] = 2.0f;
  in[2] = 0.0f;
  in[3] = NAN;
  for (size_t i = 64; i < 128; ++i) in[i] = 1.0f;
  const CMPMODE modes[] = {CMPMODE::LT, CMPMODE::GT, CMPMODE::EQ,
                           CMPMODE::LE, CMPMODE::GE, CMPMODE::NE};
  const unsigned want[] = {4, 2, 1, 5, 3, 14};
  for (size_t k = 0; k < 6; ++k) {
    std::vector<uint8_t> out(32, 0);
    expect_ok(through_ub<uint8_t, float>(
        out, in, [&](const auto& d, const auto& s) { Compare(d, s, s[64], modes[k], 64); }));
    expect((out[0] & 15u) == want[k], "mode " + std::to_string(k));
  }
});

const Test select_masked("select_with_a_bit_mask_leaves_other_lanes_alone", [] {
  Floats in = counting<float>(72);
  std::memset(&in[64], 0x0F, 8);
  Floats out(64, -1.0f);
  expect_ok(through_ub<float, float>(out, in, [](const auto& d, const auto& s) {
    uint64_t mask[2] = {0xFF, 0};
    Select(d, s[64].template ReinterpretCast<uint8_t>(), s, 9.0f, SELMODE::VSEL_TENSOR_SCALAR_MODE,
           mask, 1, {1, 1, 1, 8, 8, 8});
  }));
  expect(out[3] == 3.0f && out[4] == 9.0f && out[8] == -1.0f, "bits 0..3 take src0");
});

const Test duplicate_bits("duplicate_with_a_bit_mask", [] {
  Floats in(8, 0.0f);
  Floats out(64, -1.0f);
  expect_ok(through_ub<float, float>(out, in, [](const auto& d, const auto&) {
    uint64_t mask[2] = {5, 0};
    Duplicate(d, 2.0f, mask, 1, 1, 8);
  }));
  expect(out[0] == 2.0f && out[1] == -1.0f && out[2] == 2.0f && out[3] == -1.0f, "lanes 0 and 2");
});

const Test wide_types("shifts_of_uint32_are_logical", [] {
  std::vector<uint32_t> in(8, 0x80000010u);
  std::vector<uint32_t> out(16, 0);
  expect_ok(through_ub<uint32_t, uint32_t>(out, in, [](const auto& d, const auto& s) {
    ShiftRight(d, s, uint32_t{4}, 8);
    ShiftLeft(d[8], s, uint32_t{1}, 8, 1, {1, 1, 8, 8});
  }));
  expect(out[0] == 0x08000001u && out[8] == 0x20u, "right, left");
});

const Test int_arithmetic("integers_add_multiply_and_compare", [] {
  std::vector<int16_t> in(16, -3);
  std::vector<int16_t> out(64, 0);
  expect_ok(through_ub<int16_t, int16_t>(out, in, [](const auto& d, const auto& s) {
    Add(d, s, s, 16);
    Muls(d[16], s, int16_t{5}, 16);
    Maxs(d[32], s, int16_t{2}, 16);
    Mins(d[48], s, int16_t{2}, 16);
  }));
  expect(out[0] == -6 && out[16] == -15 && out[32] == 2 && out[48] == -3, "int16_t");
});

}  // namespace
}  // namespace micro_test
