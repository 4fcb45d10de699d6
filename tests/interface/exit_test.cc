// traps.md 21: frees from atexit, static and thread-local destructors and __libc_freeres work: nothing of
// the allocator has been torn down. And statistics at exit come only when asked for.
#include "child.h"
#include "support.h"

#include <gtest/gtest.h>

namespace interface_test {
namespace {

class Exit : public testing::TestWithParam<const char*> {};

TEST_P(Exit, FreesInEveryHook) {
  for (int round = 0; round < (kEmulated ? 5 : 20); ++round) {
    const ChildResult result = run_child({ASHLAR_EXIT_HOOKS, GetParam()}, {}, 30);
    ASSERT_FALSE(result.hung);
    ASSERT_EQ(result.signal, 0) << result.err;
    ASSERT_EQ(result.status, 0) << result.err;
    ASSERT_EQ(result.err, "");
  }
}

INSTANTIATE_TEST_SUITE_P(Each, Exit, testing::Values("return", "exit", "quick_exit", "freeres", "threads"),
                         [](const auto& one) { return std::string(one.param); });

TEST(StatsAtExit, AreTextOrJsonOrNothing) {
  const std::vector<std::string> program = {ASHLAR_EXIT_HOOKS, "return"};
  EXPECT_EQ(run_child(program, {"ASHLAR_CONF=stats_at_exit:none"}).err, "");
  const ChildResult text = run_child(program, {"ASHLAR_CONF=stats_at_exit:text"});
  EXPECT_GT(text.err.size(), 200U);
  EXPECT_EQ(text.status, 0);
  const ChildResult json = run_child(program, {"ASHLAR_CONF=stats_at_exit:json"});
  EXPECT_EQ(json.status, 0);
  ASSERT_FALSE(json.err.empty());
  EXPECT_EQ(json.err.front(), '{');
  EXPECT_EQ(occurrences(json.err, "{"), occurrences(json.err, "}"));
  EXPECT_EQ(text.out, json.out) << "standard output is the program's";
}

}  // namespace
}  // namespace interface_test
