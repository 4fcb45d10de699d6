// traps.md 23 and 25: other people's fork handlers that allocate, registered before and after ours; signal
// handlers that interrupt an allocation and fork, abort or take a backtrace. Each case is a run of
// fork_hooks of its own, since handlers can't be taken back.
#include "child.h"
#include "support.h"

#include <gtest/gtest.h>
#include <signal.h>

namespace interface_test {
namespace {

void expect_well(const ChildResult& result) {
  EXPECT_FALSE(result.hung) << "it hangs";
  EXPECT_EQ(result.signal, 0) << result.err;
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_NE(result.out.find("went on"), std::string::npos) << result.out;
}

TEST(AtforkHandlers, RegisteredBeforeTheFirstAllocationMayAllocate) {
  expect_well(run_child({ASHLAR_FORK_HOOKS, "handlers_before"}, {}, 60));
}

TEST(AtforkHandlers, RegisteredLaterMayAllocate) {
  expect_well(run_child({ASHLAR_FORK_HOOKS, "handlers_after"}, {}, 60));
}

TEST(AtforkHandlers, OnBothSidesMayAllocate) {
  expect_well(run_child({ASHLAR_FORK_HOOKS, "handlers_both"}, {}, 60));
}

TEST(SignalHandler, ThatForksDoesNotDeadlock) {
  expect_well(run_child({ASHLAR_FORK_HOOKS, "signal_fork"}, {}, 60));
}

// A storm of timer signals on a thread that is in slow paths all the time.
TEST(SignalHandler, ThatForksInTheSlowPathLeavesAChildThatGoesOn) {
  expect_well(run_child({ASHLAR_FORK_HOOKS, "timer_fork"}, {}, 200));
}

TEST(SignalHandler, ThatTakesABacktraceDoesNotDeadlock) {
  expect_well(run_child({ASHLAR_FORK_HOOKS, "signal_backtrace"}, {}, 60));
}

TEST(SignalHandler, ThatAbortsDoesNotDeadlock) {
  for (int round = 0; round < 30; ++round) {
    const ChildResult result = run_child({ASHLAR_FORK_HOOKS, "signal_abort"}, {}, 30);
    ASSERT_FALSE(result.hung);
    ASSERT_EQ(result.signal, SIGABRT) << result.err;
    ASSERT_EQ(result.err, "");
  }
}

}  // namespace
}  // namespace interface_test
