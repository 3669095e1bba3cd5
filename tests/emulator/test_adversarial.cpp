// Adversarial mode on one vector core: each edge of the ordering model, present and missing.
#include "adversarial.h"

namespace micro_test {
namespace {

using Floats = std::vector<float>;
using Body =
    std::function<void(bool ordered, const LocalTensor<float>& a, const LocalTensor<float>& b,
                       const GlobalTensor<float>& in, const GlobalTensor<float>& out)>;

constexpr uint32_t count = 256;

template <HardEvent event>
void hand_over(bool ordered = true, int32_t id = 0) {
  if (!ordered) return;
  SetFlag<event>(id);
  WaitFlag<event>(id);
}

// a and b start as 0, in and out hold 0, 1, 2 ... and -1: what is read too early is one of these.
Floats result_of(const Body& body, bool ordered, const Options& options) {
  Floats in = counting<float>(2 * count);
  Floats out(2 * count, -1.0f);
  expect_ok(on_aiv(
      {gm("in", in, GmKind::input), gm("out", out, GmKind::in_out)},
      [&] {
        TPipe pipe;
        TBuf<TPosition::VECCALC> first;
        TBuf<TPosition::VECCALC> second;
        pipe.InitBuffer(first, count * 4);
        pipe.InitBuffer(second, count * 4);
        GlobalTensor<float> from;
        from.SetGlobalBuffer(in.data());
        GlobalTensor<float> to;
        to.SetGlobalBuffer(out.data());
        Duplicate(first.Get<float>(), 0.0f, count);
        Duplicate(second.Get<float>(), 0.0f, count);
        PipeBarrier<PIPE_ALL>();
        body(ordered, first.Get<float>(), second.Get<float>(), from, to);
      },
      options));
  return out;
}

void store(const GlobalTensor<float>& to, const LocalTensor<float>& from) {
  PipeBarrier<PIPE_ALL>();
  DataCopy(to, from, count);
}

struct Race {
  const char* edge;
  Body body;
};

const Race between_pipes[] = {
    {"MTE2 writes, V reads",
     [](bool ordered, const auto& a, const auto& b, const auto& in, const auto& out) {
       DataCopy(a, in, count);
       hand_over<HardEvent::MTE2_V>(ordered);
       Adds(b, a, 1.0f, count);
       store(out, b);
     }},
    {"V writes, MTE3 reads",
     [](bool ordered, const auto& a, const auto&, const auto&, const auto& out) {
       Duplicate(a, 2.0f, count);
       hand_over<HardEvent::V_MTE3>(ordered);
       DataCopy(out, a, count);
     }},
    {"V reads, MTE2 writes",
     [](bool ordered, const auto& a, const auto& b, const auto& in, const auto& out) {
       Adds(b, a, 1.0f, count);
       hand_over<HardEvent::V_MTE2>(ordered);
       DataCopy(a, in[count], count);
       store(out, b);
     }},
    {"MTE3 reads, V writes",
     [](bool ordered, const auto& a, const auto&, const auto&, const auto& out) {
       DataCopy(out, a, count);
       hand_over<HardEvent::MTE3_V>(ordered);
       Duplicate(a, 2.0f, count);
     }},
    {"MTE2 writes, V writes",
     [](bool ordered, const auto& a, const auto&, const auto& in, const auto& out) {
       DataCopy(a, in, count);
       hand_over<HardEvent::MTE2_V>(ordered);
       Duplicate(a, 2.0f, 8);
       store(out, a);
     }},
    {"MTE2 writes, MTE3 reads",
     [](bool ordered, const auto& a, const auto&, const auto& in, const auto& out) {
       DataCopy(a, in, count);
       hand_over<HardEvent::MTE2_MTE3>(ordered);
       DataCopy(out, a, count);
     }},
    {"MTE3 writes GM, MTE2 reads it",
     [](bool ordered, const auto& a, const auto& b, const auto&, const auto& out) {
       DataCopy(out, a, count);
       hand_over<HardEvent::MTE3_MTE2>(ordered);
       DataCopy(b, out, count);
       store(out[count], b);
     }},
    {"an event that is set before the work it stands for",
     [](bool ordered, const auto& a, const auto&, const auto&, const auto& out) {
       if (!ordered) SetFlag<HardEvent::V_MTE3>(0);
       Duplicate(a, 2.0f, count);
       if (ordered) SetFlag<HardEvent::V_MTE3>(0);
       WaitFlag<HardEvent::V_MTE3>(0);
       DataCopy(out, a, count);
     }},
};

const Race within_a_pipe[] = {
    {"V writes, V reads",
     [](bool ordered, const auto& a, const auto& b, const auto&, const auto& out) {
       Duplicate(a, 2.0f, count);
       if (ordered) PipeBarrier<PIPE_V>();
       Adds(b, a, 1.0f, count);
       store(out, b);
     }},
    {"V writes, V writes",
     [](bool ordered, const auto& a, const auto&, const auto&, const auto& out) {
       Duplicate(a, 2.0f, count);
       if (ordered) PipeBarrier<PIPE_V>();
       Duplicate(a, 3.0f, 64);
       store(out, a);
     }},
    {"V in place, V reads",
     [](bool ordered, const auto& a, const auto& b, const auto&, const auto& out) {
       Adds(a, a, 5.0f, count);
       if (ordered) PipeBarrier<PIPE_V>();
       Muls(b, a, 2.0f, 64, 4, {1, 1, 8, 8});
       store(out, b);
     }},
    {"MTE2 writes, MTE2 writes",
     [](bool ordered, const auto& a, const auto&, const auto& in, const auto& out) {
       DataCopy(a, in, count);
       if (ordered) PipeBarrier<PIPE_MTE2>();
       DataCopy(a, in[count], 64);
       store(out, a);
     }},
    {"MTE3 writes, MTE3 writes",
     [](bool ordered, const auto& a, const auto& b, const auto&, const auto& out) {
       Duplicate(b, 2.0f, count);
       PipeBarrier<PIPE_ALL>();
       DataCopy(out, a, count);
       if (ordered) PipeBarrier<PIPE_MTE3>();
       DataCopy(out, b, 64);
     }},
    {"sums that meet in one place",  // 2^24 + 1 + 1 ... is 2^24, 1 + 1 + 2^24 is not
     [](bool ordered, const auto& a, const auto& b, const auto&, const auto& out) {
       DataCopy(out, a, count);
       PipeBarrier<PIPE_ALL>();
       Duplicate(a, 0x1p24f, count);
       Duplicate(b, 1.0f, count);
       PipeBarrier<PIPE_ALL>();
       SetAtomicAdd<float>();
       for (const LocalTensor<float>& term : {a, b, b, b, b}) {
         DataCopy(out, term, count);
         if (ordered) PipeBarrier<PIPE_MTE3>();
       }
       SetAtomicNone();
     }},
};

const Race scalar_pipe[] = {
    {"S writes, V reads",
     [](bool ordered, const auto& a, const auto& b, const auto&, const auto& out) {
       a.SetValue(3, 7.0f);
       hand_over<HardEvent::S_V>(ordered);
       Adds(b, a, 1.0f, count);
       store(out, b);
     }},
    {"V reads, S writes",
     [](bool ordered, const auto& a, const auto& b, const auto&, const auto& out) {
       Adds(b, a, 1.0f, count);
       hand_over<HardEvent::V_S>(ordered);
       a.SetValue(3, 7.0f);
       store(out, b);
     }},
    {"V writes, S reads",
     [](bool ordered, const auto& a, const auto& b, const auto&, const auto& out) {
       Duplicate(a, 2.0f, count);
       hand_over<HardEvent::V_S>(ordered);
       Duplicate(b, a.GetValue(5), count);
       store(out, b);
     }},
    {"MTE2 writes, S reads",
     [](bool ordered, const auto& a, const auto& b, const auto& in, const auto& out) {
       DataCopy(a, in, count);
       hand_over<HardEvent::MTE2_S>(ordered);
       Duplicate(b, a.GetValue(5), count);
       store(out, b);
     }},
    {"S writes, MTE3 reads",
     [](bool ordered, const auto& a, const auto&, const auto&, const auto& out) {
       a.SetValue(3, 7.0f);
       hand_over<HardEvent::S_MTE3>(ordered);
       DataCopy(out, a, count);
     }},
};

template <size_t length>
void expect_all_shown(const Race (&races)[length]) {
  for (const Race& race : races) {
    expect_shown(race.edge, [&](bool ordered, const Options& options) {
      return result_of(race.body, ordered, options);
    });
  }
}

const Test pipes("a_missing_event_between_pipes_shows_in_the_numbers",
                 [] { expect_all_shown(between_pipes); });
const Test barriers("a_missing_barrier_within_a_pipe_shows_in_the_numbers",
                    [] { expect_all_shown(within_a_pipe); });
const Test scalars("a_missing_event_of_the_scalar_pipe_shows_in_the_numbers",
                   [] { expect_all_shown(scalar_pipe); });

const Test switches("what_the_stock_switch_repairs_gives_the_same_bits", [] {
  for (const Race* race : {&within_a_pipe[0], &within_a_pipe[1], &within_a_pipe[2], &scalar_pipe[0],
                           &scalar_pipe[1], &scalar_pipe[2], &scalar_pipe[3], &scalar_pipe[4]}) {
    const Floats right = result_of(race->body, true, {});
    for (uint64_t seed = 0; seed < seeds; ++seed) {
      Options stock = adversary(seed);
      stock.auto_sync = true;
      expect(same_bits(result_of(race->body, false, stock), right), race->edge);
    }
  }
});

}  // namespace
}  // namespace micro_test
