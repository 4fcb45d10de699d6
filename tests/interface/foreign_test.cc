// traps.md 14: pointers that are not ours. A free is named on stderr once and ignored (foreign:abort
// stops); realloc and malloc_usable_size of one stop; a free inside our ranges of no live block stops.
#include "child.h"
#include "support.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <regex>

namespace interface_test {
namespace {

ChildResult commit(const std::vector<std::string>& mistake, const std::string& conf = "") {
  std::vector<std::string> arguments = {ASHLAR_VICTIM};
  arguments.insert(arguments.end(), mistake.begin(), mistake.end());
  return run_child(arguments, {"ASHLAR_CONF=" + conf});
}

// The address that the victim announced, as hexadecimal digits without 0x.
std::string announced(const ChildResult& result) {
  const size_t end = result.out.find('\n');
  return result.out.substr(0, 2) == "0x" && end != std::string::npos ? result.out.substr(2, end - 2) : "?";
}

void expect_stopped(const ChildResult& result, const std::string& what) {
  EXPECT_FALSE(result.hung) << what;
  EXPECT_EQ(result.signal, SIGABRT) << what << ": status " << result.status << "\n" << result.err;
  EXPECT_NE(result.err.find("ashlar"), std::string::npos) << what << ": " << result.err;
  EXPECT_NE(result.err.find(announced(result)), std::string::npos)
      << what << ": " << announced(result) << " is not in: " << result.err;
}

TEST(ForeignFree, IsNamedOnceAndIgnored) {
  for (const char* where : {"0", "1"}) {
    const ChildResult result = commit({"foreign_free", where});
    EXPECT_EQ(result.signal, 0) << result.err;
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_NE(result.out.find("went on"), std::string::npos);
    EXPECT_EQ(occurrences(result.err, "\n"), 1) << "one line, once: " << result.err;
    EXPECT_NE(result.err.find("ashlar"), std::string::npos) << result.err;
    EXPECT_NE(result.err.find(announced(result)), std::string::npos) << result.err;
  }
}

TEST(ForeignFree, OfTheStackIsIgnored) {
  const ChildResult result = commit({"foreign_stack"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_NE(result.err.find(announced(result)), std::string::npos) << result.err;
}

TEST(ForeignFree, StopsWhenToldTo) {
  expect_stopped(commit({"foreign_free", "0"}, "foreign:abort"), "free");
  expect_stopped(commit({"foreign_stack"}, "foreign:abort"), "free of the stack");
}

TEST(ForeignRealloc, Stops) {
  for (const char* where : {"0", "1"}) {
    expect_stopped(commit({"foreign_realloc", where}), "realloc");
  }
}

TEST(ForeignUsableSize, Stops) {
  for (const char* where : {"0", "1"}) {
    expect_stopped(commit({"foreign_usable_size", where}), "malloc_usable_size");
  }
}

// Inside our ranges, but no live block: a freed large block, the middle of one, and beyond what is open.
TEST(NoLiveBlock, FreeStops) {
  for (const char* size : {"200000", "1000000", "3000000"}) {
    for (const char* offset : {"0", "16", "4096", "65536"}) {
      expect_stopped(commit({"no_block", size, offset}), std::string(size) + " + " + offset);
    }
  }
  for (const char* offset : {"268435456", "1073741824"}) {
    const ChildResult result = commit({"no_block", "100000", offset});
    if (result.out.find("not owned") == std::string::npos) {
      expect_stopped(result, std::string("the window + ") + offset);
    }
  }
}

}  // namespace
}  // namespace interface_test
