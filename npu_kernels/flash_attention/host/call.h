// A call from across the border: nothing is thrown over it, and text says what happened. Host only.
#pragma once

#include <algorithm>
#include <cstring>
#include <exception>

#include "host/refusal.h"

namespace flash {

inline void write_text(const NpuLaunch& launch, const std::string& text) {
  if (launch.text == nullptr || launch.text_bytes <= 0) return;
  const size_t bytes = std::min(text.size(), static_cast<size_t>(launch.text_bytes - 1));
  std::memcpy(launch.text, text.data(), bytes);
  launch.text[bytes] = '\0';
}

// Runs `body`, which may throw a Refusal.
template <typename Body>
int32_t answered_launch(const NpuLaunch& launch, const Body& body) {
  write_text(launch, "");
  try {
    body();
    return NPU_OK;
  } catch (const Refusal& refusal) {
    write_text(launch, refusal.text);
    return refusal.code;
  } catch (const std::exception& error) {
    write_text(launch, error.what());
    return NPU_CHECK_FAILED;
  }
}

// The same for a question: NpuForward, NpuBackward or NpuDropoutMask.
template <typename Question, typename Body>
int32_t answered(Question* question, const Body& body) {
  if (question == nullptr || question->struct_bytes != sizeof(Question)) return NPU_BAD_ARGUMENT;
  return answered_launch(question->launch, body);
}

// The same for a question about bytes: what `body` returns, or -1.
template <typename Question, typename Body>
int64_t answered_bytes(Question* question, const Body& body) {
  int64_t bytes = -1;
  const int32_t code = answered(question, [&] { bytes = body(); });
  return code == NPU_OK ? bytes : -1;
}

}  // namespace flash
