// A test is a name and a function; it fails by throwing. Kernels run on one core or one group.
#pragma once

#include "kernel_operator.h"

#include <functional>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <vector>

#include "machine/launch.h"

namespace micro_test {

using namespace AscendC;
using emulator::GmKind;
using emulator::GmTensor;
using emulator::KernelType;
using emulator::Options;
using emulator::Report;

class Test {
 public:
  Test(const char* name, std::function<void()> body);
};

template <typename T>
GmTensor gm(const char* name, std::vector<T>& values, GmKind kind) {
  return GmTensor{name, values.data(), static_cast<int64_t>(values.size() * sizeof(T)), kind};
}

// One core alone, or one group of AIC and two AIVs.
Report on_aiv(const std::vector<GmTensor>& tensors, const std::function<void()>& kernel,
              const Options& options = {});
Report on_aic(const std::vector<GmTensor>& tensors, const std::function<void()>& kernel,
              const Options& options = {});
Report on_group(const std::vector<GmTensor>& tensors, const std::function<void()>& kernel,
                const Options& options = {});

void expect_ok(const Report& report);
// A launch without errors of which this many notes say the text.
void expect_notes(const Report& report, int count, const char* text);
// Every text must occur in the error.
void expect_error(const Report& report, std::initializer_list<const char*> texts);
void expect(bool claim, const std::string& text);

template <typename T>
void expect_values(const std::vector<T>& got, const std::vector<T>& want) {
  expect(got.size() == want.size(), "sizes differ");
  for (size_t i = 0; i < got.size(); ++i) {
    const double g = static_cast<double>(static_cast<float>(got[i]));
    const double w = static_cast<double>(static_cast<float>(want[i]));
    expect(g == w || (g != g && w != w), "element " + std::to_string(i) + ": got " +
                                             std::to_string(g) + ", want " + std::to_string(w));
  }
}

// NaN: what an output holds where nothing was written.
template <typename T>
T unwritten() {
  T value;
  std::memcpy(&value, &emulator::poison_word, sizeof(T));
  return value;
}

// Values 0, 1, 2 ...
template <typename T>
std::vector<T> counting(size_t count) {
  std::vector<T> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = static_cast<T>(static_cast<float>(i));
  return values;
}

// Runs `body(dst, src)` on an AIV between a copy in and a copy out of whole buffers, properly
// synced. dst starts as `before` in every element.
template <typename D, typename S>
Report through_ub(std::vector<D>& out, std::vector<S>& in,
                  const std::function<void(const LocalTensor<D>&, const LocalTensor<S>&)>& body,
                  const Options& options = {}) {
  return on_aiv(
      {gm("in", in, GmKind::input), gm("out", out, GmKind::in_out)},
      [&] {
        TPipe pipe;
        TBuf<TPosition::VECCALC> from;
        TBuf<TPosition::VECCALC> to;
        pipe.InitBuffer(from, static_cast<uint32_t>(in.size() * sizeof(S)));
        pipe.InitBuffer(to, static_cast<uint32_t>(out.size() * sizeof(D)));
        GlobalTensor<S> source;
        source.SetGlobalBuffer(in.data());
        GlobalTensor<D> target;
        target.SetGlobalBuffer(out.data());
        const LocalTensor<S> src = from.Get<S>();
        const LocalTensor<D> dst = to.Get<D>();
        DataCopy(src, source, static_cast<uint32_t>(in.size()));
        DataCopy(dst, target, static_cast<uint32_t>(out.size()));
        SetFlag<HardEvent::MTE2_V>(0);
        WaitFlag<HardEvent::MTE2_V>(0);
        SetFlag<HardEvent::MTE2_MTE3>(0);
        WaitFlag<HardEvent::MTE2_MTE3>(0);
        body(dst, src);
        SetFlag<HardEvent::V_MTE3>(0);
        WaitFlag<HardEvent::V_MTE3>(0);
        DataCopy(target, dst, static_cast<uint32_t>(out.size()));
      },
      options);
}

}  // namespace micro_test
