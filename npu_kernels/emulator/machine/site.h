// Where in the kernel's source a call stands, and how a check that fails leaves the kernel.
#pragma once

#include <stdexcept>
#include <string>

namespace emulator {

// As a default argument it names the line of the caller.
struct Site {
  const char* file;
  int line;
  constexpr Site(const char* file_ = __builtin_FILE(), int line_ = __builtin_LINE())
      : file(file_), line(line_) {}
};

// "kernel.h:12", without the folders: a message reads the same on every machine.
std::string to_string(const Site& site);

// A check failed. The kernel's stack is unwound, the launch ends with this text.
struct Violation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Another core of the group failed: leave quietly.
struct Stopped {};

}  // namespace emulator
