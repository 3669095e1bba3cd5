// Data movement: bytes worked out by hand from the documented rules.
#include <cmath>

#include "micro_test.h"

namespace micro_test {
namespace {

// L1 content is seen through L0A, Mmad with a unit matrix and Fixpipe elsewhere; here the AIC's own
// scalar reads it.
std::vector<float> l1_after(const Nd2NzParams& params, std::vector<half>& source, size_t count) {
  std::vector<float> got(count, -1.0f);
  const Report report = on_aic({gm("src", source, GmKind::input)}, [&] {
    TPipe pipe;
    TBuf<TPosition::A1> l1;
    pipe.InitBuffer(l1, static_cast<uint32_t>(count * sizeof(half)));
    GlobalTensor<half> from;
    from.SetGlobalBuffer(source.data());
    const LocalTensor<half> to = l1.Get<half>();
    InitConstValueParams<half> fill;
    fill.repeatTimes = 1;
    fill.blockNum = static_cast<uint16_t>(count / 16);
    fill.initValue = half(-1.0f);
    InitConstValue(to, fill);
    PipeBarrier<PIPE_MTE2>();
    DataCopy(to, from, params);
    SetFlag<HardEvent::MTE2_S>(0);
    WaitFlag<HardEvent::MTE2_S>(0);
    for (uint32_t i = 0; i < count; ++i) got[i] = static_cast<float>(to.GetValue(i));
  });
  expect_ok(report);
  return got;
}

Nd2NzParams example_a() {
  Nd2NzParams params;
  params.ndNum = 1;
  params.nValue = 3;
  params.dValue = 20;
  params.srcDValue = 24;
  params.dstNzC0Stride = 16;
  params.dstNzNStride = 1;
  return params;
}

std::vector<half> ten_r_plus_c(size_t rows, size_t pitch) {
  std::vector<half> values(rows * pitch);
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = half(static_cast<float>(10 * (i / pitch) + i % pitch));
  }
  return values;
}

const Test nd2nz("nd2nz_splits_rows_into_columns_of_16", [] {
  std::vector<half> source = ten_r_plus_c(3, 24);
  std::vector<float> want(512, -1.0f);
  for (size_t r = 0; r < 3; ++r) {
    for (size_t c = 0; c < 32; ++c) {
      want[c / 16 * 256 + r * 16 + c % 16] = c < 20 ? static_cast<float>(10 * r + c) : 0.0f;
    }
  }
  expect_values(l1_after(example_a(), source, 512), want);
});

const Test nd2nz_two("nd2nz_places_the_second_matrix_at_its_own_stride", [] {
  std::vector<half> source = ten_r_plus_c(6, 24);
  Nd2NzParams params = example_a();
  params.ndNum = 2;
  params.srcNdMatrixStride = 72;
  params.dstNzMatrixStride = 512;
  const std::vector<float> got = l1_after(params, source, 1024);
  expect(got[512] == 30.0f && got[512 + 35] == 53.0f && got[768 + 3] == 49.0f, "second matrix");
  expect(got[512 + 48] == -1.0f && got[48] == -1.0f, "rows 3..15 are never written");
});

std::vector<half> pad_in(uint8_t left, uint8_t right, bool is_pad, bool& ok,
                         const Options& options = {}) {
  std::vector<half> in = counting<half>(16);
  std::vector<half> out(48, half(-1.0f));
  const Report report = on_aiv(
      {gm("in", in, GmKind::input), gm("out", out, GmKind::in_out)},
      [&] {
        TPipe pipe;
        TBuf<TPosition::VECCALC> buffer;
        pipe.InitBuffer(buffer, 96);
        GlobalTensor<half> from;
        from.SetGlobalBuffer(in.data());
        GlobalTensor<half> to;
        to.SetGlobalBuffer(out.data());
        const LocalTensor<half> ub = buffer.Get<half>();
        DataCopy(ub, to, 48);
        PipeBarrier<PIPE_MTE2>();
        DataCopyPad(ub, from, DataCopyExtParams{2, 10, 4, 1, 0},
                    DataCopyPadExtParams<half>{is_pad, left, right, half(9.0f)});
        SetFlag<HardEvent::MTE2_MTE3>(0);
        WaitFlag<HardEvent::MTE2_MTE3>(0);
        DataCopy(to, ub, 48);
      },
      options);
  ok = report.ok;
  return out;
}

std::vector<half> lanes(const std::vector<float>& head, float fill, const std::vector<float>& third,
                        float third_fill) {
  std::vector<half> all(48, half(-1.0f));
  for (size_t i = 0; i < 16; ++i) {
    all[i] = half(i < head.size() ? head[i] : fill);
    all[32 + i] = half(i < third.size() ? third[i] : third_fill);
  }
  return all;
}

const Test pad_right("data_copy_pad_fills_every_lane_that_is_not_data", [] {
  bool ok = false;
  expect_values(pad_in(0, 3, true, ok), lanes({0, 1, 2, 3, 4}, 9, {7, 8, 9, 10, 11}, 9));
  expect(ok, "refused");
});
const Test pad_none("data_copy_pad_repeats_the_first_element_without_padding", [] {
  bool ok = false;
  for (const bool is_pad : {false, true}) {
    expect_values(pad_in(0, 0, is_pad, ok), lanes({0, 1, 2, 3, 4}, 0, {7, 8, 9, 10, 11}, 7));
    expect(ok, "refused");
  }
});
const Test pad_knob("the_random_padding_knob_leaves_other_bits_behind_the_data", [] {
  const auto behind = [](uint64_t seed, bool is_pad) {
    Options options;
    options.random_padding = true;
    options.seed = seed;
    bool ok = false;
    const std::vector<half> got = pad_in(0, 0, is_pad, ok, options);
    expect(ok, "refused");
    expect_values({got.begin(), got.begin() + 5}, counting<half>(5));
    std::vector<uint16_t> bits;
    for (size_t i = 5; i < 16; ++i) bits.push_back(got[i].bits);
    return bits;
  };
  const std::vector<uint16_t> zeros(11, 0);  // the first element
  expect(behind(1, true) == zeros, "with isPad the first element is documented");
  expect(behind(1, false) != zeros && behind(1, false) == behind(1, false), "bits of the seed");
  expect(behind(1, false) != behind(2, false), "two seeds");
});
const Test pad_left("data_copy_pad_shifts_the_data_behind_the_left_padding", [] {
  bool ok = false;
  expect_values(pad_in(2, 0, true, ok),
                lanes({9, 9, 0, 1, 2, 3, 4}, 9, {9, 9, 7, 8, 9, 10, 11}, 9));
});
const Test pad_random("data_copy_pad_without_is_pad_leaves_random_lanes", [] {
  bool ok = true;
  pad_in(0, 3, false, ok);
  expect(!ok, "random lanes were copied out unnoticed");
});

const Test pad_out("data_copy_pad_writes_only_its_bytes", [] {
  std::vector<half> in = counting<half>(48);
  std::vector<half> out(12, half(-1.0f));
  expect_ok(on_aiv({gm("in", in, GmKind::input), gm("out", out, GmKind::in_out)}, [&] {
    TPipe pipe;
    TBuf<TPosition::VECCALC> buffer;
    pipe.InitBuffer(buffer, 96);
    GlobalTensor<half> from;
    from.SetGlobalBuffer(in.data());
    GlobalTensor<half> to;
    to.SetGlobalBuffer(out.data());
    const LocalTensor<half> ub = buffer.Get<half>();
    DataCopy(ub, from, 48);
    SetFlag<HardEvent::MTE2_MTE3>(0);
    WaitFlag<HardEvent::MTE2_MTE3>(0);
    DataCopyPad(to, ub, DataCopyExtParams{2, 10, 1, 4, 0});
  }));
  std::vector<half> want(12, half(-1.0f));
  for (size_t i = 0; i < 5; ++i) {
    want[i] = half(static_cast<float>(i));
    want[7 + i] = half(static_cast<float>(32 + i));
  }
  expect_values(out, want);
});

const Test strided("data_copy_leaves_gaps_of_whole_blocks", [] {
  std::vector<float> in = counting<float>(40);
  std::vector<float> out(40, -1.0f);
  expect_ok(on_aiv({gm("in", in, GmKind::input), gm("out", out, GmKind::in_out)}, [&] {
    TPipe pipe;
    TBuf<TPosition::VECCALC> buffer;
    pipe.InitBuffer(buffer, 160);
    GlobalTensor<float> from;
    from.SetGlobalBuffer(in.data(), 40);
    GlobalTensor<float> to;
    to.SetGlobalBuffer(out.data());
    const LocalTensor<float> ub = buffer.Get<float>();
    DataCopy(ub, from, DataCopyParams{2, 1, 2, 0});  // blocks 0 and 3 of GM to blocks 0 and 1 of UB
    SetFlag<HardEvent::MTE2_MTE3>(0);
    WaitFlag<HardEvent::MTE2_MTE3>(0);
    DataCopy(to, ub, DataCopyParams{2, 1, 0, 3});  // to blocks 0 and 4
  }));
  std::vector<float> want(40, -1.0f);
  for (size_t i = 0; i < 8; ++i) {
    want[i] = static_cast<float>(i);
    want[32 + i] = static_cast<float>(24 + i);
  }
  expect_values(out, want);
});

const Test atomic("atomic_add_adds_until_it_is_switched_off", [] {
  std::vector<float> in(16, 2.0f);
  std::vector<float> out(16, 1.0f);
  const auto add = [&](bool barrier, bool deterministic) {
    Options options;
    options.deterministic = deterministic;
    return on_aiv(
        {gm("in", in, GmKind::input), gm("out", out, GmKind::in_out)},
        [&] {
          TPipe pipe;
          TBuf<TPosition::VECCALC> buffer;
          pipe.InitBuffer(buffer, 64);
          GlobalTensor<float> from;
          from.SetGlobalBuffer(in.data());
          GlobalTensor<float> to;
          to.SetGlobalBuffer(out.data());
          DataCopy(buffer.Get<float>(), from, 16);
          SetFlag<HardEvent::MTE2_MTE3>(0);
          WaitFlag<HardEvent::MTE2_MTE3>(0);
          SetAtomicAdd<float>();
          DataCopy(to, buffer.Get<float>(), 16);
          if (barrier) PipeBarrier<PIPE_MTE3>();
          DataCopy(to, buffer.Get<float>(), 8);
          SetAtomicNone();
        },
        options);
  };
  const Report ordered = add(true, true);
  expect_ok(ordered);
  expect(ordered.warnings.empty() && out[0] == 5.0f && out[8] == 3.0f, "two sums, one sum");
  const Report unordered = add(false, false);
  expect_ok(unordered);
  expect(unordered.warnings.size() == 1, "a warning");
  expect_error(add(false, true), {"two sums", "no PipeBarrier<PIPE_MTE3>", "GM tensor out"});
});

const Test poison_out("poison_may_not_reach_an_output", [] {
  std::vector<float> in(8, NAN);
  std::memcpy(in.data() + 3, &emulator::poison_word, 4);
  std::vector<float> out(8);
  const auto run = [&](GmKind kind) {
    return on_aiv({gm("in", in, GmKind::input), gm("out", out, kind)}, [&] {
      TPipe pipe;
      TBuf<TPosition::VECCALC> buffer;
      pipe.InitBuffer(buffer, 32);
      GlobalTensor<float> from;
      from.SetGlobalBuffer(in.data());
      GlobalTensor<float> to;
      to.SetGlobalBuffer(out.data());
      DataCopy(buffer.Get<float>(), from, 8);
      SetFlag<HardEvent::MTE2_MTE3>(0);
      WaitFlag<HardEvent::MTE2_MTE3>(0);
      DataCopy(to, buffer.Get<float>(), 8);
    });
  };
  expect_ok(run(GmKind::workspace));
  expect_error(run(GmKind::output),
               {"a value that nothing defined reaches GM tensor out, bytes [12, 16)"});
});

}  // namespace
}  // namespace micro_test
