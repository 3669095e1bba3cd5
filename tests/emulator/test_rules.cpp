// Rules of order that look as if something else already kept them.
#include "micro_test.h"

namespace micro_test {
namespace {

using Floats = std::vector<float>;

// Two UB buffers of 256 floats, an input and an output.
Report on_buffers(const std::function<void(const LocalTensor<float>&, const LocalTensor<float>&,
                                           const GlobalTensor<float>&)>& body) {
  Floats in = counting<float>(256);
  return on_aiv({gm("in", in, GmKind::input)}, [&] {
    TPipe pipe;
    TBuf<TPosition::VECCALC> first;
    TBuf<TPosition::VECCALC> second;
    pipe.InitBuffer(first, 1024);
    pipe.InitBuffer(second, 1024);
    Duplicate(first.Get<float>(), 0.0f, 256);
    Duplicate(second.Get<float>(), 0.0f, 256);
    PipeBarrier<PIPE_ALL>();
    GlobalTensor<float> from;
    from.SetGlobalBuffer(in.data());
    body(first.Get<float>(), second.Get<float>(), from);
  });
}

const Test vector_waw("two_vector_results_in_one_place_need_a_barrier", [] {
  const auto body = [](bool barrier) {
    return [barrier](const auto& a, const auto&, const auto&) {
      Duplicate(a, 1.0f, 256);
      if (barrier) PipeBarrier<PIPE_V>();
      Duplicate(a, 2.0f, 64);
    };
  };
  expect_ok(on_buffers(body(true)));
  expect_error(on_buffers(body(false)), {"Duplicate", "WAW", "no PipeBarrier<PIPE_V> between"});
});

const Test loads("two_loads_into_one_place_need_a_barrier", [] {
  const auto body = [](bool barrier) {
    return [barrier](const auto& a, const auto&, const auto& in) {
      DataCopy(a, in, 256);
      if (barrier) PipeBarrier<PIPE_MTE2>();
      DataCopy(a, in[64], 64);
    };
  };
  expect_ok(on_buffers(body(true)));
  expect_error(on_buffers(body(false)), {"DataCopy", "WAW", "no PipeBarrier<PIPE_MTE2> between"});
});

const Test hidden("what_select_does_inside_is_no_barrier_of_the_kernel", [] {
  expect_error(on_buffers([](const auto& a, const auto& b, const auto&) {
                 Duplicate(a, 1.0f, 64);
                 Select(b[64], b[128].template ReinterpretCast<uint8_t>(), b[64], 0.0f,
                        SELMODE::VSEL_TENSOR_SCALAR_MODE, 64);
                 Adds(b, a, 1.0f, 64);
               }),
               {"Adds", "RAW", "no PipeBarrier<PIPE_V> between", "written by Duplicate"});
});

const Test other_pipe("a_barrier_of_another_pipe_orders_nothing", [] {
  expect_error(on_buffers([](const auto& a, const auto& b, const auto& in) {
                 DataCopy(a, in, 256);
                 PipeBarrier<PIPE_V>();
                 PipeBarrier<PIPE_MTE2>();
                 Adds(b, a, 1.0f, 256);
               }),
               {"Adds", "RAW", "no MTE2_V wait"});
});

const Test reduced("results_of_reductions_lie_on_their_own_grid", [] {
  expect_error(on_buffers([](const auto& a, const auto& b, const auto&) {
                 BlockReduceMax(b[1], a, 1, 64, 1, 1, 8);
               }),
               {"BlockReduceMax", "not aligned to 32 B"});
  expect_error(on_buffers([](const auto& a, const auto& b, const auto&) {
                 WholeReduceMax(b[1], a, 64, 1, 1, 1, 8);
               }),
               {"WholeReduceMax", "not aligned to 8 B"});
});

// AIV0 reads what AIV1 writes when AIV0 says that it may: before it waits, or before it sets.
Report asked_first(bool reads_late) {
  Floats out(8, 0.0f);
  return on_group({gm("out", out, GmKind::in_out)}, [&] {
    if ASCEND_IS_AIC
      return;
    TPipe pipe;
    TBuf<TPosition::VECCALC> buffer;
    pipe.InitBuffer(buffer, 32);
    GlobalTensor<float> shared;
    shared.SetGlobalBuffer(out.data());
    const LocalTensor<float> ub = buffer.Get<float>();
    const bool reads = GetSubBlockIdx() == 0;
    if (!reads) {
      Duplicate(ub, 1.0f, 8);
      PipeBarrier<PIPE_ALL>();
      DataCopy(shared, ub, 8);
    } else if (!reads_late) {
      DataCopy(ub, shared, 8);
    }
    CrossCoreSetFlag<1, PIPE_MTE3>(4);
    CrossCoreWaitFlag(4);
    if (reads && reads_late) DataCopy(ub, shared, 8);
  });
}

const Test issued_before("a_wait_orders_only_what_is_issued_after_it", [] {
  expect_ok(asked_first(true));
  expect_error(asked_first(false),
               {"DataCopy on AIV1", "WAR", "no CrossCoreSetFlag and CrossCoreWaitFlag"});
});

}  // namespace
}  // namespace micro_test
