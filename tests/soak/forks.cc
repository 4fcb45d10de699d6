#include "forks.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "ashlar/ashlar.h"
#include "crew.h"
#include "status.h"

// Only there when Ashlar serves.
#pragma weak ashlar_verify

namespace ashlar::soak {
namespace {

constexpr size_t kFreedOfSet = 1000;
constexpr size_t kChildOperations = 500;
constexpr size_t kThreadsOfChild = 2;
constexpr unsigned kHangsAfter = 120;  // seconds; a child takes some 10 ms

struct ChildThread {
  BlockSet* set;
  const Phase* phase;
};

void* run_thread(void* argument) {
  const auto* const self = static_cast<ChildThread*>(argument);
  work_on(*self->set, {self->phase, self->phase->live_bytes / kSets, kChildOperations, 0, true, true});
  return nullptr;
}

void fork_grandchild(BlockSet& set, const Phase& phase) {
  const pid_t pid = fork();
  if (pid == 0) {
    alarm(kHangsAfter);
    for (size_t i = 0; i < kFreedOfSet / 10; ++i) {
      set.free_one();
      set.allocate(phase);
    }
    _exit(0);
  }
  int status = 0;
  if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) _exit(kGrandchildStatus);
}

// `first`: of the sets that the parent held, every second from it on. They stay locked; nobody else is here.
[[noreturn]] void run_child(BlockSet* sets, size_t first, const Phase& phase, size_t number) {
  alarm(kHangsAfter);
  for (size_t i = first; i < kSets; i += 2) {
    for (size_t k = 0; k < kFreedOfSet; ++k)
      sets[i].free_one();
    for (size_t k = 0; k < kFreedOfSet; ++k)
      sets[i].allocate(phase);
  }
  pthread_t threads[kThreadsOfChild];
  ChildThread arguments[kThreadsOfChild];
  for (size_t i = 0; i < kThreadsOfChild; ++i) {
    arguments[i] = {&sets[first + 2 * i], &phase};
    if (pthread_create(&threads[i], nullptr, run_thread, &arguments[i]) != 0) _exit(kThreadStatus);
  }
  for (const pthread_t thread : threads)
    pthread_join(thread, nullptr);
  if (number % 8 == 0) fork_grandchild(sets[first], phase);
  if (number % 8 == 4 && verify_heap() != 0) _exit(kVerifyStatus);
  _exit(0);
}

}  // namespace

size_t verify_heap() {
  return ashlar_verify == nullptr ? 0 : static_cast<size_t>(ashlar_verify(STDERR_FILENO));
}

void Forker::fork_child(const Phase& phase) {
  const size_t number = forks_.load(std::memory_order_relaxed);
  const size_t first = number % 2;
  for (size_t i = first; i < kSets; i += 2)
    pthread_mutex_lock(sets_[i].mutex());
  const pid_t pid = fork();
  if (pid == 0) run_child(sets_, first, phase, number);
  const int error = errno;
  for (size_t i = first; i < kSets; i += 2)
    pthread_mutex_unlock(sets_[i].mutex());

  int status = 0;
  if (pid < 0) {
    fprintf(stderr, "soak: fork %zu: %s\n", number, strerror(error));
    failed_.fetch_add(1, std::memory_order_relaxed);
  } else {
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (status != 0) {
      fprintf(stderr, "soak: child %zu FAILED: %s %d\n", number,
              WIFSIGNALED(status) ? "signal" : "exit status",
              WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
      failed_.fetch_add(1, std::memory_order_relaxed);
    }
  }
  forks_.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace ashlar::soak
