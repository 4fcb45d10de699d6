// Double and interior frees: the process ends with SIGABRT and a message that names the address. What a
// thread's bin takes without looking at its slab is not caught there and then; the slab finds it.
#include "child.h"
#include "support.h"

#include <gtest/gtest.h>
#include <signal.h>

namespace interface_test {
namespace {

ChildResult commit(const std::vector<std::string>& mistake) {
  std::vector<std::string> arguments = {ASHLAR_VICTIM};
  arguments.insert(arguments.end(), mistake.begin(), mistake.end());
  return run_child(arguments);
}

// names_it: the message names the address that the victim announced.
void expect_stopped(const std::vector<std::string>& mistake, bool names_it = true) {
  const ChildResult result = commit(mistake);
  std::string what;
  for (const std::string& word : mistake) {
    what += word + " ";
  }
  EXPECT_FALSE(result.hung) << what;
  EXPECT_EQ(result.signal, SIGABRT) << what << ": status " << result.status << "\n" << result.err;
  EXPECT_NE(result.err.find("ashlar"), std::string::npos) << what << ": " << result.err;
  if (names_it) {
    const size_t end = result.out.find('\n');
    ASSERT_GT(end, 2U) << what;
    ASSERT_NE(end, std::string::npos) << what;
    const std::string address = result.out.substr(2, end - 2);
    EXPECT_NE(result.err.find(address), std::string::npos) << what << ": " << address << ": " << result.err;
  }
}

constexpr const char* kSlabSizes[] = {"16",  "24",   "48",   "100",   "512",
                                      "520", "1000", "4096", "10000", "32768"};
constexpr const char* kLargeSizes[] = {"40000", "100000", "1000000", "5000000", "20000000"};

TEST(DoubleFree, OfTheLastFreedBlockStops) {
  for (const char* size : kSlabSizes) {
    expect_stopped({"double_free", size});
  }
}

TEST(DoubleFree, OfTheLastFreedLargeBlockStops) {
  for (const char* size : {"40000", "100000", "1000000", "5000000", "20000000"}) {
    expect_stopped({"double_free", size});
  }
}

// A directly mapped block is gone after its free: a second one is a foreign pointer's.
TEST(DoubleFree, OfADirectlyMappedBlockIsNamed) {
  const ChildResult result = commit({"double_free", "70000000"});
  EXPECT_NE(result.err.find("ashlar"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find(result.out.substr(2, result.out.find('\n') - 2)), std::string::npos)
      << result.err;
}

TEST(DoubleFree, ThatReachesTheSlabStops) {
  for (const char* size : {"16", "48", "100", "512", "1000", "4096"}) {
    expect_stopped({"double_free_late", size});
  }
}

TEST(DoubleFree, OfEverythingStops) {
  for (const char* size : {"16", "100", "1000", "4096"}) {
    expect_stopped({"double_free_all", size}, false);
  }
}

TEST(ReallocAfterFree, OfALargeBlockStops) {
  for (const char* size : {"40000", "1000000", "20000000"}) {
    expect_stopped({"realloc_after_free", size});
  }
}

TEST(InteriorFree, ThatReachesTheSlabStops) {
  for (const char* size : {"64", "100", "512", "1000", "4096"}) {
    for (const char* offset : {"1", "8", "16", "33"}) {
      expect_stopped({"interior_free_then_many", size, offset});
    }
  }
}

TEST(InteriorFree, OfALargeBlockStops) {
  for (const char* size : kLargeSizes) {
    for (const char* offset : {"1", "16", "4096", "32768"}) {
      expect_stopped({"interior_free", size, offset});
    }
  }
}

TEST(InteriorFree, OfADirectlyMappedBlockStops) {
  for (const char* offset : {"16", "4096", "1048576"}) {
    expect_stopped({"interior_free", "70000000", offset});
  }
}

}  // namespace
}  // namespace interface_test
