// Mmad and Fixpipe: addresses worked out by hand, products against a plain loop.
#include <cfenv>
#include <cmath>

#include "micro_test.h"

namespace micro_test {
namespace {

LoadData2DParams load_params(uint8_t repeats, uint16_t stride) {
  LoadData2DParams params;
  params.repeatTimes = repeats;
  params.srcStride = stride;
  return params;
}

float a_of(size_t i, size_t l) {
  return static_cast<float>((i * 7 + l * 3) % 11) - 5.0f;
}
float b_of(size_t j, size_t l) {
  return static_cast<float>((j * 5 + l * 2) % 13) - 6.0f;
}

struct Product {
  size_t m, n, k;
  bool twice = false;  // a second Mmad adds to the first
  float stray = 0.0f;  // in lanes that true sizes exclude
  QuantMode_t quant = NoQuant;
  bool poisons = false;  // A(2, 3)
  float (*a)(size_t, size_t) = a_of;
  float (*b)(size_t, size_t) = b_of;
};

// Zeroed fractals with the true lanes set by `value(row, lane)`, others `stray`. For B: (column,
// k).
std::vector<half> fractals(size_t rows, size_t depth, bool rows_outer, float stray,
                           const std::function<float(size_t, size_t)>& value) {
  const size_t row_fractals = (rows + 15) / 16;
  const size_t depth_fractals = (depth + 15) / 16;
  std::vector<half> all(row_fractals * depth_fractals * 256, half(stray));
  for (size_t r = 0; r < rows; ++r) {
    for (size_t l = 0; l < depth; ++l) {
      const size_t fractal =
          rows_outer ? r / 16 * depth_fractals + l / 16 : l / 16 * row_fractals + r / 16;
      all[fractal * 256 + r % 16 * 16 + l % 16] = half(value(r, l));
    }
  }
  return all;
}

// Fractals go in as they are; C comes back as a matrix with the pitch align16(n).
template <typename T>
Report product(const Product& p, std::vector<T>& out, const Options& options = {}) {
  std::vector<half> a = fractals(p.m, p.k, true, p.stray, p.a);
  std::vector<half> b = fractals(p.n, p.k, false, p.stray, p.b);
  if (p.poisons) a[2 * 16 + 3] = unwritten<half>();
  const size_t pitch = (p.n + 15) / 16 * 16;
  const size_t rows = (p.m + 15) / 16 * 16;
  out.assign(p.m * pitch, T(-1.0f));
  const auto bytes = [](size_t n) { return static_cast<uint32_t>(n * 2); };
  return on_aic(
      {gm("a", a, GmKind::input), gm("b", b, GmKind::input), gm("out", out, GmKind::workspace)},
      [&] {
        TPipe pipe;
        TBuf<TPosition::A1> l1;
        TBuf<TPosition::A2> l0a;
        TBuf<TPosition::B2> l0b;
        TBuf<TPosition::CO1> l0c;
        pipe.InitBuffer(l1, bytes(a.size() + b.size()));
        pipe.InitBuffer(l0a, bytes(a.size()));
        pipe.InitBuffer(l0b, bytes(b.size()));
        pipe.InitBuffer(l0c, static_cast<uint32_t>(rows * pitch * 4));
        GlobalTensor<half> from;
        const LocalTensor<half> a1 = l1.Get<half>();
        const LocalTensor<half> b1 = a1[static_cast<uint32_t>(a.size())];
        from.SetGlobalBuffer(a.data());
        DataCopy(a1, from, static_cast<uint32_t>(a.size()));
        from.SetGlobalBuffer(b.data());
        DataCopy(b1, from, static_cast<uint32_t>(b.size()));
        SetFlag<HardEvent::MTE2_MTE1>(0);
        WaitFlag<HardEvent::MTE2_MTE1>(0);
        LoadData(l0a.Get<half>(), a1, load_params(static_cast<uint8_t>(a.size() / 256), 1));
        LoadData(l0b.Get<half>(), b1, load_params(static_cast<uint8_t>(b.size() / 256), 1));
        SetFlag<HardEvent::MTE1_M>(0);
        WaitFlag<HardEvent::MTE1_M>(0);
        MmadParams params;
        params.m = static_cast<uint16_t>(p.m);
        params.n = static_cast<uint16_t>(p.n);
        params.k = static_cast<uint16_t>(p.k);
        Mmad(l0c.Get<float>(), l0a.Get<half>(), l0b.Get<half>(), params);
        if (p.twice) {
          PipeBarrier<PIPE_M>();
          params.cmatrixInitVal = false;
          Mmad(l0c.Get<float>(), l0a.Get<half>(), l0b.Get<half>(), params);
        }
        SetFlag<HardEvent::M_FIX>(0);
        WaitFlag<HardEvent::M_FIX>(0);
        GlobalTensor<T> to;
        to.SetGlobalBuffer(out.data());
        FixpipeParamsV220 fix;
        fix.nSize = static_cast<uint16_t>(pitch);
        fix.mSize = static_cast<uint16_t>(p.m);
        fix.srcStride = static_cast<uint16_t>(rows);
        fix.dstStride = static_cast<uint32_t>(pitch);
        fix.quantPre = p.quant;
        Fixpipe<T, float, CFG_ROW_MAJOR>(to, l0c.Get<float>(), fix);
      },
      options);
}

float want_of(const Product& p, size_t i, size_t j) {
  float sum = 0;
  for (size_t l = 0; l < p.k; ++l) sum += a_of(i, l) * b_of(j, l);
  return p.twice ? 2 * sum : sum;
}

template <typename T>
void expect_product(const Product& p, const std::vector<T>& out) {
  const size_t pitch = (p.n + 15) / 16 * 16;
  for (size_t i = 0; i < p.m; ++i) {
    for (size_t j = 0; j < pitch; ++j) {
      const float got = static_cast<float>(out[i * pitch + j]);
      const bool right = j < p.n ? got == want_of(p, i, j) : got != got;
      expect(right,
             "C(" + std::to_string(i) + ", " + std::to_string(j) + ") is " + std::to_string(got));
    }
  }
}

const Test true_sizes("mmad_uses_true_sizes_and_ignores_what_lies_beyond", [] {
  std::vector<float> out;
  const Product p{17, 20, 5, false, NAN};
  expect_ok(product(p, out));
  expect_product(p, out);
});

const Test accumulates("mmad_adds_to_l0c_when_told", [] {
  std::vector<float> out;
  const Product p{33, 48, 40, true};
  expect_ok(product(p, out));
  expect_product(p, out);
});

const Test orders("mmad_orders_agree_where_sums_are_exact", [] {
  for (const auto order : {emulator::MmadOrder::tree16, emulator::MmadOrder::exact}) {
    Options options;
    options.mmad_order = order;
    std::vector<float> out;
    const Product p{18, 33, 37, true};
    expect_ok(product(p, out, options));
    expect_product(p, out);
  }
});

const Test truncation("the_truncates_knob_rounds_sums_toward_zero", [] {
  Product p{16, 16, 2};  // 2^24 + 1.5, between two numbers
  p.a = [](size_t, size_t l) { return l == 0 ? 4096.0f : 1.5f; };
  p.b = [](size_t, size_t l) { return l == 0 ? 4096.0f : 1.0f; };
  for (const auto order :
       {emulator::MmadOrder::sequential, emulator::MmadOrder::tree16, emulator::MmadOrder::exact}) {
    for (const bool truncates : {false, true}) {
      Options options;
      options.mmad_order = order;
      options.mmad_truncates = truncates;
      std::vector<float> out;
      expect_ok(product(p, out, options));
      expect(out[0] == (truncates ? 16777216.0f : 16777218.0f), std::to_string(out[0]));
    }
  }
  expect(std::fegetround() == FE_TONEAREST, "the mode is the cube's alone");
});

const Test m_one("mmad_refuses_m_1", [] {
  std::vector<float> out;
  expect_error(product(Product{1, 16, 16}, out), {"Mmad", "m is 1", "round m up to 16"});
});

const Test quant("fixpipe_rounds_to_half_and_bf16", [] {
  std::vector<half> halves;
  expect_ok(product(Product{16, 16, 16, false, 0, F322F16}, halves, {}));
  expect_product(Product{16, 16, 16}, halves);
  std::vector<bfloat16_t> bf16s;
  expect_ok(product(Product{16, 16, 3, false, 0, F322BF16}, bf16s, {}));
  expect_product(Product{16, 16, 3}, bf16s);
});

const Test quant_wrong("fixpipe_refuses_a_quant_mode_for_another_type", [] {
  std::vector<half> halves;
  expect_error(product(Product{16, 16, 16}, halves), {"Fixpipe", "quantPre", "half"});
});

// C = A I for 16 x 32: L0C holds A in Nz, then Fixpipe with a pitch of 40.
const Test nz2nd("fixpipe_leaves_the_gap_between_rows", [] {
  std::vector<half> a =
      fractals(16, 32, true, 0, [](size_t i, size_t l) { return static_cast<float>(32 * i + l); });
  std::vector<half> b =
      fractals(32, 32, false, 0, [](size_t j, size_t l) { return j == l ? 1 : 0; });
  std::vector<float> out(3 * 40, -1.0f);
  expect_ok(on_aic(
      {gm("a", a, GmKind::input), gm("b", b, GmKind::input), gm("out", out, GmKind::in_out)}, [&] {
        TPipe pipe;
        TBuf<TPosition::A1> l1;
        TBuf<TPosition::A2> l0a;
        TBuf<TPosition::B2> l0b;
        TBuf<TPosition::CO1> l0c;
        pipe.InitBuffer(l1, 6 * 512);
        pipe.InitBuffer(l0a, 2 * 512);
        pipe.InitBuffer(l0b, 4 * 512);
        pipe.InitBuffer(l0c, 2 * 1024);
        GlobalTensor<half> from;
        from.SetGlobalBuffer(a.data());
        DataCopy(l1.Get<half>(), from, 512);
        from.SetGlobalBuffer(b.data());
        DataCopy(l1.Get<half>()[512], from, 1024);
        PipeBarrier<PIPE_ALL>();
        LoadData(l0a.Get<half>(), l1.Get<half>(), load_params(2, 1));
        LoadData(l0b.Get<half>(), l1.Get<half>()[512], load_params(4, 1));
        PipeBarrier<PIPE_ALL>();
        MmadParams mm;
        mm.m = 16;
        mm.n = 32;
        mm.k = 32;
        Mmad(l0c.Get<float>(), l0a.Get<half>(), l0b.Get<half>(), mm);
        PipeBarrier<PIPE_ALL>();
        GlobalTensor<float> to;
        to.SetGlobalBuffer(out.data());
        FixpipeParamsV220 fix;
        fix.nSize = 32;
        fix.mSize = 3;
        fix.srcStride = 16;
        fix.dstStride = 40;
        Fixpipe<float, float, CFG_ROW_MAJOR>(to, l0c.Get<float>(), fix);
      }));
  std::vector<float> want(3 * 40, -1.0f);
  for (size_t r = 0; r < 3; ++r) {
    for (size_t c = 0; c < 32; ++c) want[40 * r + c] = static_cast<float>(32 * r + c);
  }
  expect_values(out, want);
});

const Test poison("poison_may_not_be_multiplied", [] {
  std::vector<float> out;
  Product p{16, 16, 16};
  p.poisons = true;
  expect_error(product(p, out), {"Mmad", "nothing defined", "lane 3 of row or column 2"});
});

}  // namespace
}  // namespace micro_test
