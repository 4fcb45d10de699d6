// traps.md 17-20: frees by threads that never allocated, after the exit hook, after the owner's death; reused
// stacks; ten thousand short threads. Memory returns to where it was.
#include "support.h"

#include <gtest/gtest.h>
#include <malloc.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include <atomic>
#include <cstdlib>
#include <thread>

namespace interface_test {
namespace {

constexpr int kShortThreads = kEmulated ? 300 : 10000;

// Remembers what is live, resident and cached, and checks later that it is so again.
class Baseline {
 public:
  void check(size_t live_slack, size_t resident_slack) const {
    EXPECT_LE(live_bytes(), live_ + live_slack);
    malloc_trim(0);
    if (!kEmulated) {
      EXPECT_LE(resident_bytes(), resident_ + resident_slack);  // else: of the emulator, which grows
    }
    if (const auto stats = read_stats()) {
      EXPECT_LE(stats->thread_caches, caches_) << "caches of dead threads exist";
    }
    EXPECT_EQ(heap_faults(), 0);
  }

 private:
  static size_t caches_now() {
    const auto stats = read_stats();
    return stats != nullptr ? stats->thread_caches : 0;
  }
  size_t live_ = live_bytes();
  size_t resident_ = resident_bytes();
  size_t caches_ = caches_now();
};

// Runs a function in a thread by pthread_create alone: std::thread would allocate in it and for it.
template <typename Function>
void in_thread(Function function, const pthread_attr_t* attributes = nullptr) {
  pthread_t thread;
  const auto start = [](void* argument) -> void* {
    (*static_cast<Function*>(argument))();
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, attributes, start, &function), 0);
  pthread_join(thread, nullptr);
}

// The first threads settle what libc keeps for itself (stacks, dtv).
void warm_up() {
  for (int i = 0; i < 20; ++i) {
    in_thread([] { std::free(std::malloc(opaque<size_t>(100))); });
  }
}

// 20. The first operation of a thread.
TEST(FirstOperation, MayBeAFree) {
  warm_up();
  const Baseline baseline;
  for (int i = 0; i < kShortThreads; ++i) {
    void* const p = std::malloc(static_cast<size_t>(16 + i % 3000));
    in_thread([p] { std::free(p); });
  }
  baseline.check(4 * kKiB, 2 * kMiB);
}

TEST(FirstOperation, MayBeAnyOther) {
  warm_up();
  const Baseline baseline;
  for (const size_t size : {16UL, 1000UL, 40000UL, 300 * kKiB, 3 * kMiB, 40 * kMiB}) {
    void* p = std::malloc(size);
    fill(p, size, 4);
    in_thread([&] { EXPECT_GE(malloc_usable_size(p), size); });
    in_thread([&] { p = std::realloc(p, size * 2); });
    EXPECT_TRUE(filled(p, size, 4));
    in_thread([&] { p = std::realloc(p, size / 2); });
    EXPECT_TRUE(filled(p, size / 2, 4));
    in_thread([&] { EXPECT_EQ(std::realloc(p, opaque<size_t>(0)), nullptr); });
    in_thread([&] { p = std::calloc(1, size); });
    EXPECT_TRUE(all_zero(p, size));
    in_thread([&] { std::free(p); });
    in_thread([] {});
    in_thread([] { malloc_trim(0); });
  }
  baseline.check(4 * kKiB, 4 * kMiB);
}

TEST(ShortThreads, TenThousandReturnToTheBaseline) {
  warm_up();
  const Baseline baseline;
  for (int i = 0; i < kShortThreads; ++i) {
    in_thread([i] {
      void* blocks[50];
      for (int j = 0; j < 50; ++j) {
        blocks[j] = std::malloc(opaque(static_cast<size_t>((i * 7 + j * 53) % 2000)));
      }
      for (void* p : blocks) {
        std::free(p);
      }
    });
  }
  baseline.check(4 * kKiB, 2 * kMiB);
}

TEST(ShortThreads, BlocksOutliveTheirThread) {
  warm_up();
  const Baseline baseline;
  std::vector<void*> blocks(20000);
  for (int round = 0; round < 20; ++round) {
    const size_t part = blocks.size() / 20;
    in_thread([&] {
      for (size_t i = 0; i < part; ++i) {
        void*& block = blocks[static_cast<size_t>(round) * part + i];
        block = std::malloc(100 + i % 900);
        fill(block, 100 + i % 900, static_cast<unsigned>(i));
      }
    });
  }
  for (size_t i = 0; i < blocks.size(); ++i) {
    const size_t in_part = i % (blocks.size() / 20);
    ASSERT_TRUE(filled(blocks[i], 100 + in_part % 900, static_cast<unsigned>(in_part)));
  }
  in_thread([&] {
    for (size_t i = 0; i < blocks.size(); i += 2) {
      std::free(blocks[i]);
    }
  });
  for (size_t i = 1; i < blocks.size(); i += 2) {
    std::free(blocks[i]);
  }
  std::vector<void*>().swap(blocks);
  baseline.check(4 * kKiB, 2 * kMiB);
}

// 17. pthread_create's dtv is allocated by the parent; here another thread joins and frees it. The stacks are
// larger than what libc keeps for reuse (40 MiB), with its dtv.
TEST(Dtv, IsFreedByAThreadThatNeverAllocated) {
  warm_up();
  pthread_attr_t large_stack;
  pthread_attr_init(&large_stack);
  ASSERT_EQ(pthread_attr_setstacksize(&large_stack, 64 * kMiB), 0);
  const Baseline baseline;
  for (int i = 0; i < 500; ++i) {
    pthread_t made;
    const auto nothing = [](void*) -> void* { return nullptr; };
    ASSERT_EQ(pthread_create(&made, &large_stack, nothing, nullptr), 0);
    in_thread([made] { pthread_join(made, nullptr); });
  }
  pthread_attr_destroy(&large_stack);
  baseline.check(4 * kKiB, 2 * kMiB);
}

// 18. Destructors of thread-specific data that allocate and free, in every round that libc grants.
pthread_key_t late_key;
std::atomic<int> late_rounds{0};

void late_destructor(void* p) {
  std::free(p);
  void* const next = std::malloc(200);
  for (int i = 0; i < 20; ++i) {
    std::free(std::malloc(opaque<size_t>(50 + static_cast<size_t>(i) * 40)));
  }
  if (late_rounds.fetch_add(1) % PTHREAD_DESTRUCTOR_ITERATIONS != PTHREAD_DESTRUCTOR_ITERATIONS - 1) {
    pthread_setspecific(late_key, next);
  } else {
    std::free(next);
  }
}

TEST(ThreadExit, FreesAfterTheExitHookWorkAndLeakNothing) {
  ASSERT_EQ(pthread_key_create(&late_key, late_destructor), 0);
  warm_up();
  const Baseline baseline;
  for (int i = 0; i < 2000; ++i) {
    in_thread([] {
      late_rounds.store(0);
      pthread_setspecific(late_key, std::malloc(100));
      std::free(std::malloc(opaque<size_t>(300)));
    });
  }
  baseline.check(4 * kKiB, 2 * kMiB);
  pthread_key_delete(late_key);
}

struct FreesLate {
  std::vector<void*> blocks;
  ~FreesLate() {
    for (void* p : blocks) {
      std::free(p);
    }
  }
};
thread_local FreesLate frees_late;

TEST(ThreadExit, ThreadLocalDestructorsFree) {
  warm_up();
  const Baseline baseline;
  for (int i = 0; i < 2000; ++i) {
    in_thread([] {
      for (size_t size = 16; size < 2000; size += 100) {
        frees_late.blocks.push_back(std::malloc(size));
      }
    });
  }
  baseline.check(4 * kKiB, 2 * kMiB);
}

// 19. One stack for all threads: its thread-local storage starts from zero each time.
TEST(ThreadStack, IsReusedAndNothingIsLost) {
  warm_up();
  const size_t stack_bytes = 256 * kKiB;
  void* const stack = mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(stack, MAP_FAILED);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  ASSERT_EQ(pthread_attr_setstack(&attributes, stack, stack_bytes), 0);
  const Baseline baseline;
  for (int i = 0; i < 2000; ++i) {
    in_thread(
        [] {
          void* blocks[100];
          for (size_t j = 0; j < 100; ++j) {
            blocks[j] = std::malloc(opaque(j * 11));
          }
          for (void* p : blocks) {
            std::free(p);
          }
        },
        &attributes);
  }
  baseline.check(4 * kKiB, 2 * kMiB);
  pthread_attr_destroy(&attributes);
  munmap(stack, stack_bytes);
}

// Blocks handed from thread to thread keep their content while all of them allocate.
TEST(HandOver, KeepsTheContent) {
  constexpr int kThreads = 4;
  std::atomic<void*> slots[64] = {};
  std::atomic<int> damaged{0};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (unsigned i = 0; i < 100000; ++i) {
        const size_t size = 16 + (i * 131 + t * 17) % 3000;
        auto* const p = static_cast<unsigned*>(std::malloc(size));
        p[0] = static_cast<unsigned>(size);
        memset(p + 1, static_cast<int>(size & 0xff), size - sizeof(unsigned));
        auto* const old = static_cast<unsigned*>(slots[(i * 7 + t) % 64].exchange(p));
        if (old != nullptr) {
          const auto* const bytes = reinterpret_cast<const unsigned char*>(old);
          damaged += bytes[old[0] - 1] != (old[0] & 0xff) || bytes[sizeof(unsigned)] != (old[0] & 0xff);
          std::free(old);
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (auto& slot : slots) {
    std::free(slot.load());
  }
  EXPECT_EQ(damaged.load(), 0);
  EXPECT_EQ(heap_faults(), 0);
}

}  // namespace
}  // namespace interface_test
