// LoadData: where each fractal goes, worked out by hand.
#include "micro_test.h"

namespace micro_test {
namespace {

// Moves `source` (whole fractals) through L1 to L0A or L0B as `load` says, and reads it back.
template <TPosition position>
std::vector<float> after_load(
    size_t fractals_in, size_t fractals_out,
    const std::function<void(const LocalTensor<half>&, const LocalTensor<half>&)>& load) {
  std::vector<half> source(fractals_in * 256);
  for (size_t i = 0; i < source.size(); ++i) source[i].bits = static_cast<uint16_t>(i);
  std::vector<float> got(fractals_out * 256);
  expect_ok(on_aic({gm("src", source, GmKind::input)}, [&] {
    TPipe pipe;
    TBuf<TPosition::A1> l1;
    TBuf<position> l0;
    pipe.InitBuffer(l1, static_cast<uint32_t>(fractals_in * 512));
    pipe.InitBuffer(l0, static_cast<uint32_t>(fractals_out * 512));
    GlobalTensor<half> from;
    from.SetGlobalBuffer(source.data());
    DataCopy(l1.template Get<half>(), from, static_cast<uint32_t>(source.size()));
    SetFlag<HardEvent::MTE2_MTE1>(0);
    WaitFlag<HardEvent::MTE2_MTE1>(0);
    const LocalTensor<half> to = l0.template Get<half>();
    InitConstValueParams<half> fill;
    fill.repeatTimes = 1;
    fill.blockNum = static_cast<uint16_t>(fractals_out);
    fill.initValue.bits = 0xFFFF;
    InitConstValue(to, fill);
    PipeBarrier<PIPE_MTE1>();
    load(to, l1.template Get<half>());
    PipeBarrier<PIPE_ALL>();
    for (uint32_t i = 0; i < got.size(); ++i) got[i] = static_cast<float>(to.GetValue(i).bits);
  }));
  return got;
}

LoadData2DParams load_params(uint8_t repeats, uint16_t stride, bool transposes = false) {
  LoadData2DParams params;
  params.repeatTimes = repeats;
  params.srcStride = stride;
  params.ifTranspose = transposes;
  return params;
}

// The first value of each fractal names the fractal it came from.
std::vector<float> origins(const std::vector<float>& values) {
  std::vector<float> all;
  for (size_t i = 0; i < values.size(); i += 256) {
    all.push_back(values[i] == 65535.0f ? -1.0f : values[i] / 256.0f);
  }
  return all;
}

// L1 holds a 32 x 48 matrix as Nz: fractal (i, j) is number 2 j + i.
const Test as_stored("load_data_turns_nz_into_rows_of_fractals", [] {
  const auto got = after_load<TPosition::A2>(6, 6, [](const auto& a, const auto& l1) {
    for (uint32_t i = 0; i < 2; ++i) LoadData(a[i * 768], l1[i * 256], load_params(3, 2));
  });
  expect_values(origins(got), {0, 2, 4, 1, 3, 5});
  expect(got[17] == 17.0f, "rows stay rows");
});

const Test k_transposed("load_data_takes_k_as_it_lies_for_b", [] {
  const auto got = after_load<TPosition::B2>(
      6, 6, [](const auto& b, const auto& l1) { LoadData(b, l1, load_params(6, 1)); });
  expect(got[833] == 833.0f, "key 20, d 17");
});

const Test v_as_b("load_data_transposes_v_for_b", [] {
  const auto got = after_load<TPosition::B2>(6, 6, [](const auto& b, const auto& l1) {
    for (uint32_t kf = 0; kf < 2; ++kf)
      LoadData(b[kf * 768], l1[kf * 256], load_params(3, 2, true));
  });
  expect(got[1300] == 1345.0f, "row 20, column 33: L1 1345 to L0B 1300");
});

const Test p_transposed("load_data_transposes_p_for_a", [] {
  const auto got = after_load<TPosition::A2>(
      6, 6, [](const auto& a, const auto& l1) { LoadData(a, l1, load_params(6, 1, true)); });
  expect(got[1300] == 1345.0f, "query 20, key 33: L1 1345 to L0A 1300");
});

const Test repeats("load_data_stride_0_gap_1_start_2", [] {
  expect_values(
      origins(after_load<TPosition::A2>(
          4, 3, [](const auto& a, const auto& l1) { LoadData(a, l1, load_params(3, 0)); })),
      {0, 0, 0});
  expect_values(origins(after_load<TPosition::A2>(4, 5,
                                                  [](const auto& a, const auto& l1) {
                                                    LoadData2DParams params = load_params(3, 1);
                                                    params.dstGap = 1;
                                                    LoadData(a, l1, params);
                                                  })),
                {0, -1, 1, -1, 2});
  expect_values(origins(after_load<TPosition::A2>(4, 2,
                                                  [](const auto& a, const auto& l1) {
                                                    LoadData2DParams params = load_params(2, 1);
                                                    params.startIndex = 2;
                                                    LoadData(a, l1, params);
                                                  })),
                {2, 3});
  expect_values(
      origins(after_load<TPosition::A2>(
          4, 1, [](const auto& a, const auto& l1) { LoadData(a, l1, load_params(0, 1)); })),
      {-1});
});

}  // namespace
}  // namespace micro_test
