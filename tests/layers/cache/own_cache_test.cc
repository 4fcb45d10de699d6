// Caches behind a pointer: who has one, who borrows the spare, what comes back.
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <set>
#include <thread>

#include "cache_support.h"

namespace ashlar::cache {
namespace {

class OwnCacheTest : public CacheTest {};

TEST_F(OwnCacheTest, AThreadHasACacheFromItsFirstSectionOn) {
  std::thread([] {
    EXPECT_EQ(t_own_cache, &kNewCache);
    EXPECT_EQ(pop(slab::class_code(4)), nullptr);  // reads the constant, takes nothing
    EXPECT_EQ(t_own_cache, &kNewCache);
    void* const slot = take(4);
    ThreadCache* const mine = t_own_cache;
    EXPECT_NE(mine, &kNewCache);
    give(slot, 4);
    EXPECT_EQ(take(4), slot);  // cached
    give(slot, 4);
    EXPECT_EQ(t_own_cache, mine);
  }).join();
}

TEST_F(OwnCacheTest, AFreeAsAThreadsFirstOperationWritesNothingToTheConstant) {
  void* const slot = take(4);
  const slab::SlotPlace place = slab::place_of(slot, 4);
  std::thread([slot] {
    give(slot, 4);  // the constants are in read-only memory
    EXPECT_NE(t_own_cache, &kNewCache);
  }).join();
  EXPECT_TRUE(slab::is_slot_free(place));
}

TEST_F(OwnCacheTest, CachesOfThreadsThatEndedAreUsedAgain) {
  std::set<const ThreadCache*> seen;
  for (int round = 0; round < 50; ++round) {
    std::thread([&seen] {
      give(take(4), 4);
      seen.insert(t_own_cache);
    }).join();
  }
  EXPECT_EQ(seen.size(), 1u);
}

TEST_F(OwnCacheTest, ThreadsAtOneTimeShareNone) {
  constexpr unsigned kThreads = 60;  // more than a block of the pool holds
  std::atomic<ThreadCache*> caches[kThreads]{};
  std::atomic<unsigned> ready{0};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      give(take(4), 4);
      caches[t] = t_own_cache;
      ++ready;
      while (ready.load() < kThreads)
        std::this_thread::yield();
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  const std::set<ThreadCache*> different(std::begin(caches), std::end(caches));
  EXPECT_EQ(different.size(), kThreads);
}

pthread_key_t g_after_key;
std::atomic<bool> g_was_gone{false};
std::atomic<bool> g_borrowed{false};

void section_after_exit(void*) {
  g_was_gone = t_own_cache == &kGoneCache;
  {
    SlowPath outer;
    SlowPath inner;
    g_borrowed = t_own_cache != &kGoneCache && t_cache.state == CacheState::kGone;
  }
  g_was_gone = g_was_gone && t_own_cache == &kGoneCache;
}

TEST_F(OwnCacheTest, AfterTheExitHookASectionBorrowsTheSpare) {
  ASSERT_EQ(pthread_key_create(&g_after_key, section_after_exit), 0);
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([] {
      give(take(4), 4);
      pthread_setspecific(g_after_key, &g_after_key);
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  EXPECT_TRUE(g_was_gone.load());
  EXPECT_TRUE(g_borrowed.load());
}

// In the child the caches of threads that are gone serve new ones, and the spare is free, whoever had it.
TEST_F(OwnCacheTest, AForkedChildHasTheOthersCaches) {
#ifdef ASHLAR_TEST_TSAN
  GTEST_SKIP() << "ThreadSanitizer does not follow a fork of a threaded process";
#endif
  give(take(4), 4);
  std::atomic<bool> stop{false};
  std::atomic<ThreadCache*> others{nullptr};
  std::thread other([&] {
    give(take(4), 4);
    others = t_own_cache;
    while (!stop)
      std::this_thread::yield();
  });
  while (others.load() == nullptr)
    std::this_thread::yield();
  close_gate();
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    forget_other_threads();
    bool again = false;
    for (int t = 0; t < 3 && !again; ++t) {
      std::thread([&] {
        give(take(4), 4);
        again = t_own_cache == others;
      }).join();
    }
    _exit(again ? 0 : 1);
  }
  open_gate();
  stop = true;
  other.join();
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace ashlar::cache
