// TPipe, TQue and TBuf: capacities, states of tensors, event ids, and what is left at the end.
#include "micro_test.h"

namespace micro_test {
namespace {

using Floats = std::vector<float>;
using In = TQue<TPosition::VECIN, 1>;
using Out = TQue<TPosition::VECOUT, 1>;

const Test pipeline("queues_carry_tiles_through_without_hand_written_events", [] {
  Floats in = counting<float>(256);
  Floats out(256, 0.0f);
  expect_ok(on_aiv({gm("in", in, GmKind::input), gm("out", out, GmKind::output)}, [&] {
    TPipe pipe;
    In inputs;
    Out outputs;
    pipe.InitBuffer(inputs, 2, 256);
    pipe.InitBuffer(outputs, 2, 256);
    GlobalTensor<float> from;
    from.SetGlobalBuffer(in.data());
    GlobalTensor<float> to;
    to.SetGlobalBuffer(out.data());
    for (uint32_t tile = 0; tile < 4; ++tile) {
      LocalTensor<float> loaded = inputs.AllocTensor<float>();
      DataCopy(loaded, from[64 * tile], 64);
      inputs.EnQue(loaded);
      loaded = inputs.DeQue<float>();
      LocalTensor<float> result = outputs.AllocTensor<float>();
      Adds(result, loaded, 1.0f, 64);
      inputs.FreeTensor(loaded);
      outputs.EnQue(result);
      result = outputs.DeQue<float>();
      DataCopy(to[64 * tile], result, 64);
      outputs.FreeTensor(result);
    }
  }));
  for (size_t i = 0; i < 256; ++i) expect(out[i] == static_cast<float>(i + 1), "element");
});

// One input queue of two buffers, and 16 floats of input.
Report with_queue(const std::function<void(In&, const GlobalTensor<float>&, TPipe&)>& body) {
  Floats in(16, 1.0f);
  return on_aiv({gm("in", in, GmKind::input)}, [&] {
    TPipe pipe;
    In queue;
    pipe.InitBuffer(queue, 2, 64);
    GlobalTensor<float> from;
    from.SetGlobalBuffer(in.data());
    body(queue, from, pipe);
  });
}

const Test states("tensors_of_a_queue_have_states", [] {
  expect_error(with_queue([](In& q, const auto&, TPipe&) {
                 auto t = q.AllocTensor<float>();
                 q.FreeTensor(t);
                 q.FreeTensor(t);
               }),
               {"FreeTensor", "freed twice, before at test_framework.cpp"});
  expect_error(with_queue([](In& q, const auto&, TPipe&) { q.AllocTensor<float>(); }),
               {"was never freed", "buffer 0 (VECIN)"});
  expect_error(with_queue([](In& q, const auto&, TPipe&) { q.DeQue<float>(); }),
               {"DeQue", "empty"});
  expect_error(with_queue([](In& q, const auto&, TPipe&) {
                 auto t = q.AllocTensor<float>();
                 q.EnQue(t);
                 q.EnQue(t);
               }),
               {"EnQue", "in the queue already"});
  expect_error(with_queue([](In& q, const auto&, TPipe&) {
                 auto t = q.AllocTensor<float>();
                 q.EnQue(t);
                 q.FreeTensor(t);
               }),
               {"FreeTensor", "still in the queue"});
  expect_error(with_queue([](In& q, const auto&, TPipe&) {
                 q.EnQue(q.AllocTensor<float>());
                 q.EnQue(q.AllocTensor<float>());
               }),
               {"EnQue", "depth 1"});
  expect_error(with_queue([](In& q, const auto&, TPipe&) {
                 for (int i = 0; i < 3; ++i) q.AllocTensor<float>();
               }),
               {"AllocTensor", "all 2 buffers"});
  expect_error(with_queue([](In& q, const auto&, TPipe& pipe) {
                 In other;
                 pipe.InitBuffer(other, 1, 64);
                 auto foreign = q.AllocTensor<float>();
                 other.FreeTensor(foreign);
               }),
               {"FreeTensor", "does not belong"});
});

const Test held("eight_tensors_of_a_position_are_held_at_most", [] {
  expect_error(on_aiv({},
                      [] {
                        TPipe pipe;
                        In first;
                        In second;
                        pipe.InitBuffer(first, 5, 32);
                        pipe.InitBuffer(second, 5, 32);
                        for (int i = 0; i < 5; ++i) {
                          first.AllocTensor<float>();
                          second.AllocTensor<float>();
                        }
                      }),
               {"AllocTensor", "8 tensors of VECIN are held"});
});

const Test freed("a_freed_tensor_may_not_be_used", [] {
  expect_error(with_queue([](In& q, const auto& from, TPipe&) {
                 auto t = q.AllocTensor<float>();
                 q.FreeTensor(t);
                 DataCopy(t, from, 16);
               }),
               {"DataCopy", "which is free since test_framework.cpp"});
});

const Test stale("a_recycled_tensor_holds_nothing", [] {
  expect_error(with_queue([](In& q, const auto& from, TPipe&) {
                 for (int i = 0; i < 3; ++i) {
                   auto t = q.AllocTensor<float>();
                   if (i < 2) DataCopy(t, from, 16);
                   q.EnQue(t);
                   t = q.DeQue<float>();
                   Adds(t, t, 1.0f, 16);
                   q.FreeTensor(t);
                 }
               }),
               {"Adds", "nobody wrote"});
});

const Test no_dequeue("using_a_tensor_before_dequeue_is_a_race", [] {
  expect_error(with_queue([](In& q, const auto& from, TPipe&) {
                 auto t = q.AllocTensor<float>();
                 DataCopy(t, from, 16);
                 q.EnQue(t);
                 Adds(t, t, 1.0f, 16);
               }),
               {"RAW", "no MTE2_V wait"});
});

const Test wrong_consumer("a_queue_knows_one_consumer_only", [] {
  expect_error(with_queue([](In& q, const auto& from, TPipe&) {
                 auto t = q.AllocTensor<float>();
                 DataCopy(t, from, 16);
                 q.EnQue(t);
                 t = q.DeQue<float>();
                 t.GetValue(0);
               }),
               {"GetValue", "no MTE2_S wait"});
});

const Test hand_ids("ids_of_kinds_that_a_queue_uses_come_from_the_pipe", [] {
  expect_error(with_queue([](In&, const auto&, TPipe&) { SetFlag<HardEvent::MTE2_V>(3); }),
               {"use AllocEventID"});
  expect_ok(with_queue([](In&, const auto&, TPipe& pipe) {
    const TEventID id = pipe.AllocEventID<HardEvent::MTE2_V>();
    SetFlag<HardEvent::MTE2_V>(id);
    WaitFlag<HardEvent::MTE2_V>(id);
    pipe.ReleaseEventID<HardEvent::MTE2_V>(id);
    const TEventID spot = GetTPipePtr()->FetchEventID(HardEvent::V_MTE2);
    SetFlag<HardEvent::V_MTE2>(spot);
    WaitFlag<HardEvent::V_MTE2>(spot);
  }));
  expect_error(
      with_queue([](In&, const auto&, TPipe& pipe) { pipe.AllocEventID<HardEvent::MTE2_V>(); }),
      {"MTE2_V was never released"});
  expect_error(with_queue([](In&, const auto&, TPipe& pipe) {
                 for (int i = 0; i < 9; ++i) pipe.AllocEventID<HardEvent::MTE2_V>();
               }),
               {"all 8 ids"});
});

const Test cube_ids("tpipe_owns_three_m_mte1_events_on_the_cube", [] {
  const auto set = [](int id) {
    return on_aic({}, [id] {
      TPipe pipe;
      SetFlag<HardEvent::M_MTE1>(id);
      WaitFlag<HardEvent::M_MTE1>(id);
    });
  };
  expect_error(set(0), {"M_MTE1 id 0", "owned by TPipe", "use ids 3..5"});
  expect_error(set(2), {"owned by TPipe"});
  expect_ok(set(3));
  expect_ok(on_aic({}, [] {
    TPipe pipe;
    pipe.Destroy();
    SetFlag<HardEvent::M_MTE1>(0);
    WaitFlag<HardEvent::M_MTE1>(0);
  }));
});

template <TPosition position>
Report with_buffer(uint32_t bytes, bool cube, const Options& options = {}) {
  const auto kernel = [bytes] {
    TPipe pipe;
    TBuf<position> buffer;
    pipe.InitBuffer(buffer, bytes);
  };
  return cube ? on_aic({}, kernel, options) : on_aiv({}, kernel, options);
}

const Test capacities("every_memory_has_its_real_size", [] {
  expect_ok(with_buffer<TPosition::VECCALC>(184 * 1024 - 256, false));
  expect_error(with_buffer<TPosition::VECCALC>(184 * 1024 - 255, false),
               {"InitBuffer", "UB has 188160 B left of 188160"});
  Options whole;
  whole.whole_ub = true;
  expect_ok(with_buffer<TPosition::VECCALC>(192 * 1024 - 256, false, whole));
  expect_ok(with_buffer<TPosition::A1>(512 * 1024 - 256, true));
  expect_error(with_buffer<TPosition::B1>(512 * 1024, true), {"L1 has"});
  expect_ok(with_buffer<TPosition::A2>(64 * 1024, true));
  expect_error(with_buffer<TPosition::B2>(64 * 1024 + 32, true), {"L0B has"});
  expect_error(with_buffer<TPosition::CO1>(128 * 1024 + 32, true), {"L0C has"});
  expect_error(with_buffer<TPosition::CO1>(1024, false), {"no such memory"});
  expect_error(with_buffer<TPosition::VECCALC>(0, false), {"a buffer of nothing"});
});

const Test many("there_are_64_buffers_at_most", [] {
  expect_error(on_aiv({},
                      [] {
                        TPipe pipe;
                        std::vector<TBuf<TPosition::VECCALC>> buffers(65);
                        for (auto& buffer : buffers) pipe.InitBuffer(buffer, 32);
                      }),
               {"more than 64 buffers"});
});

const Test reserve("select_needs_the_reserved_8_kb", [] {
  Options whole;
  whole.whole_ub = true;
  expect_error(on_aiv(
                   {},
                   [] {
                     TPipe pipe;
                     TBuf<TPosition::VECCALC> buffer;
                     pipe.InitBuffer(buffer, 185 * 1024);
                     const auto t = buffer.Get<float>();
                     Select(t, t.ReinterpretCast<uint8_t>(), t, 0.0f,
                            SELMODE::VSEL_TENSOR_SCALAR_MODE, 64);
                   },
                   whole),
               {"Select", "last 8 KB"});
});

const Test left_on("modes_left_on_break_the_next_kernel", [] {
  expect_error(on_aiv({}, [] { SetMaskCount(); }), {"kernel end", "SetMaskNorm"});
  expect_error(on_aiv({}, [] { SetAtomicAdd<float>(); }), {"kernel end", "SetAtomicNone"});
});

const Test tbuf_view("a_view_of_a_tbuf_ends_where_it_was_told", [] {
  expect_error(on_aiv({},
                      [] {
                        TPipe pipe;
                        TBuf<TPosition::VECCALC> buffer;
                        pipe.InitBuffer(buffer, 256);
                        Duplicate(buffer.GetWithOffset<float>(16, 64), 0.0f, 17);
                      }),
               {"Duplicate", "outside"});
  expect_error(on_aiv({},
                      [] {
                        TPipe pipe;
                        TBuf<TPosition::VECCALC> buffer;
                        pipe.InitBuffer(buffer, 256);
                        buffer.GetWithOffset<float>(64, 32);
                      }),
               {"TBuf::Get", "288"});
});

const Test constant_id("a_constant_event_id_beside_a_tpipe_is_a_note", [] {
  const auto hand_over = [](bool constant) {
    return on_aiv({}, [=] {
      TPipe pipe;
      const TEventID id = constant ? TEventID{0} : pipe.FetchEventID(HardEvent::V_MTE3);
      SetFlag<HardEvent::V_MTE3>(id);
      WaitFlag<HardEvent::V_MTE3>(id);
    });
  };
  expect_notes(hand_over(false), 0, "constant id");
  expect_notes(hand_over(true), 1, "SetFlag: a constant id of V_MTE3 beside a TPipe");
});

}  // namespace
}  // namespace micro_test
