// Threads that come and go, frees after the exit hook, and the gate before a fork.
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "cache_support.h"

namespace ashlar::cache {
namespace {

TEST_F(CacheTest, AThreadsExitReturnsEverySlot) {
  give(take(4), 4);
  flush();
  EXPECT_EQ(slots_out(), 0u);
  for (int round = 0; round < 20; ++round) {
    std::thread([] {
      for (unsigned index = 1; index < slab::kClassCount; ++index) {
        for (void* const slot : take_many(index, 20))
          give(slot, index);
      }
      EXPECT_EQ(listed_caches(), 2u);
      EXPECT_TRUE(check_invariants(t_cache));
    }).join();
    EXPECT_EQ(slots_out(), 0u);
    EXPECT_EQ(listed_caches(), 1u);
  }
}

TEST_F(CacheTest, AThreadThatOnlyFreesReturnsThemToo) {
  const std::vector<void*> slots = take_many(20, 5000);
  std::thread([&slots] {
    for (void* const slot : slots)
      give(slot, 20);
  }).join();
  flush();
  EXPECT_EQ(slots_out(), 0u);
}

pthread_key_t g_late_key;
std::atomic<bool> g_late_was_freed{false};

// Runs after our exit hook: destructors go by the keys' order, and ours was made first.
void free_late(void* slot) {
  EXPECT_EQ(t_cache.state, CacheState::kGone);
  const slab::SlotPlace place = slab::place_of(slot, 10);
  give(slot, 10);
  g_late_was_freed = slab::is_slot_free(place);
  void* const another = take(10);  // still served, but nothing is cached
  EXPECT_NE(another, nullptr);
  give(another, 10);
  EXPECT_EQ(t_cache.capacity_bytes, 0u);
}

TEST_F(CacheTest, FreesAfterTheExitHookGoStraightToTheSlab) {
  ASSERT_EQ(pthread_key_create(&g_late_key, free_late), 0);
  std::thread([] {
    void* const slot = take(10);
    pthread_setspecific(g_late_key, slot);
  }).join();
  EXPECT_TRUE(g_late_was_freed.load());
  EXPECT_EQ(slots_out(), 0u);
  EXPECT_EQ(listed_caches(), 0u);
}

TEST_F(CacheTest, ThreadsShareNoSlot) {
  struct Shared {
    std::atomic<uintptr_t*> places[256];
  };
  static Shared shared;
  std::atomic<size_t> bad{0};
  std::vector<std::thread> threads;
  for (uintptr_t t = 0; t < 4; ++t) {
    threads.emplace_back([t, &bad] {
      test::Random random(140 + t);
      for (size_t step = 0; step < test::scaled(300'000); ++step) {
        uintptr_t* const fresh = static_cast<uintptr_t*>(take(5));
        for (int i = 0; i < 10; ++i)
          fresh[i] = reinterpret_cast<uintptr_t>(fresh);
        // What another thread left there is freed here.
        uintptr_t* const found = shared.places[random.below(256)].exchange(fresh);
        if (found == nullptr) continue;
        for (int i = 0; i < 10; ++i)
          bad += found[i] == reinterpret_cast<uintptr_t>(found) ? 0 : 1;
        give(found, 5);
      }
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  for (std::atomic<uintptr_t*>& place : shared.places) {
    if (place.load() != nullptr) give(place.load(), 5);
  }
  flush();
  EXPECT_EQ(bad.load(), 0u);
  EXPECT_EQ(slots_out(), 0u);
}

// Threads that allocate while this one forks.
class Busy {
 public:
  Busy() {
    for (unsigned t = 0; t < 3; ++t) {
      threads_.emplace_back([this, t] {
        test::Random random(150 + t);
        std::vector<std::pair<void*, unsigned>> held;
        while (!stop_.load(std::memory_order_relaxed)) {
          if (held.size() < 3000 && !random.one_in(3)) {
            const unsigned index = static_cast<unsigned>(random.between(1, 80));
            held.emplace_back(take(index), index);
          } else {
            const size_t count = random.one_in(50) ? held.size() : std::min<size_t>(1, held.size());
            for (size_t i = 0; i < count; ++i) {
              give(held.back().first, held.back().second);
              held.pop_back();
            }
          }
          ++rounds_;
        }
        for (const auto& [slot, index] : held)
          give(slot, index);
      });
    }
    while (rounds_.load() < 10'000)
      std::this_thread::yield();
  }
  ~Busy() {
    stop_ = true;
    for (std::thread& thread : threads_)
      thread.join();
  }

 private:
  std::atomic<bool> stop_{false};
  std::atomic<size_t> rounds_{0};
  std::vector<std::thread> threads_;
};

TEST_F(CacheTest, ForkWhileOthersAllocate) {
  size_t lost = 0;
  {
    Busy busy;
    for (size_t round = 0; round < test::scaled(100); ++round) {
      std::vector<void*> mine = take_many(6, 100);
      int pipe_ends[2];
      ASSERT_EQ(pipe(pipe_ends), 0);
      close_gate();
      const pid_t child = fork();
      if (child == 0) {
        forget_other_threads();
        bool good = slab::check_invariants() && page::g_pages.check_invariants();
        for (void* const slot : mine)
          give(slot, 6);
        for (unsigned index = 1; index < slab::kClassCount; ++index) {
          for (void* const slot : take_many(index, 30))
            give(slot, index);
        }
        flush();
        good = good && slab::check_invariants() && listed_caches() == 1;
        const size_t mine_lost = lost_in_fork();
        good = good && write(pipe_ends[1], &mine_lost, sizeof mine_lost) == sizeof mine_lost;
        _exit(good ? 0 : 1);
      }
      open_gate();
      close(pipe_ends[1]);
      int status = 0;
      ASSERT_EQ(waitpid(child, &status, 0), child);
      ASSERT_EQ(status, 0) << "round " << round;
      size_t count = 0;
      ASSERT_EQ(read(pipe_ends[0], &count, sizeof count), static_cast<ssize_t>(sizeof count));
      close(pipe_ends[0]);
      lost += count;
      for (void* const slot : mine)
        give(slot, 6);
    }
    EXPECT_EQ(lost_in_fork(), 0u);  // the parent loses nothing
  }
  EXPECT_GT(lost, 0u);  // others' bins were counted in the children
  flush();
  EXPECT_EQ(slots_out(), 0u);
}

TEST_F(CacheTest, TheGateKeepsOthersOutAndLetsItsOwnerIn) {
  give(take(4), 4);
  close_gate();
  std::atomic<bool> through{false};
  std::thread other([&through] {
    give(take(4), 4);  // a refill: must wait
    through = true;
  });
  for (int i = 0; i < 20; ++i) {
    for (void* const slot : take_many(7, 200))
      give(slot, 7);  // the owner passes its own gate
    EXPECT_FALSE(through.load());
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  open_gate();
  other.join();
  EXPECT_TRUE(through.load());
}

}  // namespace
}  // namespace ashlar::cache
