// The main function of the layers' GoogleTest programs: each test in a process of its own, since a process
// has one heap. ctest asks for one test at a time; asked for several, this program runs itself for each.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "support/emulator.h"

#ifdef ASHLAR_TEST_TSAN
// Children of threaded processes run on, unwatched; by default ThreadSanitizer ends them when they start a
// thread. NOLINTNEXTLINE(readability-identifier-naming, bugprone-reserved-identifier): the sanitizer's name
extern "C" const char* __tsan_default_options() { return "die_after_fork=0"; }
#endif

namespace {

std::vector<std::string> list_tests(const std::string& filter) {
  std::vector<std::string> tests;
  const std::string command =
      "/proc/" + std::to_string(getpid()) + "/exe --gtest_list_tests '--gtest_filter=" + filter + "'";
  std::FILE* const list = popen(command.c_str(), "r");
  std::string suite;
  char line[512];
  while (list != nullptr && std::fgets(line, sizeof line, list) != nullptr) {
    std::string text(line);
    text.erase(text.find_last_not_of(" \n") + 1);
    if (text.empty() || text.find(' ') > 2) {
      suite = text;
    } else {
      tests.push_back(suite + text.substr(2));
    }
  }
  if (list != nullptr) pclose(list);
  return tests;
}

bool passes(const char* program, const std::string& test) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    const std::string filter = "--gtest_filter=" + test;
    execl("/proc/self/exe", program, filter.c_str(), "--gtest_brief=1", static_cast<char*>(nullptr));
    _exit(127);
  }
  int status = 0;
  return waitpid(child, &status, 0) == child && status == 0;
}

}  // namespace

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  ::testing::FLAGS_gtest_death_test_style =
      ashlar::test::kEmulated ? "fast" : "threadsafe";  // that one executes
  const std::string filter = ::testing::FLAGS_gtest_filter;
  if (::testing::FLAGS_gtest_list_tests || filter.find_first_of("*?:-") == std::string::npos)
    return RUN_ALL_TESTS();
  int failed = 0;
  const std::vector<std::string> tests = list_tests(filter);
  for (const std::string& test : tests) {
    const bool passed = passes(argv[0], test);
    std::printf("%s %s\n", passed ? "passed" : "FAILED", test.c_str());
    failed += passed ? 0 : 1;
  }
  std::printf("%zu tests, %d failed\n", tests.size(), failed);
  return failed == 0 && !tests.empty() ? 0 : 1;
}
