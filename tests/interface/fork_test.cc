// traps.md 22 and 24: fork, vfork and posix_spawn while other threads allocate. ASHLAR_TEST_FORKS sets how
// often (default 300, 30 in an emulator; the test labelled `long` takes 10,000). Handlers and signals are
// fork_hooks_test's.
#include "child.h"
#include "support.h"

#include <gtest/gtest.h>
#include <malloc.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace interface_test {
namespace {

int fork_count() {
  const char* const asked = std::getenv("ASHLAR_TEST_FORKS");
  return asked != nullptr ? std::atoi(asked) : kEmulated ? 30 : 300;
}

// Threads that allocate and free through every layer until the end of the scope.
class BusyThreads {
 public:
  explicit BusyThreads(unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
      threads_.emplace_back([this, i] { work(i); });
    }
  }
  ~BusyThreads() {
    stop_.store(true);
    for (std::thread& thread : threads_) {
      thread.join();
    }
  }

 private:
  void work(unsigned seed) {
    std::vector<void*> held(500, nullptr);
    for (unsigned i = seed; !stop_.load(std::memory_order_relaxed); ++i) {
      void*& p = held[(i * 2654435761U >> 7) % held.size()];
      std::free(p);
      p = std::malloc(i % 50 == 0 ? 20000 + i % 100000 : i * 37 % 3000);
    }
    for (void* p : held) {
      std::free(p);
    }
  }
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
};

std::vector<void*> allocate_many(size_t count) {
  std::vector<void*> blocks(count);
  for (size_t i = 0; i < count; ++i) {
    blocks[i] = std::malloc(20 + i * 13 % 3000);
    fill(blocks[i], 20, static_cast<unsigned>(i));
  }
  return blocks;
}

bool free_all(std::vector<void*>& blocks) {
  bool sound = true;
  for (size_t i = 0; i < blocks.size(); ++i) {
    sound = sound && filled(blocks[i], 20, static_cast<unsigned>(i));
    std::free(blocks[i]);
  }
  return sound;
}

void* use_heap(void*) {
  std::vector<void*> own = allocate_many(300);
  free_all(own);
  std::free(std::malloc(opaque(2 * kMiB)));
  return nullptr;
}

// Waits for the child, at most a minute; kills and reports one that hangs.
bool ended_well(pid_t pid, const char* what) {
  for (int i = 0; i < 60000; ++i) {
    int status = 0;
    if (waitpid(pid, &status, WNOHANG) == pid) {
      EXPECT_TRUE(WIFEXITED(status)) << what << " ended by signal " << WTERMSIG(status);
      EXPECT_EQ(WEXITSTATUS(status), 0) << what;
      return status == 0;
    }
    usleep(i < 100 ? 100 : 1000);
  }
  ADD_FAILURE() << what << " hangs";
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  return false;
}

// What a child does: allocates, frees the parent's blocks, starts a thread, forks again.
[[noreturn]] void be_child(std::vector<void*>& parents_blocks) {
  alarm(60);
  use_heap(nullptr);
  const bool sound = free_all(parents_blocks);
  pthread_t thread;
  if (kThreadsInForkedChildren && pthread_create(&thread, nullptr, use_heap, nullptr) == 0) {
    pthread_join(thread, nullptr);
  }
  const pid_t grandchild = fork();
  if (grandchild == 0) {
    use_heap(nullptr);
    _exit(0);
  }
  int status = 1;
  waitpid(grandchild, &status, 0);
  _exit(sound && status == 0 ? 0 : 3);
}

TEST(Fork, ChildrenOfABusyProcessWork) {
  const BusyThreads busy(3);
  std::vector<void*> blocks = allocate_many(500);
  for (int i = 0; i < fork_count(); ++i) {
    const pid_t pid = fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      be_child(blocks);
    }
    ASSERT_TRUE(ended_well(pid, "child")) << "after " << i;
  }
  EXPECT_TRUE(free_all(blocks));
}

TEST(Fork, FromSeveralThreadsAtOnce) {
  const BusyThreads busy(1);
  std::atomic<int> failures{0};
  std::vector<std::thread> forkers;
  for (int t = 0; t < 3; ++t) {
    forkers.emplace_back([&failures] {
      for (int i = 0; i < fork_count() / 5; ++i) {
        const pid_t pid = fork();
        if (pid == 0) {
          alarm(60);
          use_heap(nullptr);
          _exit(0);
        }
        failures += !ended_well(pid, "child of a thread");
        use_heap(nullptr);
      }
    });
  }
  for (std::thread& forker : forkers) {
    forker.join();
  }
  EXPECT_EQ(failures.load(), 0);
}

// Private pages of this process that were written, in bytes.
size_t private_dirty_bytes() {
  size_t kib = 0;
  std::FILE* const file = std::fopen("/proc/self/smaps_rollup", "r");
  char line[256];
  while (file != nullptr && std::fgets(line, sizeof line, file) != nullptr) {
    if (std::strncmp(line, "Private_Dirty:", 14) == 0) kib = std::strtoull(line + 14, nullptr, 10);
  }
  if (file != nullptr) std::fclose(file);
  return kib * kKiB;
}

// traps.md 26: a free writes into the record of the block's chunk, not into the block. 4,000 of 200,000
// blocks lie on some 3,900 pages, which allocators that keep their lists in the freed blocks copy: 15 MiB.
TEST(Fork, AChildThatFreesCopiesFewPages) {
  constexpr size_t kBlocks = 200'000;
  constexpr size_t kStep = kBlocks / 4000;
  std::vector<void*> blocks(kBlocks);
  for (size_t i = 0; i < kBlocks; ++i) {
    blocks[i] = std::malloc(opaque<size_t>(200));
    fill(blocks[i], 200, static_cast<unsigned>(i));
  }
  const pid_t pid = fork();
  if (pid == 0) {
    alarm(60);
    const size_t before = private_dirty_bytes();
    for (size_t i = 0; i < kBlocks; i += kStep)
      std::free(blocks[i]);
    const size_t copied = private_dirty_bytes() - before;
    std::printf("%zu KiB copied\n", copied / kKiB);
    std::fflush(stdout);
    _exit(before == 0 ? 4 : copied > 2 * kMiB ? 5 : heap_faults() != 0 ? 6 : 0);
  }
  ASSERT_TRUE(ended_well(pid, "the child (4: no smaps_rollup, 5: copied too much, 6: faults)"));
  for (void* p : blocks)
    std::free(p);
}

TEST(Fork, ADeepLineOfChildrenWorks) {
  const pid_t first = fork();
  if (first == 0) {
    alarm(60);
    for (int depth = 0; depth < 20; ++depth) {
      std::thread(use_heap, nullptr).join();
      const pid_t next = fork();
      if (next != 0) {
        int status = 1;
        waitpid(next, &status, 0);
        _exit(status == 0 ? 0 : 3);
      }
    }
    _exit(heap_faults() == 0 ? 0 : 4);
  }
  EXPECT_TRUE(ended_well(first, "line of children"));
}

TEST(Fork, TheChildsHeapPassesTheVerifier) {
  const BusyThreads busy(2);
  for (int i = 0; i < 50; ++i) {
    const pid_t pid = fork();
    if (pid == 0) {
      alarm(60);
      use_heap(nullptr);
      _exit(heap_faults() == 0 ? 0 : 4);
    }
    ASSERT_TRUE(ended_well(pid, "verifying child"));
  }
}

// 24. Children that share the memory and run no handlers.
TEST(Vfork, ChildMayAllocateInTheSharedHeap) {
  const BusyThreads busy(2);
  for (int i = 0; i < fork_count(); ++i) {
    const pid_t pid = vfork();
    if (pid == 0) {
      void* const p = std::malloc(opaque<size_t>(100));
      std::free(std::malloc(opaque<size_t>(30000)));
      std::free(p);
      _exit(0);
    }
    ASSERT_TRUE(ended_well(pid, "vfork's child"));
    use_heap(nullptr);
  }
  if (const auto stats = read_stats()) {
    EXPECT_EQ(stats->lost_in_fork, 0u) << "the child took itself for a forked one";
    EXPECT_GE(stats->thread_caches, 3u);
  }
}

TEST(PosixSpawn, WorksFromABusyProcess) {
  const BusyThreads busy(3);
  char name[] = "/bin/true";
  char* const arguments[] = {name, nullptr};
  for (int i = 0; i < fork_count() / 3; ++i) {
    pid_t pid = 0;
    ASSERT_EQ(posix_spawn(&pid, name, nullptr, nullptr, arguments, environ), 0);
    ASSERT_TRUE(ended_well(pid, "spawned child"));
  }
}

}  // namespace
}  // namespace interface_test
