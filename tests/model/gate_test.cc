// The gate before a fork: whoever is in a slow path when the gate closes has left it when close_gate returns,
// and nobody has entered, though entering takes no fence.
#include "heap_scenario.h"

namespace ashlar::heap {
namespace {

using model::Atomic;
using model::expect_found;
using model::expect_proved;
using model::Program;
using model::require;

uint64_t g_inside;  // plain: touched within sections and behind the closed gate alone

class ModelGate : public ::testing::Test {
 protected:
  void SetUp() override { start_heap(); }
};

std::atomic<int> g_point;

void enter() {
  cache::SlowPath section;
  // Steps, so that the membarrier of the other may come before, between and after the two writes: it acts on
  // this thread wherever that stands.
  g_point.load(std::memory_order_relaxed);
  g_inside = 1;
  g_point.load(std::memory_order_relaxed);
  g_inside = 0;
  g_point.load(std::memory_order_relaxed);
}

void fork_meanwhile() {
  cache::close_gate();
  require(g_inside == 0, "a thread is in the slow path during a fork");
  cache::open_gate();
}

Program enter_against_fork() {
  Program program;
  program.threads = {enter, fork_meanwhile};
  program.stale_loads = model::old_values(1, 2);
  return program;
}

TEST_F(ModelGate, EnterAgainstFork) { expect_proved(enter_against_fork()); }

// Without membarrier each entry takes a fence.
TEST_F(ModelGate, EnterAgainstForkWithFences) {
  cache::detail::g_entry_fence = true;
  Program program = enter_against_fork();
  expect_proved(program);
}

TEST_F(ModelGate, TwoFork) {
  Program program;
  program.threads = {fork_meanwhile, fork_meanwhile};
  program.stale_loads = model::old_values(0, 1);
  expect_proved(program);
}

TEST_F(ModelGate, FindsLeavingWeakened) {
  Program program = enter_against_fork();
  program.fault = [](Atomic* operation) {
    if (operation->kind == model::Kind::kStore && operation->order == __ATOMIC_RELEASE)
      operation->order = __ATOMIC_RELAXED;
    if (operation->kind == model::Kind::kSub) operation->order = __ATOMIC_RELAXED;
  };
  expect_found(program, "data race");
}

}  // namespace
}  // namespace ashlar::heap
