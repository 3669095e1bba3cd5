// Integers of the vector unit: results up to the ends of their range, and refusals beyond.
#include <limits>

#include "micro_test.h"

namespace micro_test {
namespace {

constexpr int32_t lowest = std::numeric_limits<int32_t>::min();
constexpr int32_t highest = std::numeric_limits<int32_t>::max();

enum class Op : uint8_t { add, sub, mul, adds, muls };

template <typename T>
struct Sum {
  Op op;
  T x;
  T y;
  bool fits;
  T want;
};

template <typename T>
void apply(Op op, const LocalTensor<T>& d, const LocalTensor<T>& s, T y) {
  constexpr int32_t n = 32 / sizeof(T);
  if (op == Op::adds) Adds(d, s, y, n);
  if (op == Op::muls) Muls(d, s, y, n);
  if (op == Op::add) Add(d, s, s[n], n);
  if (op == Op::sub) Sub(d, s, s[n], n);
  if (op == Op::mul) Mul(d, s, s[n], n);
}

// One lane of a block has the values, the others 0: one overflow among many must be seen.
template <typename T>
void expect_sums(const std::vector<Sum<T>>& sums) {
  constexpr size_t n = 32 / sizeof(T);
  for (const Sum<T>& sum : sums) {
    std::vector<T> in(2 * n, 0);
    in[3] = sum.x;
    in[n + 3] = sum.y;
    std::vector<T> out(n, 0);
    const Report report = through_ub<T, T>(
        out, in, [&](const auto& d, const auto& s) { apply<T>(sum.op, d, s, sum.y); });
    const std::string text = std::to_string(sum.x) + " and " + std::to_string(sum.y);
    expect(report.ok == sum.fits, text + ": " + (report.ok ? "not refused" : report.error));
    if (!sum.fits) expect_error(report, {"an integer result does not fit"});
    if (sum.fits) expect(out[3] == sum.want, text + ": got " + std::to_string(out[3]));
  }
}

const Test words("int32_is_exact_up_to_its_ends_and_refused_beyond", [] {
  expect_sums<int32_t>({
      {Op::add, highest, 0, true, highest},
      {Op::add, highest, 1, false, 0},
      {Op::add, lowest, -1, false, 0},
      {Op::add, lowest, highest, true, -1},
      {Op::sub, lowest, 0, true, lowest},
      {Op::sub, lowest, 1, false, 0},
      {Op::sub, 0, lowest, false, 0},
      {Op::sub, -1, lowest, true, highest},
      {Op::mul, -65536, 32768, true, lowest},
      {Op::mul, 65536, 32768, false, 0},
      {Op::mul, 46341, 46341, false, 0},
      {Op::mul, 46340, 46340, true, 2147395600},
  });
});

const Test with_scalars("int32_with_a_scalar_is_exact_up_to_its_ends_and_refused_beyond", [] {
  expect_sums<int32_t>({
      {Op::adds, highest - 5, 5, true, highest},
      {Op::adds, highest - 5, 6, false, 0},
      {Op::adds, lowest, -1, false, 0},
      {Op::muls, -65536, 32768, true, lowest},
      {Op::muls, 65536, 32768, false, 0},
      {Op::muls, 65536, -32768, true, lowest},
      {Op::muls, 65537, -32768, false, 0},
      {Op::muls, 65535, -29353, true, -1923648855},
      {Op::muls, lowest, -1, false, 0},
      {Op::muls, -highest, -1, true, highest},
      {Op::muls, lowest, 1, true, lowest},
      {Op::muls, lowest, 0, true, 0},
      {Op::muls, highest, 0, true, 0},
  });
});

const Test halves("int16_is_exact_up_to_its_ends_and_refused_beyond", [] {
  expect_sums<int16_t>({
      {Op::add, 32767, 0, true, 32767},
      {Op::add, 32767, 1, false, 0},
      {Op::sub, 0, -32768, false, 0},
      {Op::muls, -256, 128, true, -32768},
      {Op::muls, 256, 128, false, 0},
  });
});

const Test shifts("shifts_are_logical_if_unsigned_and_empty_from_their_width_on", [] {
  std::vector<uint32_t> in(8, 0x80000003u);
  std::vector<uint32_t> out(48, 0);
  expect_ok(through_ub<uint32_t, uint32_t>(out, in, [](const auto& d, const auto& s) {
    ShiftRight(d, s, uint32_t{16}, 8);
    ShiftRight(d[8], s, uint32_t{32}, 8);
    ShiftLeft(d[16], s, uint32_t{31}, 8);
    ShiftLeft(d[24], s, uint32_t{32}, 8);
    const auto number = s.template ReinterpretCast<int32_t>();
    ShiftRight(d[32].template ReinterpretCast<int32_t>(), number, int32_t{16}, 8);
    ShiftRight(d[40].template ReinterpretCast<int32_t>(), number, int32_t{32}, 8);
  }));
  const uint32_t want[] = {0x8000u, 0, 0x80000000u, 0, 0xFFFF8000u, 0xFFFFFFFFu};
  for (size_t i = 0; i < 48; ++i) expect(out[i] == want[i / 8], "lane " + std::to_string(i));
});

template <typename T>
Report shifted_by(T bits) {
  std::vector<T> in(16, T{4});
  std::vector<T> out(16, T{0});
  return through_ub<T, T>(out, in, [=](const auto& d, const auto& s) {
    ShiftLeft(d, s, bits, 16);
    PipeBarrier<PIPE_V>();
    ShiftRight(d, s, bits, 16);
  });
}

const Test far_shifts("a_shift_goes_from_0_to_the_width", [] {
  expect_ok(shifted_by<int32_t>(32));
  expect_ok(shifted_by<uint16_t>(16));
  expect_error(shifted_by<int32_t>(33), {"ShiftLeft", "the shift is 33, must be in [0, 32]"});
  expect_error(shifted_by<uint16_t>(17), {"the shift is 17, must be in [0, 16]"});
  expect_error(shifted_by<int32_t>(-1), {"the shift is -1"});
});

}  // namespace
}  // namespace micro_test
