// Adversarial mode over several pipes and cores: a small attention kernel, queues, groups.
#include "adversarial.h"
#include "small_attention.h"

namespace micro_test {
namespace {

using small_attention::Fault;
using Floats = std::vector<float>;

Floats attention(Fault fault, const Options& options) {
  small_attention::Tensors t;
  expect_ok(small_attention::run(t, fault, options));
  return t.out;
}

const Test whole_kernel("a_kernel_without_faults_has_the_same_bits_under_any_seed", [] {
  const Floats right = attention(Fault::none, {});
  for (uint64_t seed = 0; seed < 2 * seeds; ++seed) {
    expect(same_bits(attention(Fault::none, adversary(seed, seed % 2 == 1)), right),
           "seed " + std::to_string(seed));
  }
});

const Test kernel_edges("each_missing_edge_of_a_kernel_shows_in_the_numbers", [] {
  const struct {
    Fault fault;
    const char* text;
  } edges[] = {
      {Fault::no_s_flag, "FIX of the AIC, MTE2 of the AIVs"},
      {Fault::s_flag_from_mte2, "a flag from a pipe that did not do the work"},
      {Fault::no_p_flag, "MTE3 of the AIVs, MTE2 of the AIC"},
      {Fault::no_mte2_mte1, "MTE2 writes L1, MTE1 reads"},
      {Fault::no_mte1_mte2, "MTE1 reads L1, MTE2 writes"},
      {Fault::no_mte1_m, "MTE1 writes L0, M reads"},
      {Fault::no_m_mte1, "M reads L0, MTE1 writes"},
      {Fault::no_m_fix, "M writes L0C, FIX reads"},
      {Fault::no_fix_m, "FIX reads L0C, M writes"},
      {Fault::no_vector_barrier, "V in place, V in place"},
  };
  const Floats right = attention(Fault::none, {});
  for (const auto& edge : edges) {
    bool shown = false;
    for (uint64_t seed = 0; seed < seeds && !shown; ++seed) {
      shown = !same_bits(attention(edge.fault, adversary(seed)), right);
    }
    expect(shown, std::string(edge.text) + ": no seed shows that the edge is missing");
  }
});

// Small products one after the other onto one tile of L0C: 1 + 1 + ... in four steps.
Floats sum_in_l0c(bool ordered, const Options& options) {
  std::vector<half> in(16 * 16, half(1.0f));
  Floats out(16 * 16, 0.0f);
  expect_ok(on_aic(
      {gm("in", in, GmKind::input), gm("out", out, GmKind::output)},
      [&] {
        TPipe pipe;
        TBuf<TPosition::A1> l1;
        TBuf<TPosition::A2> l0a;
        TBuf<TPosition::B2> l0b;
        TBuf<TPosition::CO1> l0c;
        pipe.InitBuffer(l1, 512);
        pipe.InitBuffer(l0a, 512);
        pipe.InitBuffer(l0b, 512);
        pipe.InitBuffer(l0c, 1024);
        GlobalTensor<half> from;
        from.SetGlobalBuffer(in.data());
        GlobalTensor<float> to;
        to.SetGlobalBuffer(out.data());
        DataCopy(l1.Get<half>(), from, 16 * 16);
        PipeBarrier<PIPE_ALL>();
        LoadData2DParams load;
        load.srcStride = load.repeatTimes = 1;
        LoadData(l0a.Get<half>(), l1.Get<half>(), load);
        LoadData(l0b.Get<half>(), l1.Get<half>(), load);
        PipeBarrier<PIPE_ALL>();
        MmadParams params;
        params.m = params.n = params.k = 16;
        for (int step = 0; step < 4; ++step) {
          params.cmatrixInitVal = step == 0;
          Mmad(l0c.Get<float>(), l0a.Get<half>(), l0b.Get<half>(), params);
          if (ordered) PipeBarrier<PIPE_M>();
        }
        PipeBarrier<PIPE_ALL>();
        FixpipeParamsV220 fix;
        fix.nSize = fix.mSize = fix.srcStride = 16;
        fix.dstStride = 16;
        Fixpipe<float, float, CFG_ROW_MAJOR>(to, l0c.Get<float>(), fix);
      },
      options));
  return out;
}

const Test small_products("mmad_onto_a_small_tile_without_a_barrier_shows_in_the_numbers",
                          [] { expect_shown("M writes, M adds", sum_in_l0c); });

// Tiles of 64 floats through a VECIN queue of one buffer, which orders MTE2 and V, and what orders
// the rest, or does not.
using Queue = TQue<TPosition::VECIN, 1>;
using Use = std::function<void(Queue&, LocalTensor<float>& loaded, const LocalTensor<float>& result,
                               bool ordered, const GlobalTensor<float>& out)>;

Floats through_a_queue(const Use& use, bool ordered, const Options& options) {
  Floats in = counting<float>(8 * 64);
  Floats out(8 * 64, 0.0f);
  expect_ok(on_aiv(
      {gm("in", in, GmKind::input), gm("out", out, GmKind::output)},
      [&] {
        TPipe pipe;
        Queue inputs;
        TBuf<TPosition::VECCALC> result;
        pipe.InitBuffer(inputs, 1, 256);
        pipe.InitBuffer(result, 256);
        GlobalTensor<float> from;
        from.SetGlobalBuffer(in.data());
        GlobalTensor<float> to;
        to.SetGlobalBuffer(out.data());
        Duplicate(result.Get<float>(), 0.0f, 64);
        PipeBarrier<PIPE_ALL>();
        for (uint32_t tile = 0; tile < 8; ++tile) {
          LocalTensor<float> loaded = inputs.AllocTensor<float>();
          DataCopy(loaded, from[64 * tile], 64);
          inputs.EnQue(loaded);
          use(inputs, loaded, result.Get<float>(), ordered, to[64 * tile]);
          inputs.FreeTensor(loaded);
        }
      },
      options));
  return out;
}

const Test queues("misuse_of_a_queue_shows_in_the_numbers", [] {
  const Use too_early = [](Queue& q, auto& loaded, const auto& result, bool ordered,
                           const auto& out) {
    if (ordered) loaded = q.DeQue<float>();
    Adds(result, loaded, 1.0f, 64);
    if (!ordered) loaded = q.DeQue<float>();
    PipeBarrier<PIPE_ALL>();
    DataCopy(out, result, 64);
    PipeBarrier<PIPE_ALL>();
  };
  const Use other_consumer = [](Queue& q, auto& loaded, const auto&, bool ordered,
                                const auto& out) {
    loaded = q.DeQue<float>();
    if (ordered) PipeBarrier<PIPE_ALL>();
    DataCopy(out, loaded, 64);
    if (ordered) PipeBarrier<PIPE_ALL>();
  };
  const auto run = [](const Use& use) {
    return [&use](bool ordered, const Options& options) {
      return through_a_queue(use, ordered, options);
    };
  };
  expect_shown("used before DeQue", run(too_early));
  expect_shown("VECIN read by MTE3", run(other_consumer));
});

// AIV0 writes to GM what AIV1 reads and stores elsewhere.
Floats between_aivs(bool ordered, const Options& options) {
  Floats in = counting<float>(8);
  Floats out(16, -1.0f);
  expect_ok(on_group(
      {gm("in", in, GmKind::input), gm("out", out, GmKind::in_out)},
      [&] {
        if ASCEND_IS_AIC
          return;
        TPipe pipe;
        TBuf<TPosition::VECCALC> buffer;
        pipe.InitBuffer(buffer, 32);
        GlobalTensor<float> from;
        from.SetGlobalBuffer(in.data());
        GlobalTensor<float> shared;
        shared.SetGlobalBuffer(out.data());
        const LocalTensor<float> ub = buffer.Get<float>();
        const bool sends = GetSubBlockIdx() == 0;
        if (!sends && ordered) {
          CrossCoreSetFlag<1, PIPE_MTE3>(4);
          CrossCoreWaitFlag(4);
        }
        DataCopy(ub, sends ? from : shared, 8);
        PipeBarrier<PIPE_ALL>();
        DataCopy(sends ? shared : shared[8], ub, 8);
        if (sends && ordered) {
          CrossCoreSetFlag<1, PIPE_MTE3>(4);
          CrossCoreWaitFlag(4);
        }
      },
      options));
  return out;
}

const Test aivs("two_vector_cores_without_a_flag_show_in_the_numbers",
                [] { expect_shown("MTE3 of AIV0, MTE2 of AIV1", between_aivs); });

// Each group writes its number to a place of its own, or to one that all share.
Floats by_groups(bool ordered, const Options& options) {
  Floats in = counting<float>(8 * 8);
  Floats out(8 * 8, 0.0f);
  const auto kernel = [&] {
    TPipe pipe;
    TBuf<TPosition::VECCALC> buffer;
    pipe.InitBuffer(buffer, 32);
    GlobalTensor<float> from;
    from.SetGlobalBuffer(in.data());
    GlobalTensor<float> to;
    to.SetGlobalBuffer(out.data());
    const uint64_t group = static_cast<uint64_t>(GetBlockIdx());
    DataCopy(buffer.Get<float>(), from[8 * group], 8);
    PipeBarrier<PIPE_ALL>();
    DataCopy(to[ordered ? 8 * group : 0], buffer.Get<float>(), 8);
  };
  expect_ok(emulator::launch(options, KernelType::aiv_only, 8,
                             {gm("in", in, GmKind::input), gm("out", out, GmKind::in_out)},
                             kernel));
  return out;
}

const Test groups("groups_that_write_one_place_show_in_the_numbers", [] {
  const Floats apart = by_groups(true, {});
  const Floats together = by_groups(false, adversary(0));
  bool shown = false;
  for (uint64_t seed = 0; seed < seeds; ++seed) {
    expect(same_bits(by_groups(true, adversary(seed)), apart), "each a place of its own");
    shown = shown || !same_bits(by_groups(false, adversary(seed)), together);
  }
  expect(shown, "the same group is last under every seed");
});

const Test one_order("a_seed_stands_for_one_order", [] {
  for (uint64_t seed = 0; seed < seeds; ++seed) {
    Options options = adversary(seed);
    options.host_threads = 4;
    expect(same_bits(attention(Fault::no_mte1_m, options), attention(Fault::no_mte1_m, options)),
           "seed " + std::to_string(seed));
    expect(same_bits(by_groups(false, options), by_groups(false, options)),
           "groups, seed " + std::to_string(seed));
  }
});

}  // namespace
}  // namespace micro_test
