// traps.md 22: what a forked child loses with the other threads' bins is counted and shown; a fork at the
// very moment of other threads' first allocations. ASHLAR_TEST_FORKS sets how often (default 300; the test
// labelled `long` takes 10,000).
#include "child.h"
#include "support.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <thread>

namespace interface_test {
namespace {

constexpr size_t kThreads = 8;
constexpr size_t kHeld = 20;  // slots that each thread leaves in a bin

// Writes the report to a pipe and reads it again; a report is a few KiB, which fits.
std::string report() {
  static auto* const print = find_function<int(int)>("ashlar_stats_print");
  int ends[2];
  if (print == nullptr || pipe(ends) != 0) return "";
  fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);
  print(ends[1]);
  close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t got; (got = read(ends[0], buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<size_t>(got));
  close(ends[0]);
  return text;
}

int child_status(pid_t pid) {
  int status = -1;
  EXPECT_EQ(waitpid(pid, &status, 0), pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(LostBins, AreCountedAndShown) {
  std::atomic<size_t> ready{0};
  pthread_mutex_t door = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&door);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&ready, &door] {
      void* blocks[kHeld];
      for (void*& p : blocks)
        p = std::malloc(opaque<size_t>(48));
      for (void* p : blocks)
        std::free(p);
      ++ready;
      pthread_mutex_lock(&door);
      pthread_mutex_unlock(&door);
    });
  }
  while (ready.load() < kThreads)
    std::this_thread::yield();
  const size_t lost_before = read_stats()->lost_in_fork;
  const pid_t pid = fork();
  if (pid == 0) {
    alarm(60);
    const size_t lost = read_stats()->lost_in_fork - lost_before;
    const bool shown =
        report().find("slots lost in forks " + std::to_string(lost_before + lost)) != std::string::npos;
    const bool one_cache = read_stats()->thread_caches == 1;
    _exit(lost < kThreads * 4 ? 3 : !shown ? 4 : !one_cache ? 5 : heap_faults() != 0 ? 6 : 0);
  }
  EXPECT_EQ(child_status(pid), 0) << "3: too few counted, 4: not in the report, 5: dead caches, 6: faults";
  EXPECT_EQ(read_stats()->lost_in_fork, lost_before) << "the parent loses nothing";
  pthread_mutex_unlock(&door);
  for (std::thread& thread : threads)
    thread.join();
}

// Threads are made all the time: each allocates for the first time, and is listed, while this one forks.
TEST(FirstAllocation, OfOtherThreadsDuringAFork) {
  const char* const asked = std::getenv("ASHLAR_TEST_FORKS");
  const int forks = asked != nullptr ? std::atoi(asked) : kEmulated ? 30 : 300;
  std::atomic<bool> stop{false};
  std::vector<std::thread> makers;
  for (int m = 0; m < 2; ++m) {
    makers.emplace_back([&stop] {
      while (!stop.load()) {
        pthread_t made[4];
        for (pthread_t& thread : made) {
          const auto work = [](void*) -> void* {
            std::free(std::malloc(opaque<size_t>(100)));
            return std::malloc(opaque<size_t>(3000));
          };
          if (pthread_create(&thread, nullptr, work, nullptr) != 0) std::abort();
        }
        for (const pthread_t thread : made) {
          void* block = nullptr;
          pthread_join(thread, &block);
          std::free(block);
        }
      }
    });
  }
  for (int i = 0; i < forks; ++i) {
    const pid_t pid = fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      alarm(60);
      for (size_t j = 0; j < 500; ++j)
        std::free(std::malloc(opaque(j * 61 % 40'000)));
      if (kThreadsInForkedChildren) {
        std::thread([] { std::free(std::malloc(opaque<size_t>(100))); }).join();
      }
      _exit(heap_faults() == 0 ? 0 : 3);
    }
    ASSERT_EQ(child_status(pid), 0) << "fork " << i << "; -14: it hung";
  }
  stop.store(true);
  for (std::thread& maker : makers)
    maker.join();
  EXPECT_EQ(heap_faults(), 0);
}

}  // namespace
}  // namespace interface_test
