// What the cube core's instructions refuse.
#include "micro_test.h"

namespace micro_test {
namespace {

using Floats = std::vector<float>;

// 64 KB of each memory of the cube core, zeroed.
struct CubeTensors {
  LocalTensor<half> l1, a, b;
  LocalTensor<float> c;
  GlobalTensor<half> in;
  GlobalTensor<float> out;
};

Report with_cube(const std::function<void(const CubeTensors&)>& body) {
  std::vector<half> in(1024, half(1.0f));
  Floats out(1024, 0.0f);
  return on_aic({gm("in", in, GmKind::input), gm("out", out, GmKind::in_out)}, [&] {
    TPipe pipe;
    TBuf<TPosition::A1> l1;
    TBuf<TPosition::A2> l0a;
    TBuf<TPosition::B2> l0b;
    TBuf<TPosition::CO1> l0c;
    pipe.InitBuffer(l1, 65536);
    pipe.InitBuffer(l0a, 65536);
    pipe.InitBuffer(l0b, 65536);
    pipe.InitBuffer(l0c, 65536);
    CubeTensors t{l1.Get<half>(), l0a.Get<half>(), l0b.Get<half>(), l0c.Get<float>(), {}, {}};
    t.in.SetGlobalBuffer(in.data());
    t.out.SetGlobalBuffer(out.data());
    InitConstValueParams<half> zeros;
    zeros.repeatTimes = 1;
    zeros.blockNum = 2048;
    InitConstValue(t.l1, zeros);
    zeros.blockNum = 128;
    InitConstValue(t.a, zeros);
    InitConstValue(t.b, zeros);
    PipeBarrier<PIPE_ALL>();
    body(t);
  });
}

Nd2NzParams nd2nz(uint16_t rows, uint16_t columns) {
  Nd2NzParams params;
  params.ndNum = 1;
  params.nValue = rows;
  params.dValue = columns;
  params.srcDValue = columns;
  params.dstNzC0Stride = 16;
  params.dstNzNStride = 1;
  return params;
}

const Test nd2nz_limits("nd2nz_has_limits", [] {
  const auto copy = [](const Nd2NzParams& params) {
    return with_cube([=](const auto& t) { DataCopy(t.l1, t.in, params); });
  };
  Nd2NzParams params = nd2nz(16, 64);
  expect_ok(copy(params));
  expect_error(copy(nd2nz(17, 64)), {"DataCopy(Nd2Nz)", "reads GM tensor in", "outside"});
  params.dstNzC0Stride = 0;
  expect_error(copy(params), {"dstNzC0Stride is 0"});
  params = nd2nz(16, 64);
  params.srcDValue = 0;
  expect_error(copy(params), {"srcDValue is 0"});
  params = nd2nz(16, 64);
  params.dstNzC0Stride = 16384;
  expect_error(copy(params), {"writes L1", "outside"});
  params.nValue = 0;
  expect_ok(copy(params));
});

const Test load_limits("load_data_has_limits", [] {
  const auto load = [](uint32_t to, uint32_t from, uint8_t repeats) {
    return with_cube([=](const auto& t) {
      LoadData2DParams params;
      params.repeatTimes = repeats;
      params.srcStride = 1;
      LoadData(t.a[to], t.l1[from], params);
    });
  };
  expect_error(load(16, 0, 1), {"LoadData", "the destination", "not aligned to 512 B"});
  expect_error(load(0, 8, 1), {"LoadData", "the source", "not aligned to 32 B"});
  expect_error(load(0, 0, 129), {"reads L1", "outside"});
  expect_error(with_cube([](const auto& t) { LoadData(t.l1, t.l1, LoadData2DParams()); }),
               {"must be in L0A or L0B"});
});

const Test stale_rows("rows_that_were_never_loaded_may_not_reach_l0", [] {
  std::vector<half> in(1024, half(1.0f));
  expect_error(on_aic({gm("in", in, GmKind::input)},
                      [&] {
                        TPipe pipe;
                        TBuf<TPosition::A1> l1;
                        TBuf<TPosition::A2> l0a;
                        pipe.InitBuffer(l1, 2048);
                        pipe.InitBuffer(l0a, 2048);
                        GlobalTensor<half> from;
                        from.SetGlobalBuffer(in.data());
                        DataCopy(l1.Get<half>(), from, nd2nz(15, 64));
                        PipeBarrier<PIPE_ALL>();
                        LoadData2DParams load;
                        load.repeatTimes = 4;
                        load.srcStride = 1;
                        LoadData(l0a.Get<half>(), l1.Get<half>(), load);
                      }),
               {"LoadData", "reads L1 bytes [480, 512)", "nobody wrote"});
});

// Loads a full fractal, uses it, then loads 5 rows over it and uses it again.
Report second_tile(bool zeroes) {
  return with_cube([=](const auto& t) {
    LoadData2DParams load;
    load.repeatTimes = 1;
    DataCopy(t.l1, t.in, nd2nz(16, 16));
    PipeBarrier<PIPE_ALL>();
    LoadData(t.a, t.l1, load);
    PipeBarrier<PIPE_ALL>();
    LoadData(t.a[256], t.l1, load);  // using a tile twice is no sin
    PipeBarrier<PIPE_ALL>();
    if (zeroes) {
      InitConstValueParams<half> zeros;
      zeros.repeatTimes = 1;
      zeros.blockNum = 16;
      InitConstValue(t.l1, zeros);
      PipeBarrier<PIPE_ALL>();
    }
    DataCopy(t.l1, t.in, nd2nz(5, 16));
    PipeBarrier<PIPE_ALL>();
    LoadData(t.a, t.l1, load);
  });
}

const Test earlier_tile("rows_of_an_earlier_tile_may_not_reach_l0", [] {
  expect_ok(second_tile(true));
  expect_error(second_tile(false), {"LoadData", "row 5 of the fractal at L1 byte 0 is stale"});
});

const Test mmad_limits("mmad_has_limits", [] {
  const auto multiply = [](uint32_t a, uint32_t c, uint16_t n) {
    return with_cube([=](const auto& t) {
      MmadParams params;
      params.m = params.k = 16;
      params.n = n;
      Mmad(t.c[c], t.a[a], t.b, params);
    });
  };
  expect_ok(multiply(0, 0, 1024));
  expect_error(multiply(128, 0, 16), {"Mmad", "A starts at byte 256", "512"});
  expect_error(multiply(0, 128, 16), {"Mmad", "C starts at byte 512", "1024"});
  expect_error(multiply(0, 0, 2049), {"reads L0B", "outside"});
  expect_error(multiply(0, 0, 1040), {"writes L0C", "outside"});
  expect_error(multiply(0, 0, 4096), {"n is 4096"});
  expect_error(with_cube([](const auto& t) {
                 MmadParams params;
                 params.m = params.n = params.k = 16;
                 params.cmatrixInitVal = false;
                 Mmad(t.c, t.a, t.b, params);
               }),
               {"Mmad", "reads L0C", "nobody wrote"});
});

const Test fixpipe_limits("fixpipe_has_limits", [] {
  const auto store = [](uint16_t columns, uint16_t rows, uint32_t pitch, uint16_t stride = 16) {
    return with_cube([=](const auto& t) {
      MmadParams params;
      params.m = 16;
      params.n = params.k = 32;
      Mmad(t.c, t.a, t.b, params);
      PipeBarrier<PIPE_ALL>();
      FixpipeParamsV220 fix;
      fix.nSize = columns;
      fix.mSize = rows;
      fix.srcStride = stride;
      fix.dstStride = pitch;
      Fixpipe<float, float, CFG_ROW_MAJOR>(t.out, t.c, fix);
    });
  };
  expect_ok(store(32, 16, 64));
  expect_error(store(20, 16, 64), {"Fixpipe", "nSize is 20", "multiple of 16"});
  expect_ok(store(32, 3, 64));
  expect_error(store(32, 3, 64, 3), {"srcStride is 3", "mSize rounded up to 16, 16"});
  expect_error(store(32, 16, 64, 32), {"srcStride is 32"});
  expect_error(store(32, 1, 0), {"dstStride is 0"});
  expect_error(store(32, 16, 16), {"dstStride is below nSize"});
  expect_error(store(32, 16, 67), {"writes GM tensor out", "outside"});
  expect_error(store(48, 16, 64), {"reads L0C", "nobody wrote"});
});

const Test absent("cores_have_only_their_own_pipes", [] {
  expect_error(with_cube([](const auto& t) { Duplicate(t.l1, half(0.0f), 16); }),
               {"Duplicate", "no PIPE_V"});
});

}  // namespace
}  // namespace micro_test
