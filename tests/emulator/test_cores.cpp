// Across cores: flags, GM without an order, deadlocks, groups.
#include "micro_test.h"

namespace micro_test {
namespace {

using Floats = std::vector<float>;

// AIV0 writes 8 floats to GM, AIV1 reads them.
Report pass_on(const std::function<void()>& sender_sync,
               const std::function<void()>& receiver_sync) {
  static Floats in(8, 1.0f);
  Floats out(16, 0.0f);
  return on_group({gm("in", in, GmKind::input), gm("out", out, GmKind::workspace)}, [&] {
    KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_MIX_AIC_1_2);
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
    if (GetSubBlockIdx() == 0) {
      DataCopy(ub, from, 8);
      SetFlag<HardEvent::MTE2_MTE3>(0);
      WaitFlag<HardEvent::MTE2_MTE3>(0);
      DataCopy(shared, ub, 8);
      sender_sync();
    } else {
      receiver_sync();
      DataCopy(ub, shared, 8);
    }
  });
}

const Test mode_1("two_vector_cores_hand_over_in_mode_1", [] {
  const auto both = [] {
    CrossCoreSetFlag<1, PIPE_MTE3>(4);
    CrossCoreWaitFlag(4);
  };
  expect_ok(pass_on(both, both));
});

const Test wrong_pipe("a_flag_from_another_pipe_orders_nothing", [] {
  expect_error(pass_on(
                   [] {
                     CrossCoreSetFlag<1, PIPE_MTE2>(4);
                     CrossCoreWaitFlag(4);
                   },
                   [] {
                     CrossCoreSetFlag<1, PIPE_MTE3>(4);
                     CrossCoreWaitFlag(4);
                   }),
               {"RAW", "no CrossCoreSetFlag and CrossCoreWaitFlag", "AIV1", "AIV0 PIPE_MTE3",
                "GM tensor out"});
});

// Flags alone: what the AIC, AIV0 and AIV1 do.
Report flags(const std::function<void()>& cube, const std::function<void()>& first,
             const std::function<void()>& second) {
  return on_group({}, [&] {
    if ASCEND_IS_AIC {
      cube();
    } else {
      (GetSubBlockIdx() == 0 ? first : second)();
    }
  });
}

const Test deadlock("a_deadlock_prints_who_waits_for_what", [] {
  expect_error(flags([] { CrossCoreWaitFlag(6); }, [] {}, [] { CrossCoreWaitFlag(5); }),
               {"deadlock in group 0", "AIC waits for flag 6 at test_cores.cpp",
                "AIV0 has finished", "AIV1 waits for flag 5"});
});

const Test one_aiv("mode_2_needs_both_vector_cores", [] {
  const auto set = [] { CrossCoreSetFlag<2, PIPE_MTE3>(4); };
  const auto wait = [] { CrossCoreWaitFlag(4); };
  expect_ok(flags(wait, set, set));
  expect_error(flags(wait, set, [] {}),
               {"deadlock", "AIC waits for flag 4", "AIV0 has set", "the other AIV has not"});
  expect_error(flags([] {}, set, [] {}), {"kernel end", "never set by the other AIV"});
});

const Test left_set("a_flag_that_nobody_waits_for_is_an_error", [] {
  const auto wait = [] { CrossCoreWaitFlag(4); };
  const auto set = [] { CrossCoreSetFlag<2, PIPE_FIX>(4); };
  expect_ok(flags(set, wait, wait));
  expect_error(flags(set, [] {}, wait), {"kernel end", "flag 4 of AIV0", "still set"});
});

const Test sixteen("a_counter_ends_at_15", [] {
  expect_error(flags(
                   [] {
                     for (int i = 0; i < 16; ++i) CrossCoreSetFlag<2, PIPE_FIX>(4);
                   },
                   [] {}, [] {}),
               {"CrossCoreSetFlag", "count to 16"});
});

const Test flag_rules("flags_have_ids_modes_and_pipes", [] {
  const auto cube = [](const std::function<void()>& body) { return flags(body, [] {}, [] {}); };
  expect_error(cube([] { CrossCoreSetFlag<2, PIPE_FIX>(12); }), {"belong to SyncAll"});
  expect_error(cube([] { CrossCoreSetFlag<2, PIPE_FIX>(16); }), {"above 15"});
  expect_error(cube([] { CrossCoreSetFlag<2, PIPE_S>(4); }), {"PIPE_S cannot set a flag"});
  expect_error(cube([] { CrossCoreSetFlag<2, PIPE_V>(4); }), {"PIPE_V cannot set a flag"});
  expect_error(cube([] { CrossCoreSetFlag<0, PIPE_FIX>(4); }), {"mode 0", "two launches"});
  expect_error(cube([] { CrossCoreSetFlag<1, PIPE_FIX>(4); }), {"mode 1 is for the two AIVs"});
  expect_error(cube([] {
                 CrossCoreSetFlag<2, PIPE_FIX>(4);
                 CrossCoreSetFlag<2, PIPE_MTE2>(4);
               }),
               {"flag 4 was set from PIPE_FIX"});
});

const Test kernel_type("the_kernel_type_is_that_of_the_launch", [] {
  expect_error(on_aiv({}, [] { KERNEL_TASK_TYPE_DEFAULT(KERNEL_TYPE_MIX_AIC_1_2); }),
               {"KERNEL_TASK_TYPE_DEFAULT"});
  expect_error(on_aiv({}, [] { CrossCoreWaitFlag(4); }), {"needs KERNEL_TYPE_MIX_AIC_1_2"});
});

// Each AIV of `groups` groups writes `length` floats of out at `start(block)`.
Report scatter(int groups, Floats& out, uint32_t length,
               const std::function<uint64_t(int64_t)>& start, bool adds, int threads = 1) {
  Floats in(64, 1.0f);
  Options options;
  options.host_threads = threads;
  return emulator::launch(options, KernelType::aiv_only, groups,
                          {gm("in", in, GmKind::input), gm("out", out, GmKind::in_out)}, [&] {
                            TPipe pipe;
                            TBuf<TPosition::VECCALC> buffer;
                            pipe.InitBuffer(buffer, 256);
                            GlobalTensor<float> from;
                            from.SetGlobalBuffer(in.data());
                            GlobalTensor<float> to;
                            to.SetGlobalBuffer(out.data());
                            DataCopy(buffer.Get<float>(), from, 64);
                            SetFlag<HardEvent::MTE2_MTE3>(0);
                            WaitFlag<HardEvent::MTE2_MTE3>(0);
                            if (adds) SetAtomicAdd<float>();
                            DataCopyPad(to[start(GetBlockIdx())], buffer.Get<float>(),
                                        DataCopyExtParams{1, length * 4, 0, 0, 0});
                            if (adds) SetAtomicNone();
                          });
}

const Test groups("groups_write_side_by_side", [] {
  Floats out(5 * 6, 0.0f);
  expect_ok(scatter(6, out, 5, [](int64_t b) { return static_cast<uint64_t>(5 * b); }, false, 3));
  expect_values(out, Floats(30, 1.0f));
});

const Test group_overlap("groups_may_not_write_the_same_bytes", [] {
  Floats out(30, 0.0f);
  expect_error(scatter(
                   4, out, 6, [](int64_t b) { return static_cast<uint64_t>(5 * b); }, false),
               {"written by groups 0 and 1", "GM tensor out, bytes [20, 24)"});
});

const Test group_sums("sums_of_groups_are_a_warning_and_add_up", [] {
  Floats out(16, 1.0f);
  const Report report = scatter(4, out, 8, [](int64_t) { return uint64_t{8}; }, true, 2);
  expect_ok(report);
  expect(!report.warnings.empty(), "a warning");
  expect(out[7] == 1.0f && out[8] == 5.0f && out[15] == 5.0f, "sums");
});

const Test input_written("inputs_are_read_only", [] {
  Floats in(8, 1.0f);
  expect_error(on_aiv({gm("in", in, GmKind::input)},
                      [&] {
                        TPipe pipe;
                        TBuf<TPosition::VECCALC> buffer;
                        pipe.InitBuffer(buffer, 32);
                        GlobalTensor<float> to;
                        to.SetGlobalBuffer(in.data());
                        DataCopy(buffer.Get<float>(), to, 8);
                        SetFlag<HardEvent::MTE2_MTE3>(0);
                        WaitFlag<HardEvent::MTE2_MTE3>(0);
                        DataCopy(to, buffer.Get<float>(), 8);
                      }),
               {"writes the input", "GM tensor in"});
});

const Test block_indices("block_indices_count_vector_cores", [] {
  std::vector<int> seen(6, 0);
  Options options;
  expect_ok(emulator::launch(options, KernelType::mix_aic_1_2, 2, {}, [&] {
    if ASCEND_IS_AIV {
      seen[static_cast<size_t>(GetBlockIdx())] = 1;
    } else {
      seen[static_cast<size_t>(4 + GetBlockIdx())] = static_cast<int>(GetBlockNum());
    }
  }));
  expect(seen == std::vector<int>({1, 1, 1, 1, 2, 2}), "AIV 0..3, AIC 0..1 of 2");
});

const Test launch_input("launch_refuses_tensors_that_cannot_be", [] {
  Floats data(8);
  const auto run = [](const std::vector<GmTensor>& tensors) { return on_aiv(tensors, [] {}); };
  expect_error(run({GmTensor{"q", nullptr, 4, GmKind::input}}), {"q: null pointer"});
  expect_error(run({GmTensor{"q", data.data(), -4, GmKind::input}}), {"q: negative size"});
  expect_error(run({GmTensor{"q", data.data(), 32, GmKind::input},
                    GmTensor{"out", data.data() + 4, 16, GmKind::output}}),
               {"out and q overlap"});
  expect_error(emulator::launch({}, KernelType::aiv_only, 0, {}, [] {}), {"at least 1"});
});

const Test counted("counters_say_what_each_pipe_did", [] {
  Floats out(16, 0.0f);
  const Report report =
      scatter(2, out, 8, [](int64_t b) { return static_cast<uint64_t>(8 * b); }, false);
  expect(report.counters.size() == 2, "two cores");
  const auto& core = report.counters[1];
  expect(core.group == 1 && core.core == 1, "AIV0 of group 1");
  expect(core.pipes[PIPE_MTE2].instructions == 1 && core.pipes[PIPE_MTE3].waits == 1, "pipes");
  expect(core.bytes[static_cast<int>(emulator::Path::gm_ub)] == 256, "in");
  expect(core.bytes[static_cast<int>(emulator::Path::ub_gm)] == 32, "out");
});

}  // namespace
}  // namespace micro_test
