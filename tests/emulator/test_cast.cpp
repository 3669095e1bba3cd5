// Formats: every half and bf16, every rounding mode, Exp and Ln against long double.
#include <algorithm>
#include <cmath>
#include <limits>

#include "micro_test.h"

namespace micro_test {
namespace {

using emulator::bit_cast;

const Test half_trip("half_survives_the_trip_through_float", [] {
  for (uint32_t i = 0; i < 65536; ++i) {
    const uint16_t bits = static_cast<uint16_t>(i);
    const float wide = emulator::half_to_float(bits);
    if ((i & 0x7FFFu) > 0x7C00u) {
      expect(wide != wide && std::isnan(emulator::half_to_float(emulator::float_to_half(wide))),
             "NaN");
      continue;
    }
    const int exponent = static_cast<int>((i >> 10) & 31u);
    const double significand = exponent == 0 ? (i & 1023u) : (i & 1023u) + 1024u;
    const double value = std::ldexp(significand, (exponent == 0 ? 1 : exponent) - 25);
    if (exponent < 31) expect(static_cast<double>(std::fabs(wide)) == value, std::to_string(i));
    expect(emulator::float_to_half(wide) == bits, "half " + std::to_string(i));
  }
});

// Between two neighbours, and on them.
const Test half_modes("float_to_half_rounds_as_each_mode_says", [] {
  for (uint32_t i = 0; i < 0x7BFFu; ++i) {
    const float low = emulator::half_to_float(static_cast<uint16_t>(i));
    const float high = emulator::half_to_float(static_cast<uint16_t>(i + 1));
    const float middle = (low + high) / 2;
    const auto code = [](float x, RoundMode mode) { return emulator::float_to_half(x, mode); };
    const uint16_t even = static_cast<uint16_t>(i + i % 2);
    expect(emulator::float_to_half(middle) == even, "tie to even");
    expect(code(middle, RoundMode::CAST_RINT) == even, "rint");
    expect(code(middle, RoundMode::CAST_ROUND) == i + 1, "away");
    expect(code(-middle, RoundMode::CAST_ROUND) == (0x8000u | (i + 1)), "away, negative");
    expect(code(middle, RoundMode::CAST_FLOOR) == i, "floor");
    expect(code(-middle, RoundMode::CAST_FLOOR) == (0x8000u | (i + 1)), "floor, negative");
    expect(code(middle, RoundMode::CAST_CEIL) == i + 1, "ceil");
    expect(code(middle, RoundMode::CAST_TRUNC) == i, "trunc");
    expect(code(middle, RoundMode::CAST_ODD) == i + 1 - i % 2, "odd");
    expect(code(low, RoundMode::CAST_CEIL) == i, "exact");
  }
});

const Test half_ends("float_to_half_overflows_at_65520", [] {
  expect(emulator::float_to_half(65519.9f) == 0x7BFF, "below");
  expect(emulator::float_to_half(65520.0f) == 0x7C00, "at");
  expect(emulator::float_to_half(1e30f, RoundMode::CAST_TRUNC) == 0x7BFF, "trunc");
  expect(emulator::float_to_half(0x1p-25f) == 0 && emulator::float_to_half(0x1.8p-25f) == 1,
         "tiny");
});

const Test bf16("float_to_bf16_rounds_once", [] {
  expect(emulator::float_to_bf16(1.0078125f) == 0x3F81, "exact");
  expect(emulator::float_to_bf16(1.00390625f) == 0x3F80, "tie to even");
  expect(emulator::float_to_bf16(1.01171875f) == 0x3F82, "tie to even, up");
  expect(emulator::float_to_bf16(1.00390625f, RoundMode::CAST_ROUND) == 0x3F81, "away");
  expect(emulator::float_to_bf16(std::numeric_limits<float>::max()) == 0x7F80, "overflow");
  expect(emulator::float_to_bf16(0x1p-133f) == 1 && emulator::float_to_bf16(0x1p-135f) == 0,
         "tiny");
});

double ulps_between(float got, double want) {
  int exponent = 0;
  std::frexp(want, &exponent);
  return std::fabs(static_cast<double>(got) - want) /
         std::ldexp(1.0, std::max(exponent - 24, -149));
}

const Test exp_exact("exp_is_rounded_correctly_to_a_hair", [] {
  double worst = 0;
  for (float x = -104.0f; x < 88.7f; x += 0.0137f) {
    worst = std::max(worst, ulps_between(emulator::exp_of(x), std::exp(static_cast<double>(x))));
  }
  expect(worst <= 0.5000001, "worst error in ulp: " + std::to_string(worst));
  const float infinity = std::numeric_limits<float>::infinity();
  expect(emulator::exp_of(0) == 1 && emulator::exp_of(-infinity) == 0, "0, -inf");
  expect(emulator::exp_of(-3.4e38f) == 0 && emulator::exp_of(infinity) == infinity, "ends");
  expect(std::isnan(emulator::exp_of(NAN)), "NaN");
});

const Test ln_exact("ln_is_rounded_correctly_to_a_hair", [] {
  double worst = 0;
  for (float x = 1e-38f; x < 1e38f; x *= 1.0173f) {
    worst = std::max(worst, ulps_between(emulator::ln_of(x), std::log(static_cast<double>(x))));
  }
  expect(worst <= 0.5000001, "worst error in ulp: " + std::to_string(worst));
  expect(emulator::ln_of(0) == -std::numeric_limits<float>::infinity(), "0");
  expect(std::isnan(emulator::ln_of(-1)) && emulator::ln_of(1) == 0, "-1, 1");
});

// Whether results of `instruction` are off by `most` ulps at most, and some by as many.
void expect_off_by(
    int most, std::vector<float> in, float (*exact)(float), const Options& options,
    const std::function<void(const LocalTensor<float>&, const LocalTensor<float>&)>& instruction) {
  std::vector<float> out(in.size(), -1.0f);
  expect_ok(through_ub<float, float>(out, in, instruction, options));
  int moved = 0;
  for (size_t i = 0; i < in.size(); ++i) {
    const int off = bit_cast<int32_t>(out[i]) - bit_cast<int32_t>(exact(in[i]));
    moved = std::max(moved, std::abs(off));
  }
  expect(moved == most, "off by " + std::to_string(moved) + " ulps");
}

const Test exp_knob("the_exp_knob_moves_results_by_at_most_its_ulps", [] {
  std::vector<float> in = counting<float>(64);
  for (float& x : in) x = -x / 7;
  for (const int most : {0, 1, 4}) {
    Options options;
    options.exp_ulps = most;
    options.seed = 7;
    expect_off_by(most, in, emulator::exp_of, options,
                  [](const auto& d, const auto& s) { Exp(d, s, 64); });
  }
});

const Test ln_knob("the_ln_knob_moves_results_by_at_most_its_ulps", [] {
  std::vector<float> in = counting<float>(64);
  for (float& x : in) x = (x + 0.5f) / 7;  // logarithms of either sign
  for (const int most : {0, 1, 4}) {
    Options options;
    options.ln_ulps = most;
    options.seed = 7;
    expect_off_by(most, in, emulator::ln_of, options,
                  [](const auto& d, const auto& s) { Ln(d, s, 64); });
  }
});

template <typename T, typename U>
Report cast_to(std::vector<T>& out, std::vector<U>& in, RoundMode mode,
               const Options& options = {}) {
  const uint32_t count = static_cast<uint32_t>(in.size());
  return through_ub<T, U>(
      out, in, [&](const auto& d, const auto& s) { Cast(d, s, mode, count); }, options);
}

const Test saturation("cast_saturates_unless_told_not_to", [] {
  std::vector<float> in(16, 1e6f);
  in[1] = -1e6f;
  in[2] = NAN;
  std::vector<half> out(16);
  expect_ok(cast_to(out, in, RoundMode::CAST_RINT));
  expect(out[0].bits == 0x7BFF && out[1].bits == 0xFBFF && out[2].bits == 0, "saturating");
  Options options;
  options.saturate = false;
  expect_ok(cast_to(out, in, RoundMode::CAST_RINT, options));
  expect(out[0].bits == 0x7C00 && out[1].bits == 0xFC00 && (out[2].bits & 0x7FFF) > 0x7C00, "ieee");
});

const Test integers("cast_between_integers_and_floats", [] {
  std::vector<float> in = {1.5f, 2.5f, -1.5f, -2.7f, 0, 3e9f, -3e9f, 7};
  std::vector<int32_t> out(8);
  expect_ok(cast_to(out, in, RoundMode::CAST_RINT));
  expect_values(out, {2, 2, -2, -3, 0, 2147483647, -2147483647 - 1, 7});
  expect_ok(cast_to(out, in, RoundMode::CAST_FLOOR));
  expect(out[0] == 1 && out[3] == -3, "floor");
  std::vector<float> back(8);
  expect_ok(cast_to(back, out, RoundMode::CAST_NONE));
  expect(back[0] == 1.0f, "back");
  std::vector<uint8_t> bytes(32, 200);
  std::vector<half> halves(32);
  expect_ok(cast_to(halves, bytes, RoundMode::CAST_NONE));
  expect(static_cast<float>(halves[31]) == 200.0f, "uint8_t");
});

const Test no_such("cast_refuses_modes_that_a_pair_lacks", [] {
  std::vector<float> in(16, 1.0f);
  std::vector<bfloat16_t> out(16);
  expect_error(cast_to(out, in, RoundMode::CAST_NONE), {"Cast", "bfloat16_t", "rounding mode"});
});

const Test repeat_form("cast_repeats_follow_the_wider_type", [] {
  std::vector<float> in = counting<float>(128);
  std::vector<half> out(128, half(-1.0f));
  expect_ok(through_ub<half, float>(out, in, [](const auto& d, const auto& s) {
    Cast(d, s, RoundMode::CAST_RINT, 64, 2, {1, 1, 4, 8});
  }));
  expect(static_cast<float>(out[127]) == 127.0f, "128 elements in two repeats");
});

const Test in_place("cast_refuses_to_widen_in_place", [] {
  std::vector<half> in(64, half(1.0f));
  std::vector<float> out(64);
  const auto body = [](const auto& d, const auto&) {
    Duplicate(d, 0.0f, 64);
    PipeBarrier<PIPE_V>();
    Cast(d, d.template ReinterpretCast<half>(), RoundMode::CAST_NONE, 64);
  };
  expect_error(through_ub<float, half>(out, in, body), {"Cast", "overlap"});
});

}  // namespace
}  // namespace micro_test
