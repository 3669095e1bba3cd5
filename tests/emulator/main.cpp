// Runs the tests that are named, or all; prints what failed.
#include <cstdio>
#include <map>

#include "micro_test.h"

namespace micro_test {
namespace {

std::map<std::string, std::function<void()>>& tests() {
  static std::map<std::string, std::function<void()>> all;
  return all;
}

Report run(KernelType type, const std::vector<GmTensor>& tensors,
           const std::function<void()>& kernel, const Options& options) {
  return emulator::launch(options, type, 1, tensors, kernel);
}

}  // namespace

Test::Test(const char* name, std::function<void()> body) {
  if (!tests().emplace(name, std::move(body)).second) std::fprintf(stderr, "twice: %s\n", name);
}

Report on_aiv(const std::vector<GmTensor>& tensors, const std::function<void()>& kernel,
              const Options& options) {
  return run(KernelType::aiv_only, tensors, kernel, options);
}
Report on_aic(const std::vector<GmTensor>& tensors, const std::function<void()>& kernel,
              const Options& options) {
  return run(KernelType::aic_only, tensors, kernel, options);
}
Report on_group(const std::vector<GmTensor>& tensors, const std::function<void()>& kernel,
                const Options& options) {
  return run(KernelType::mix_aic_1_2, tensors, kernel, options);
}

void expect(bool claim, const std::string& text) {
  if (!claim) throw std::runtime_error(text);
}

void expect_ok(const Report& report) {
  expect(report.ok, "unexpected error: " + report.error);
}

void expect_notes(const Report& report, int count, const char* text) {
  expect_ok(report);
  int found = 0;
  for (const std::string& note : report.notes) found += note.find(text) != std::string::npos;
  expect(found == count, std::to_string(found) + " notes say \"" + text + "\"");
}

void expect_error(const Report& report, std::initializer_list<const char*> texts) {
  expect(!report.ok, "no error was found");
  for (const char* text : texts) {
    expect(report.error.find(text) != std::string::npos,
           "\"" + std::string(text) + "\" is not in the error: " + report.error);
  }
}

}  // namespace micro_test

int main(int count, char** names) {
  int failed = 0;
  const auto run_one = [&](const std::string& name, const std::function<void()>& body) {
    try {
      body();
    } catch (const std::exception& error) {
      std::printf("%s: %s\n", name.c_str(), error.what());
      ++failed;
    }
  };
  auto& tests = micro_test::tests();
  for (int i = 1; i < count; ++i) {
    const auto found = tests.find(names[i]);
    if (found == tests.end()) {
      std::printf("%s: no such test\n", names[i]);
      ++failed;
    } else {
      run_one(found->first, found->second);
    }
  }
  if (count == 1) {
    for (const auto& test : tests) run_one(test.first, test.second);
    std::printf("%zu tests, %d failed\n", tests.size(), failed);
  }
  return failed == 0 ? 0 : 1;
}
