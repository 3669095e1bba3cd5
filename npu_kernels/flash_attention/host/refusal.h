// Why a question is refused before anything is launched. Host only.
#pragma once

#include <cstdint>
#include <string>

#include "../abi.h"

namespace flash {

// The text begins with the argument's name.
struct Refusal {
  int32_t code;
  std::string text;
};

[[noreturn]] inline void refuse(const std::string& argument, const std::string& why,
                                int32_t code = NPU_BAD_ARGUMENT) {
  throw Refusal{code, argument + ": " + why};
}

inline std::string text_of(int64_t number) {
  return std::to_string(number);
}

}  // namespace flash
