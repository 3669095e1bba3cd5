// The command line of the examples: reads the case in one folder, writes the answer to another.
#pragma once

#include <cstdio>
#include <exception>

#include "attention.h"

using ScaleOf = float (*)(const ExportedCase&);

inline int run(int count, char** words, ScaleOf scale_of) {
  if (count != 3) {
    std::fprintf(stderr, "usage: %s CASE_FOLDER OUT_FOLDER\n", words[0]);
    return 2;
  }
  try {
    const ExportedCase asked = read_case(words[1]);
    const Answer answer = attention(asked, scale_of(asked));
    std::filesystem::create_directories(words[2]);
    write_tensor(std::filesystem::path(words[2]) / "out.bin", answer.out);
    write_tensor(std::filesystem::path(words[2]) / "lse.bin", answer.lse);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
