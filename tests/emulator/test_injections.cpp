// What the emulator says when one thing is wrong in a small attention kernel.
#include <algorithm>
#include <cmath>

#include "small_attention.h"

namespace micro_test {
namespace {

using namespace small_attention;

const Test right("a_kernel_without_faults_passes_and_is_right", [] {
  Tensors t;
  const Report report = run(t, Fault::none);
  expect_ok(report);
  expect(report.warnings.empty() && report.notes.empty(), "neither warnings nor notes");
  double worst = 0;
  for (size_t i = 0; i < length; ++i) {
    for (size_t d = 0; d < tile; ++d) {
      double sum = 0;
      for (size_t j = 0; j < length; ++j) {
        double score = 0;
        for (size_t c = 0; c < tile; ++c) {
          score += static_cast<double>(static_cast<float>(t.q[i * tile + c])) *
                   static_cast<double>(static_cast<float>(t.k[j * tile + c]));
        }
        sum += std::exp(score / 8) * static_cast<double>(static_cast<float>(t.v[j * tile + d]));
      }
      worst = std::max(worst, std::fabs(sum - static_cast<double>(t.out[i * tile + d])));
    }
  }
  expect(worst < 128 * 0x1p-10, "worst error " + std::to_string(worst));
});

const Test same_bits("fast_and_checked_give_the_same_bits", [] {
  Tensors checked;
  Tensors fast;
  Options options;
  options.checked = false;
  expect_ok(run(checked, Fault::none));
  expect_ok(run(fast, Fault::none, options));
  expect(checked.out == fast.out, "bits differ");
});

void expect_refused(Fault fault, std::initializer_list<const char*> texts) {
  Tensors t;
  expect_error(run(t, fault), texts);
}

const Test cross("faults_between_cores_are_refused", [] {
  expect_refused(Fault::s_flag_not_waited,
                 {"DataCopy on AIV", "RAW", "no CrossCoreSetFlag", "Fixpipe"});
  expect_refused(Fault::s_flag_from_mte2,
                 {"DataCopy on AIV", "RAW", "no CrossCoreSetFlag", "Fixpipe"});
  expect_refused(Fault::p_flag_not_waited,
                 {"DataCopy(Nd2Nz) on AIC", "GM tensor p", "nobody wrote"});
  expect_refused(Fault::one_aiv_sets_no_flag, {"deadlock", "AIC waits for flag 5", "AIV0 has set"});
});

const Test cube_order("faults_between_the_cubes_pipes_are_refused", [] {
  expect_refused(Fault::no_mte2_mte1, {"LoadData", "RAW", "no MTE2_MTE1 wait"});
  expect_refused(Fault::no_mte1_m, {"Mmad", "RAW", "no MTE1_M wait"});
  expect_refused(Fault::no_m_fix, {"Fixpipe", "RAW", "no M_FIX wait"});
  expect_refused(Fault::no_fix_m, {"Mmad", "WAR", "no FIX_M wait"});
  expect_refused(Fault::no_m_mte1, {"LoadData", "WAR", "no M_MTE1 wait"});
  expect_refused(Fault::no_mte1_mte2, {"DataCopy(Nd2Nz)", "WAR", "no MTE1_MTE2 wait"});
});

const Test cube_use("wrong_use_of_the_cube_is_refused", [] {
  expect_refused(Fault::m_mte1_id_0, {"SetFlag", "M_MTE1 id 0", "owned by TPipe"});
  expect_refused(Fault::m_is_1, {"Mmad", "m is 1"});
  expect_refused(Fault::wrong_pitch, {"LoadData", "reads L1", "outside"});
  expect_refused(Fault::l1_too_small, {"DataCopy(Nd2Nz)", "writes L1", "outside"});
  expect_refused(Fault::rows_beyond_the_tensor,
                 {"DataCopy(Nd2Nz)", "reads GM tensor q", "outside"});
});

const Test vector_faults("faults_on_the_vector_cores_are_refused", [] {
  expect_refused(Fault::no_vector_barrier, {"Exp", "RAW", "no PipeBarrier<PIPE_V>", "Muls"});
  expect_refused(Fault::not_dequeued, {"Muls", "no MTE2_V wait"});
  expect_refused(Fault::not_freed, {"AllocTensor", "all 2 buffers", "are held"});
  expect_refused(Fault::freed_too_early, {"Cast", "which is free since"});
  expect_refused(Fault::stride_off_by_one, {"Muls", "outside"});
  expect_refused(Fault::ub_too_small, {"DataCopy", "writes UB", "outside"});
});

}  // namespace
}  // namespace micro_test
