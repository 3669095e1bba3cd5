// Gather: what it picks, and what it refuses.
#include "micro_test.h"

namespace micro_test {
namespace {

using Words = std::vector<uint32_t>;

// Runs `body(dst, src, offsets)` on an AIV with all three in UB; dst begins as ones.
template <typename T>
Report gathered(std::vector<T>& out, std::vector<T>& in, Words& offsets,
                const std::function<void(const LocalTensor<T>&, const LocalTensor<T>&,
                                         const LocalTensor<uint32_t>&)>& body) {
  return on_aiv({gm("in", in, GmKind::input), gm("offsets", offsets, GmKind::input),
                 gm("out", out, GmKind::in_out)},
                [&] {
                  TPipe pipe;
                  TBuf<TPosition::VECCALC> buffers[3];
                  pipe.InitBuffer(buffers[0], static_cast<uint32_t>(out.size() * sizeof(T)));
                  pipe.InitBuffer(buffers[1], static_cast<uint32_t>(in.size() * sizeof(T)));
                  pipe.InitBuffer(buffers[2], static_cast<uint32_t>(offsets.size() * 4));
                  const LocalTensor<T> dst = buffers[0].Get<T>();
                  const LocalTensor<T> src = buffers[1].Get<T>();
                  const LocalTensor<uint32_t> at = buffers[2].Get<uint32_t>();
                  GlobalTensor<T> source;
                  GlobalTensor<T> target;
                  GlobalTensor<uint32_t> places;
                  source.SetGlobalBuffer(in.data());
                  target.SetGlobalBuffer(out.data());
                  places.SetGlobalBuffer(offsets.data());
                  DataCopy(src, source, static_cast<uint32_t>(in.size()));
                  DataCopy(dst, target, static_cast<uint32_t>(out.size()));
                  DataCopy(at, places, static_cast<uint32_t>(offsets.size()));
                  PipeBarrier<PIPE_ALL>();
                  body(dst, src, at);
                  PipeBarrier<PIPE_ALL>();
                  DataCopy(target, dst, static_cast<uint32_t>(out.size()));
                });
}

const Test offsets_in_bytes("gather_picks_by_byte_offsets_from_a_base", [] {
  std::vector<int32_t> in = {10, 11, 12, 13, 14, 15, 16, 17};
  Words offsets = {0, 4, 20, 4, 16, 12, 8, 0};
  std::vector<int32_t> out(8, -1);
  expect_ok(gathered<int32_t>(out, in, offsets, [](const auto& d, const auto& s, const auto& at) {
    Gather(d, s, at, uint32_t{8}, 6);
  }));
  expect_values(out, {12, 13, 17, 13, 16, 15, -1, -1});
});

const Test of_halves("gather_moves_bits_of_16_too", [] {
  std::vector<uint16_t> in = {0x7E01, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xFFFF};
  Words offsets = {30, 0, 2, 28, 0, 0, 0, 0};
  std::vector<uint16_t> out(16, 99);
  expect_ok(gathered<uint16_t>(out, in, offsets, [](const auto& d, const auto& s, const auto& at) {
    Gather(d, s, at, uint32_t{0}, 4);
  }));
  std::vector<uint16_t> want(16, 99);
  want[0] = 0xFFFF;
  want[1] = 0x7E01;
  want[2] = 1;
  want[3] = 14;
  expect_values(out, want);
});

const Test several_repeats("gather_reverses_200_elements", [] {
  std::vector<float> in = counting<float>(200);
  Words offsets(200);
  std::vector<float> want(200);
  for (uint32_t i = 0; i < 200; ++i) {
    offsets[i] = 4 * (199 - i);
    want[i] = static_cast<float>(199 - i);
  }
  std::vector<float> out(200, -1.0f);
  const Report report = gathered<float>(
      out, in, offsets,
      [](const auto& d, const auto& s, const auto& at) { Gather(d, s, at, uint32_t{0}, 200); });
  expect_ok(report);
  expect_values(out, want);
  expect(report.counters[0].pipes[PIPE_V].repeats == 4, "200 elements are 4 repeats");
});

const Test nothing("gather_of_nothing_does_nothing", [] {
  std::vector<float> in(8, 1.0f);
  std::vector<float> out(8, -1.0f);
  Words offsets(8, 0);
  expect_ok(gathered<float>(out, in, offsets, [](const auto& d, const auto& s, const auto& at) {
    Gather(d, s, at, uint32_t{0}, 0);
  }));
  expect_values(out, std::vector<float>(8, -1.0f));
});

struct Refused {
  const char* what;
  std::vector<uint32_t> offsets;
  uint32_t base;
  uint32_t dst;  // where dst and src begin, in elements
  uint32_t src;
  std::vector<const char*> says;
};

const Test refusals("gather_refuses_what_leaves_the_source_or_is_misaligned", [] {
  const Refused all[] = {
      {"offset", {0, 32}, 0, 0, 0, {"Gather", "reads UB bytes", "outside of the tensor"}},
      {"base", {0, 4}, 28, 0, 0, {"Gather", "reads UB bytes", "outside of the tensor"}},
      {"odd offset", {0, 6}, 0, 0, 0, {"srcOffset[1] is 6", "multiple of sizeof(T)"}},
      {"odd base", {0, 4}, 2, 0, 0, {"srcBaseAddr is 2", "multiple of sizeof(T)"}},
      {"dst", {0, 4}, 0, 4, 0, {"the destination starts at byte", "not aligned to 32 B"}},
      {"src", {0, 4}, 0, 0, 4, {"the source starts at byte", "not aligned to 32 B"}},
  };
  for (const Refused& one : all) {
    std::vector<float> in(8, 1.0f);
    std::vector<float> out(16, -1.0f);
    Words offsets(8, 0);
    std::copy(one.offsets.begin(), one.offsets.end(), offsets.begin());
    const Report report =
        gathered<float>(out, in, offsets, [&](const auto& d, const auto& s, const auto& at) {
          Gather(d[one.dst], s[one.src], at, one.base, 2);
        });
    for (const char* text : one.says) expect_error(report, {text});
  }
});

const Test overlaps("gather_refuses_to_write_what_it_reads", [] {
  std::vector<uint32_t> in(16, 0);
  std::vector<uint32_t> out(16, 0);
  Words offsets(16, 36);
  expect_error(gathered<uint32_t>(out, in, offsets,
                                  [](const auto&, const auto& s, const auto& at) {
                                    Gather(s[8], s, at, uint32_t{0}, 8);
                                  }),
               {"srcOffset[0] is 36", "source and destination overlap"});
  expect_error(gathered<uint32_t>(out, in, offsets,
                                  [](const auto&, const auto& s, const auto& at) {
                                    Gather(at, s, at, uint32_t{0}, 8);
                                  }),
               {"Gather", "srcOffset and the destination overlap"});
});

const Test unordered("gather_needs_a_barrier_after_what_made_its_operands", [] {
  std::vector<float> in(8, 1.0f);
  std::vector<float> out(8, -1.0f);
  Words offsets(8, 4);
  expect_error(gathered<float>(out, in, offsets,
                               [](const auto& d, const auto& s, const auto& at) {
                                 Adds(s, s, 1.0f, 8);
                                 Gather(d, s, at, uint32_t{0}, 8);
                               }),
               {"Gather", "RAW", "no PipeBarrier<PIPE_V>"});
  expect_error(gathered<float>(out, in, offsets,
                               [](const auto& d, const auto& s, const auto& at) {
                                 ShiftLeft(at, at, uint32_t{1}, 8);
                                 Gather(d, s, at, uint32_t{0}, 8);
                               }),
               {"Gather", "RAW", "no PipeBarrier<PIPE_V>"});
});

const Test bytes("gather_is_not_for_bytes", [] {
  std::vector<uint8_t> in(32, 1);
  std::vector<uint8_t> out(32, 1);
  Words offsets(8, 0);
  expect_error(gathered<uint8_t>(out, in, offsets,
                                 [](const auto& d, const auto& s, const auto& at) {
                                   Gather(d, s, at, uint32_t{0}, 8);
                                 }),
               {"Gather", "not for uint8_t"});
});

}  // namespace
}  // namespace micro_test
