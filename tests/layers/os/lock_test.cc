// os/lock.h: exclusion, recursion, waking, ranks.
#include "os/lock.h"

#include <sys/wait.h>

#include <thread>

#include "support/support.h"

namespace ashlar::os {
namespace {

TEST(Lock, ExcludesThreads) {
  static Lock lock(LockRank::kPage);
  static size_t counter = 0;  // plain: torn or lost counts show
  const size_t rounds = test::scaled(200000);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([rounds] {
      for (size_t i = 0; i < rounds; ++i) {
        LockGuard guard(lock);
        ++counter;
      }
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  EXPECT_EQ(counter, 4 * rounds);
  EXPECT_FALSE(lock.held_by_me());
}

TEST(Lock, SleepersAreWoken) {
  static Lock lock(LockRank::kPage);
  static int turn = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < 30; ++i) {
        LockGuard guard(lock);
        ++turn;
        std::this_thread::sleep_for(std::chrono::microseconds(200));  // others outlast their spinning
      }
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  EXPECT_EQ(turn, 180);
}

TEST(Lock, ItsHolderMayTakeItAgain) {
  static Lock lock(LockRank::kPage);
  lock.lock();
  lock.lock();
  lock.lock();
  lock.unlock();
  lock.unlock();
  EXPECT_TRUE(lock.held_by_me());
  std::atomic<bool> entered{false};
  std::thread other([&entered] {
    EXPECT_FALSE(lock.held_by_me());
    LockGuard guard(lock);
    entered = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_FALSE(entered.load());  // still held once
  lock.unlock();
  other.join();
  EXPECT_TRUE(entered.load());
  EXPECT_FALSE(lock.held_by_me());
}

TEST(Lock, ResetFreesWhoeverHeldIt) {
  static Lock lock(LockRank::kPage);
  std::thread([] {
    lock.lock();
    lock.lock();
  }).join();
  lock.reset();
  lock.lock();
  EXPECT_TRUE(lock.held_by_me());
  lock.unlock();
  EXPECT_FALSE(lock.held_by_me());
}

TEST(Lock, RisingRanksNest) {
  static Lock init(LockRank::kInit), registry(LockRank::kRegistry), direct(LockRank::kDirect),
      page(LockRank::kPage);
  for (int round = 0; round < 3; ++round) {
    LockGuard first(init), second(registry), third(direct), fourth(page);
    EXPECT_TRUE(init.held_by_me() && registry.held_by_me() && direct.held_by_me() && page.held_by_me());
    LockGuard again(init);  // one's own again, whatever the rank
  }
  LockGuard guard(init);  // ranks were given back
}

TEST(LockDeathTest, FallingRanksStop) {
#ifdef ASHLAR_INVARIANTS
  static Lock registry(LockRank::kRegistry), page(LockRank::kPage), other_page(LockRank::kPage);
  const auto take = [](Lock& first, Lock& second) {
    LockGuard outer(first);
    LockGuard inner(second);
  };
  EXPECT_EXIT(take(page, registry), ::testing::KilledBySignal(SIGABRT),
              "ashlar: broken invariant: .*lock.cc");
  EXPECT_EXIT(take(page, other_page), ::testing::KilledBySignal(SIGABRT), "ashlar: broken invariant");
#else
  GTEST_SKIP() << "ranks are checked with ASHLAR_INVARIANTS alone";
#endif
}

TEST(Backoff, ComesBack) {
  Backoff backoff;
  for (int round = 0; round < 400; ++round)
    backoff.wait();  // through spinning, yielding and sleeping
}

}  // namespace
}  // namespace ashlar::os
