// What operands may not be: out of bounds, misaligned, overlapping, of the wrong type or size.
#include "micro_test.h"

namespace micro_test {
namespace {

using Floats = std::vector<float>;

// 1024 B of UB, all 1.
Report with_ub(const std::function<void(const LocalTensor<float>&)>& body) {
  return on_aiv({}, [&] {
    TPipe pipe;
    TBuf<TPosition::VECCALC> buffer;
    pipe.InitBuffer(buffer, 1024);
    Duplicate(buffer.Get<float>(), 1.0f, 256);
    PipeBarrier<PIPE_ALL>();
    body(buffer.Get<float>());
  });
}

const Test bounds("vector_operands_stay_in_their_tensor", [] {
  expect_error(with_ub([](const auto& t) { Adds(t, t, 1.0f, 257); }),
               {"reads UB bytes [0, 1028)", "outside of the tensor's bytes [0, 1024)"});
  expect_error(with_ub([](const auto& t) { Adds(t[8], t[4], 1.0f, 8); }), {"not aligned to 32 B"});
  expect_error(with_ub([](const auto& t) { Adds(t[256], t[0], 1.0f, 8); }), {"outside"});
  expect_error(with_ub([](const auto& t) { Adds(t, t, 1.0f, 65, 1, {1, 1, 8, 8}); }),
               {"mask is 65, must be in [1, 64]"});
  expect_error(with_ub([](const auto& t) { Adds(t, t, 1.0f, 0); }), {"count is 0"});
});

const Test overlaps("operands_coincide_or_are_apart", [] {
  expect_error(with_ub([](const auto& t) { Adds(t[8], t, 1.0f, 64, 1, {1, 1, 8, 8}); }),
               {"Adds", "overlap in part in repeat 0"});
  expect_error(with_ub([](const auto& t) { Adds(t[64], t, 1.0f, 64, 2, {1, 1, 8, 8}); }),
               {"the destination of repeat 0 is a source of the next"});
  expect_error(with_ub([](const auto& t) { Adds(t, t[128], 1.0f, 64, 2, {1, 1, 0, 8}); }),
               {"each repeat overwrites the one before"});
  expect_error(with_ub([](const auto& t) { Adds(t, t[128], 1.0f, 64, 1, {0, 1, 8, 8}); }),
               {"block stride is 0"});
  expect_error(with_ub([](const auto& t) { Brcb(t, t, 1, {1, 8}); }), {"Brcb", "overlap"});
  expect_error(with_ub([](const auto& t) { Brcb(t[8], t, 1, {0, 8}); }), {"dstBlkStride is 0"});
  expect_error(with_ub([](const auto& t) { WholeReduceSum(t[1], t, 64, 1, 1, 1, 8); }),
               {"WholeReduceSum", "overlap"});
});

const Test types("types_that_an_instruction_lacks", [] {
  expect_error(with_ub([](const auto& t) {
                 const auto words = t.template ReinterpretCast<int32_t>();
                 And(words, words, words, 8);
               }),
               {"And", "int32_t"});
  expect_error(with_ub([](const auto& t) {
                 const auto words = t.template ReinterpretCast<int32_t>();
                 Div(words, words, words, 8);
               }),
               {"Div", "int32_t"});
});

const Test copies("copies_have_units_and_limits", [] {
  Floats in(64, 1.0f);
  const auto copy =
      [&](const std::function<void(const LocalTensor<float>&, const GlobalTensor<float>&)>& body) {
        return on_aiv({gm("in", in, GmKind::input)}, [&] {
          TPipe pipe;
          TBuf<TPosition::VECCALC> buffer;
          pipe.InitBuffer(buffer, 1024);
          GlobalTensor<float> from;
          from.SetGlobalBuffer(in.data());
          body(buffer.Get<float>(), from);
        });
      };
  expect_error(copy([](const auto& t, const auto& g) { DataCopy(t, g, 7); }), {"multiple of 32 B"});
  expect_error(copy([](const auto& t, const auto& g) { DataCopy(t, g, 72); }),
               {"reads GM tensor in, bytes [0, 288), outside"});
  expect_error(copy([](const auto& t, const auto& g) { DataCopy(t[1], g, 8); }), {"not aligned"});
  expect_error(
      copy([](const auto& t, const auto& g) { DataCopy(t, g, DataCopyParams{0, 1, 0, 0}); }),
      {"blockCount is 0"});
  expect_error(copy([](const auto& t, const auto& g) {
                 DataCopyPad(t, g, DataCopyExtParams{1, 6, 0, 0, 0}, DataCopyPadExtParams<float>{});
               }),
               {"multiple of the element size"});
  expect_error(copy([](const auto& t, const auto& g) {
                 DataCopyPad(t, g, DataCopyExtParams{1, 4, 0, 0, 0},
                             DataCopyPadExtParams<float>{true, 9, 0, 0});
               }),
               {"leftPadding in bytes is 36"});
  expect_error(copy([&](const auto&, const auto&) {
                 GlobalTensor<float> other;
                 other.SetGlobalBuffer(in.data() + 32, 33);
               }),
               {"SetGlobalBuffer", "ends at byte 260 of a tensor of 256 B"});
  expect_error(copy([](const auto&, const auto&) {
                 float elsewhere = 0;
                 GlobalTensor<float> other;
                 other.SetGlobalBuffer(&elsewhere);
               }),
               {"SetGlobalBuffer", "in no tensor"});
});

const Test no_address("a_tensor_of_no_elements_may_have_no_address", [] {
  const auto reads = [](bool any) {
    return on_aiv({}, [=] {
      GlobalTensor<int64_t> none;
      none.SetGlobalBuffer(nullptr);
      if (any) none.GetValue(0);
    });
  };
  expect_ok(reads(false));
  expect_error(reads(true), {"GetValue", "GM not registered"});
});

using Cleaned = std::function<void(const GlobalTensor<int64_t>&)>;

// Reads element `i` of two lines of 8 after `clean`.
Report scalar_read(GmKind kind, uint64_t i, const Cleaned& clean) {
  alignas(64) static int64_t words[16];
  for (int64_t w = 0; w < 16; ++w) words[w] = w;
  return on_aiv({GmTensor{"words", words, sizeof words, kind}}, [&] {
    GlobalTensor<int64_t> tensor;
    tensor.SetGlobalBuffer(words);
    clean(tensor);
    expect(tensor.GetValue(i) == static_cast<int64_t>(i), "value");
  });
}

void drop_all(const GlobalTensor<int64_t>& tensor) {
  DataCacheCleanAndInvalid<int64_t, CacheLine::ENTIRE_DATA_CACHE, DcciDst::CACHELINE_OUT>(tensor);
}
void drop_line(const GlobalTensor<int64_t>& tensor) {
  DataCacheCleanAndInvalid<int64_t, CacheLine::SINGLE_CACHE_LINE>(tensor);
}

const Test gm_scalar("scalar_reads_of_gm_are_for_inputs", [] {
  expect_ok(scalar_read(GmKind::input, 1, drop_all));
  expect_error(scalar_read(GmKind::in_out, 1, drop_all), {"GetValue", "this launch may write"});
});

const Test stale_cache("the_data_cache_drops_what_it_held_before_a_scalar_read", [] {
  const auto nothing = [](const auto&) {};
  expect_error(scalar_read(GmKind::input, 1, nothing),
               {"GetValue", "before the launch", "DataCacheCleanAndInvalid"});
  expect_ok(scalar_read(GmKind::input, 7, drop_line));
  expect_error(scalar_read(GmKind::input, 8, drop_line), {"before the launch"});  // the next line
  const auto from_4 = [](const auto& tensor) { drop_line(tensor[4]); };
  expect_ok(scalar_read(GmKind::input, 4, from_4));
  expect_error(scalar_read(GmKind::input, 3, from_4), {"before the launch"});
});

const Test nothing_moved("a_transfer_of_nothing_is_a_note", [] {
  Floats in(64, 1.0f);
  const auto copy = [&](uint16_t count, uint32_t bytes) {
    return on_aiv({gm("in", in, GmKind::input)}, [=, &in] {
      TPipe pipe;
      TBuf<TPosition::VECCALC> buffer;
      pipe.InitBuffer(buffer, 256);
      GlobalTensor<float> from;
      from.SetGlobalBuffer(in.data());
      const DataCopyExtParams params{count, bytes, 0, 0, 0};
      DataCopyPad(buffer.Get<float>(), from, params, DataCopyPadExtParams<float>{});
    });
  };
  expect_notes(copy(1, 4), 0, "length 0");
  expect_notes(copy(1, 0), 1, "DataCopyPad: a transfer of length 0: leave the call out");
  expect_notes(copy(0, 4), 1, "length 0");
});

const Test no_cube("a_vector_core_has_no_cube", [] {
  expect_error(with_ub([](const auto& t) {
                 Mmad(t, t.template ReinterpretCast<half>(), t.template ReinterpretCast<half>(),
                      MmadParams());
               }),
               {"Mmad", "no PIPE_M"});
});

}  // namespace
}  // namespace micro_test
