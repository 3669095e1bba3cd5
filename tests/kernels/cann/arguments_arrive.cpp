// A program that ends with 0 if each field that a kernel reads is the one that the host wrote.
// Compiled with strict aliasing, as CANN compiles.
#include "kernel_operator.h"

#include <cstdio>
#include <cstring>

#include "common/read_arguments.h"
#include "forward/arguments.h"

namespace {

constexpr float scale = 0.125f;
constexpr float softcap = 30.0f;
constexpr float keep_prob = 0.75f;

// Not inlined: a kernel's caller is not known to it, either.
[[gnu::noinline]] float read_and_multiply(GM_ADDR at) {
  flash::ForwardArguments arguments{};
  flash::read_arguments(arguments, at);
  const flash::Tiling& tiling = arguments.tiling;
  return tiling.scale * tiling.softcap * tiling.keep_prob * static_cast<float>(tiling.has_sink);
}

}  // namespace

int main() {
  alignas(8) static uint8_t bytes[sizeof(flash::ForwardArguments)];
  flash::ForwardArguments written{};
  written.tiling.scale = scale;
  written.tiling.softcap = softcap;
  written.tiling.keep_prob = keep_prob;
  written.tiling.has_sink = 1;
  std::memcpy(bytes, &written, sizeof(written));
  const float product = read_and_multiply(bytes);
  std::printf("scale * softcap * keep_prob = %g\n", static_cast<double>(product));
  return product == scale * softcap * keep_prob ? 0 : 1;
}
