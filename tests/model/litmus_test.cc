// The model itself: the small programs by which memory models are told apart, and what is known of the number
// of their interleavings. A model that allowed too little would prove anything.
#include <atomic>

#include "model_support.h"

namespace ashlar::model {
namespace {

using std::memory_order;

std::atomic<uint64_t> g_x, g_y, g_ready;
uint64_t g_plain;
uint64_t g_seen[4];

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr auto kAcquire = std::memory_order_acquire;
constexpr auto kRelease = std::memory_order_release;
constexpr auto kSequential = std::memory_order_seq_cst;

// Store buffering: each thread writes one and reads the other.
template <memory_order kStore, memory_order kLoad>
Program store_buffering() {
  Program program;
  program.threads = {[] {
                       g_x.store(1, kStore);
                       g_seen[0] = g_y.load(kLoad);
                     },
                     [] {
                       g_y.store(1, kStore);
                       g_seen[1] = g_x.load(kLoad);
                     }};
  program.finish = [] { require(g_seen[0] + g_seen[1] > 0, "both read the old value"); };
  return program;
}

TEST(Litmus, StoreBuffering) {
  expect_proved(store_buffering<kSequential, kSequential>());
  expect_found(store_buffering<kRelease, kAcquire>(), "both read the old value");
  expect_found(store_buffering<kSequential, kAcquire>(), "both read the old value");
}

template <memory_order kFence>
Program fenced_buffering() {
  Program program;
  program.threads = {[] {
                       g_x.store(1, kRelaxed);
                       std::atomic_thread_fence(kFence);
                       g_seen[0] = g_y.load(kRelaxed);
                     },
                     [] {
                       g_y.store(1, kRelaxed);
                       std::atomic_thread_fence(kFence);
                       g_seen[1] = g_x.load(kRelaxed);
                     }};
  program.finish = [] { require(g_seen[0] + g_seen[1] > 0, "both read the old value"); };
  return program;
}

TEST(Litmus, FencesBetween) {
  expect_proved(fenced_buffering<std::memory_order_seq_cst>());
  expect_found(fenced_buffering<std::memory_order_acq_rel>(), "both read the old value");
}

// One side without a fence of its own, the other issues a membarrier.
TEST(Litmus, MembarrierStandsForTheOthersFence) {
  Program program;
  program.threads = {[] {
                       g_x.store(1, kRelaxed);
                       g_seen[0] = g_y.load(kRelaxed);
                     },
                     [] {
                       g_y.store(1, kRelaxed);
                       barrier_of_all();
                       g_seen[1] = g_x.load(kRelaxed);
                     }};
  program.finish = [] { require(g_seen[0] + g_seen[1] > 0, "both read the old value"); };
  expect_proved(program);
}

// Message passing, of plain data.
template <memory_order kStore, memory_order kLoad>
Program message() {
  Program program;
  program.threads = {[] {
                       g_plain = 7;
                       g_ready.store(1, kStore);
                     },
                     [] {
                       if (g_ready.load(kLoad) == 1) require(g_plain == 7, "the message is not there");
                     }};
  return program;
}

TEST(Litmus, MessagePassing) {
  expect_proved(message<kRelease, kAcquire>());
  expect_found(message<kRelaxed, kAcquire>(), "data race");
  expect_found(message<kRelease, kRelaxed>(), "data race");
}

// And of a relaxed atomic: no race, but an old value.
template <memory_order kStore>
Program atomic_message() {
  Program program;
  program.threads = {[] {
                       g_x.store(7, kRelaxed);
                       g_ready.store(1, kStore);
                     },
                     [] {
                       if (g_ready.load(kAcquire) == 1) require(g_x.load(kRelaxed) == 7, "an old value");
                     }};
  return program;
}

TEST(Litmus, OldValues) {
  expect_proved(atomic_message<kRelease>());
  expect_found(atomic_message<kRelaxed>(), "an old value");
  Program never_old = atomic_message<kRelaxed>();
  never_old.stale_loads = 0;
  expect_proved(never_old);
}

TEST(Litmus, CoherenceOfOneObject) {
  Program program;
  program.threads = {[] {
                       g_x.store(1, kRelaxed);
                       g_x.store(2, kRelaxed);
                     },
                     [] {
                       const uint64_t first = g_x.load(kRelaxed);
                       require(g_x.load(kRelaxed) >= first, "the second load is older than the first");
                     }};
  expect_proved(program);
}

// A read-modify-write by another thread continues a release sequence.
TEST(Litmus, ReleaseSequence) {
  Program program;
  program.threads = {[] {
                       g_plain = 7;
                       g_x.store(1, kRelease);
                     },
                     [] { g_x.fetch_add(1, kRelaxed); },
                     [] {
                       if (g_x.load(kAcquire) == 2) require(g_plain == 7, "the message is not there");
                     }};
  expect_proved(program);
}

TEST(Litmus, LostUpdate) {
  Program program;
  const auto add = [] { g_x.store(g_x.load(kSequential) + 1, kSequential); };
  program.threads = {add, add};
  program.finish = [] { require(g_x.load() == 2, "an update is lost"); };
  expect_found(program, "an update is lost");
  const auto add_at_once = [] { g_x.fetch_add(1, kRelaxed); };
  program.threads = {add_at_once, add_at_once};
  expect_proved(program);
}

// Two readers see two writers' stores in different orders, unless all is sequentially consistent.
template <memory_order kLoad>
Program independent_reads() {
  Program program;
  program.threads = {[] {
                       g_x.store(1, kSequential);
                       g_y.store(1, kSequential);
                     },
                     [] {
                       g_seen[0] = g_y.load(kLoad);
                       g_seen[1] = g_x.load(kLoad);
                     }};
  program.finish = [] { require(g_seen[0] == 0 || g_seen[1] == 1, "seen out of order"); };
  return program;
}

TEST(Litmus, OrderOfReads) {
  expect_proved(independent_reads<kSequential>());
  expect_proved(independent_reads<kAcquire>());
  expect_found(independent_reads<kRelaxed>(), "seen out of order");
}

TEST(Litmus, DataRace) {
  Program program;
  program.threads = {[] { g_plain = 1; }, [] { g_seen[0] = g_plain; }};
  expect_found(program, "data race");
}

TEST(Litmus, DeadlockAndEndlessWaiting) {
  static char first, second;
  Program program;
  program.threads = {[] {
                       lock(&first);
                       lock(&second);
                       unlock(&second);
                       unlock(&first);
                     },
                     [] {
                       lock(&second);
                       lock(&first);
                       unlock(&first);
                       unlock(&second);
                     }};
  expect_found(program, "nobody can go on");
  program.threads = {[] {
                       while (g_x.load(kRelaxed) == 0)
                         wait_for_change();
                     },
                     [] { g_y.store(1, kRelaxed); }};
  expect_found(program, "nobody can go on");
  program.threads[1] = [] { g_x.store(1, kRelaxed); };
  expect_proved(program);
}

// As many interleavings as there are different ones, and each of them: steps on one object in every order, on
// different objects in one.
TEST(Litmus, NumberOfInterleavings) {
  Program program;
  const auto three = [] {
    for (int i = 0; i < 3; ++i)
      g_x.fetch_add(1, kRelaxed);
  };
  program.threads = {three, three};
  Result result = explore(program);
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.executions, 20u);  // 6 over 3
  program.threads = {three, [] {
                       for (int i = 0; i < 3; ++i)
                         g_y.fetch_add(1, kRelaxed);
                     }};
  result = explore(program);
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.executions, 1u);
  const auto two = [] {
    g_x.fetch_add(1, kRelaxed);
    g_x.fetch_add(1, kRelaxed);
  };
  program.threads = {two, two, two};
  result = explore(program);
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.executions, 90u);  // 6! / 2!^3
}

// The order in which two threads find a lock free decides everything; that of what they do outside, nothing.
TEST(Litmus, LocksOrder) {
  static char guard;
  Program program;
  const auto add = [] {
    lock(&guard);
    ++g_plain;
    unlock(&guard);
  };
  program.threads = {add, add, add};
  program.finish = [] { require(g_plain == 3, "an update is lost"); };
  const Result result = explore(program);
  EXPECT_EQ(result.failure, "") << result.steps;
  EXPECT_EQ(result.executions, 6u);
}

// An execution leaves nothing behind.
TEST(Litmus, EachExecutionStartsAnew) {
  g_plain = 41;
  Program program;
  const auto twice = [] {
    g_x.fetch_add(1, kRelaxed);
    g_x.fetch_add(1, kRelaxed);
  };
  program.threads = {twice, twice};
  program.finish = [] { require(++g_plain == 42 && g_x.load() == 4, "something is left from before"); };
  expect_proved(program);
  EXPECT_EQ(g_plain, 41u);
  EXPECT_EQ(g_x.load(), 0u);
}

}  // namespace
}  // namespace ashlar::model
