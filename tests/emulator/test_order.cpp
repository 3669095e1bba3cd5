// The ordering model: each row of its table once with the edge, once without. Both lines are named.
#include "micro_test.h"

namespace micro_test {
namespace {

using Floats = std::vector<float>;

// Two UB buffers, an input of 256 floats and an output.
struct Vectors {
  Floats in = counting<float>(256);
  Floats out = Floats(256, 0.0f);
  Report run(
      const std::function<void(const LocalTensor<float>&, const LocalTensor<float>&,
                               const GlobalTensor<float>&, const GlobalTensor<float>&)>& body,
      const Options& options = {}) {
    return on_aiv(
        {gm("in", in, GmKind::input), gm("out", out, GmKind::output)},
        [&] {
          TPipe pipe;
          TBuf<TPosition::VECCALC> first;
          TBuf<TPosition::VECCALC> second;
          pipe.InitBuffer(first, 1024);
          pipe.InitBuffer(second, 1024);
          GlobalTensor<float> from;
          from.SetGlobalBuffer(in.data());
          GlobalTensor<float> to;
          to.SetGlobalBuffer(out.data());
          body(first.Get<float>(), second.Get<float>(), from, to);
        },
        options);
  }
};

template <HardEvent event>
void hand_over() {
  SetFlag<event>(0);
  WaitFlag<event>(0);
}

const Test read_after_write("raw_between_pipes_names_both_lines", [] {
  const int line = __LINE__;
  expect_error(Vectors().run([](const auto& a, const auto& b, const auto& in, const auto&) {
    DataCopy(a, in, 256);
    Adds(b, a, 1.0f, 256);
  }),
               {"RAW", "no MTE2_V wait", "Adds on AIV0 of group 0, PIPE_V",
                "DataCopy (AIV0 PIPE_MTE2)", ("test_order.cpp:" + std::to_string(line + 2)).c_str(),
                ("test_order.cpp:" + std::to_string(line + 3)).c_str(), "UB bytes [0, 32)",
                "buffer 0 (VECCALC, 1024 B at 0)"});
});

const Test write_after_read("war_between_pipes_is_an_error", [] {
  expect_error(Vectors().run([](const auto& a, const auto& b, const auto& in, const auto&) {
    Duplicate(a, 0.0f, 256);
    PipeBarrier<PIPE_ALL>();
    Adds(b, a, 1.0f, 256);
    DataCopy(a, in, 256);
  }),
               {"WAR", "no V_MTE2 wait", "read by Adds"});
});

const Test write_after_write("waw_between_pipes_is_an_error", [] {
  expect_error(Vectors().run([](const auto& a, const auto&, const auto& in, const auto&) {
    DataCopy(a, in, 256);
    Duplicate(a, 1.0f, 8);
  }),
               {"WAW", "no MTE2_V wait", "written by DataCopy"});
});

const Test other_half("bytes_that_do_not_overlap_need_no_order", [] {
  expect_ok(Vectors().run([](const auto& a, const auto&, const auto& in, const auto&) {
    DataCopy(a, in, 128);
    Duplicate(a[128], 1.0f, 128);
  }));
  // In one block of 32 B too: bytes count, not blocks.
  expect_ok(Vectors().run([](const auto& a, const auto& b, const auto& in, const auto&) {
    DataCopy(a, in, 256);
    hand_over<HardEvent::MTE2_V>();
    WholeReduceSum(b, a, 64, 1, 1, 1, 8);
    WholeReduceSum(b[1], a, 64, 1, 1, 1, 8);
  }));
});

const Test switch_limits("auto_sync_forgives_nothing_between_vector_and_mte", [] {
  Options stock;
  stock.auto_sync = true;
  expect_error(Vectors().run(
                   [](const auto& a, const auto& b, const auto& in, const auto&) {
                     DataCopy(a, in, 256);
                     Adds(b, a, 1.0f, 256);
                   },
                   stock),
               {"RAW", "no MTE2_V wait"});
  expect_ok(Vectors().run(
      [](const auto& a, const auto& b, const auto&, const auto&) {
        for (uint32_t i = 0; i < 8; ++i) a.SetValue(i, 1.0f);
        Adds(b, a, 1.0f, 8);
      },
      stock));
});

const Test vector_barrier("vector_after_vector_needs_a_barrier", [] {
  const auto body = [](bool barrier) {
    return [barrier](const auto& a, const auto& b, const auto& in, const auto&) {
      DataCopy(a, in, 256);
      hand_over<HardEvent::MTE2_V>();
      Adds(b, a, 1.0f, 256);
      if (barrier) PipeBarrier<PIPE_V>();
      Adds(b, b, 1.0f, 256);
    };
  };
  expect_ok(Vectors().run(body(true)));
  expect_error(Vectors().run(body(false)), {"RAW", "no PipeBarrier<PIPE_V> between"});
  Options stock;
  stock.auto_sync = true;
  expect_notes(Vectors().run(body(false), stock), 1, "RAW");
});

const Test vector_war("vector_war_is_a_note", [] {
  const auto body = [](const auto& a, const auto& b, const auto& in, const auto&) {
    DataCopy(a, in, 256);
    hand_over<HardEvent::MTE2_V>();
    Adds(b, a, 1.0f, 256);
    Duplicate(a, 0.0f, 256);
  };
  expect_notes(Vectors().run(body), 1, "WAR");  // one for all blocks
});

const Test start_only("being_later_on_a_pipe_is_not_being_after", [] {
  // V waits for MTE2, MTE3 waits for a V that was set before the V instruction that reads.
  expect_error(Vectors().run([](const auto& a, const auto& b, const auto& in, const auto& out) {
    DataCopy(a, in, 256);
    hand_over<HardEvent::MTE2_V>();
    SetFlag<HardEvent::V_MTE3>(0);
    Adds(b, a, 1.0f, 256);
    WaitFlag<HardEvent::V_MTE3>(0);
    DataCopy(out, b, 256);
  }),
               {"RAW", "no V_MTE3 wait"});
});

const Test transitive("edges_add_up_over_pipes", [] {
  // MTE2 writes, V waits for MTE2 and sets MTE3: MTE3 may read what MTE2 wrote.
  expect_ok(Vectors().run([](const auto& a, const auto&, const auto& in, const auto& out) {
    DataCopy(a, in, 256);
    hand_over<HardEvent::MTE2_V>();
    hand_over<HardEvent::V_MTE3>();
    DataCopy(out, a, 256);
  }));
});

const Test dma_overlap("two_copies_onto_the_same_bytes_need_a_barrier", [] {
  const auto body = [](bool barrier) {
    return [barrier](const auto& a, const auto&, const auto& in, const auto& out) {
      DataCopy(a, in, 256);
      hand_over<HardEvent::MTE2_MTE3>();
      DataCopy(out, a, 256);
      if (barrier) PipeBarrier<PIPE_MTE3>();
      DataCopy(out[128], a, 8);
    };
  };
  expect_ok(Vectors().run(body(true)));
  expect_error(Vectors().run(body(false)), {"WAW", "no PipeBarrier<PIPE_MTE3>", "GM tensor out"});
});

const Test scalar("scalar_accesses_need_their_own_events", [] {
  expect_error(Vectors().run([](const auto& a, const auto&, const auto& in, const auto&) {
    DataCopy(a, in, 256);
    a.GetValue(3);
  }),
               {"GetValue", "no MTE2_S wait"});
  expect_error(Vectors().run([](const auto& a, const auto& b, const auto&, const auto&) {
    for (uint32_t i = 0; i < 8; ++i) a.SetValue(i, 1.0f);
    Adds(b, a, 1.0f, 8);
  }),
               {"Adds", "no S_V wait", "SetValue"});
  expect_ok(Vectors().run([](const auto& a, const auto& b, const auto&, const auto&) {
    for (uint32_t i = 0; i < 8; ++i) a.SetValue(i, 1.0f);
    hand_over<HardEvent::S_V>();
    Adds(b, a, 1.0f, 8);
    hand_over<HardEvent::V_S>();
    expect(b.GetValue(7) == 2.0f, "value");
  }));
});

const Test events("events_pair_in_the_order_of_issue", [] {
  expect_error(Vectors().run([](const auto&, const auto&, const auto&, const auto&) {
    SetFlag<HardEvent::MTE2_V>(0);
    SetFlag<HardEvent::MTE2_V>(0);
  }),
               {"SetFlag", "MTE2_V id 0 is set twice", "test_order.cpp"});
  expect_error(Vectors().run([](const auto&, const auto&, const auto&, const auto&) {
    SetFlag<HardEvent::MTE2_V>(0);
    WaitFlag<HardEvent::MTE2_V>(1);
  }),
               {"WaitFlag", "MTE2_V id 1, which nothing has set"});
  expect_error(Vectors().run([](const auto&, const auto&, const auto&, const auto&) {
    SetFlag<HardEvent::MTE2_V>(0);
  }),
               {"kernel end", "MTE2_V id 0 is still set"});
  expect_error(Vectors().run([](const auto&, const auto&, const auto&, const auto&) {
    SetFlag<HardEvent::MTE2_V>(6);
  }),
               {"ids 6 and 7 belong to the framework"});
  expect_error(Vectors().run([](const auto&, const auto&, const auto&, const auto&) {
    SetFlag<HardEvent::M_FIX>(0);
  }),
               {"lacks one of the two pipes"});
  expect_error(Vectors().run([](const auto&, const auto&, const auto&, const auto&) {
    PipeBarrier<PIPE_S>();
  }),
               {"PIPE_S is not allowed"});
});

const Test unwritten_bytes("never_written_bytes_may_not_be_read", [] {
  expect_error(Vectors().run([](const auto& a, const auto& b, const auto& in, const auto&) {
    DataCopy(a, in, 64);
    hand_over<HardEvent::MTE2_V>();
    Adds(b, a, 1.0f, 65);
  }),
               {"Adds", "reads UB bytes [256, 260)", "nobody wrote"});
  Vectors v;
  expect_error(
      v.run([&](const auto& a, const auto&, const auto&, const auto& out) { DataCopy(a, out, 8); }),
      {"GM tensor out", "nobody wrote"});
});

const Test fast("fast_mode_checks_bounds_only", [] {
  Options options;
  options.checked = false;
  expect_ok(Vectors().run(
      [](const auto& a, const auto& b, const auto& in, const auto& out) {
        DataCopy(a, in, 256);
        Adds(b, a, 1.0f, 256);
        DataCopy(out, b, 256);
      },
      options));
  expect_error(Vectors().run(
                   [](const auto& a, const auto& b, const auto& in, const auto&) {
                     DataCopy(a, in, 256);
                     Adds(b, a, 1.0f, 257);
                   },
                   options),
               {"outside of the tensor"});
});

const Test small_tiles("mmad_onto_a_small_tile_needs_a_barrier", [] {
  const auto run = [](uint16_t n, bool barrier) {
    std::vector<half> in(16 * 160, half(1.0f));
    return on_aic({gm("in", in, GmKind::input)}, [&] {
      TPipe pipe;
      TBuf<TPosition::A1> l1;
      TBuf<TPosition::A2> l0a;
      TBuf<TPosition::B2> l0b;
      TBuf<TPosition::CO1> l0c;
      pipe.InitBuffer(l1, 160 * 32);
      pipe.InitBuffer(l0a, 512);
      pipe.InitBuffer(l0b, 160 * 32);
      pipe.InitBuffer(l0c, 160 * 64);
      GlobalTensor<half> from;
      from.SetGlobalBuffer(in.data());
      DataCopy(l1.Get<half>(), from, 16 * 160);
      hand_over<HardEvent::MTE2_MTE1>();
      LoadData2DParams load;
      load.srcStride = 1;
      load.repeatTimes = 1;
      LoadData(l0a.Get<half>(), l1.Get<half>(), load);
      load.repeatTimes = 10;
      LoadData(l0b.Get<half>(), l1.Get<half>(), load);
      hand_over<HardEvent::MTE1_M>();
      MmadParams params;
      params.m = 16;
      params.k = 16;
      params.n = n;
      Mmad(l0c.Get<float>(), l0a.Get<half>(), l0b.Get<half>(), params);
      if (barrier) PipeBarrier<PIPE_M>();
      params.cmatrixInitVal = false;
      Mmad(l0c.Get<float>(), l0a.Get<half>(), l0b.Get<half>(), params);
    });
  };
  expect_ok(run(160, false));
  expect_ok(run(144, true));
  expect_error(run(144, false), {"Mmad", "no PipeBarrier<PIPE_M>"});
});

}  // namespace
}  // namespace micro_test
