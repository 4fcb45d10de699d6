// Forks with handlers that allocate, or from a signal handler that interrupts the allocator. For
// fork_hooks_test; the argument names the case. Ends with `went on` and status 0 when all children did.
#include "support.h"

#include <execinfo.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace {

using interface_test::opaque;

constexpr int kForks = 300;
constexpr int kSignals = 200;

std::atomic<bool> stop{false};
std::atomic<int> failures{0};
std::atomic<int> signals{0};
void* volatile held_by_handlers[2][8];

void use_heap(size_t seed) {
  void* blocks[40];
  for (size_t i = 0; i < 40; ++i) {
    blocks[i] = std::malloc(opaque((seed * 131 + i * i * 57) % 60000));
  }
  for (void* p : blocks) {
    std::free(p);
  }
}

// Handlers of every kind: they free what the one before allocated, and allocate anew.
template <int kSet>
void handler() {
  for (size_t i = 0; i < 8; ++i) {
    std::free(held_by_handlers[kSet][i]);
    held_by_handlers[kSet][i] = std::malloc(opaque(i * i * i * 100));
  }
  use_heap(kSet);
}

template <int kSet>
void register_handlers() {
  pthread_atfork(handler<kSet>, handler<kSet>, handler<kSet>);
}

// Before the first allocation, and so before ours can be registered: as early as a program runs.
void preinit(int argc, char** argv, char**) {
  if (argc > 1 &&
      (std::strcmp(argv[1], "handlers_before") == 0 || std::strcmp(argv[1], "handlers_both") == 0)) {
    register_handlers<0>();
  }
}
__attribute__((section(".preinit_array"), used)) void (*const kPreinit)(int, char**, char**) = preinit;

void allocate_until_stopped() {
  for (size_t i = 0; !stop.load(std::memory_order_relaxed); ++i) {
    use_heap(i);
  }
}

void wait_for(pid_t pid) {
  int status = 1;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  failures += status != 0;
}

void fork_many() {
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back(allocate_until_stopped);
  }
  for (int i = 0; i < kForks; ++i) {
    const pid_t pid = fork();
    if (pid == 0) {
      alarm(60);
      use_heap(static_cast<size_t>(i));
      _exit(0);
    }
    wait_for(pid);
    use_heap(static_cast<size_t>(i));
  }
  stop.store(true);
  for (std::thread& thread : threads) {
    thread.join();
  }
}

void fork_in_handler(int) {
  const int saved = errno;
  const pid_t pid = fork();
  if (pid == 0) {
    _exit(0);
  }
  wait_for(pid);
  ++signals;
  errno = saved;
}

// The child goes on where the signal interrupted its parent. It has but one thread, as its parent had.
volatile sig_atomic_t is_child = 0;
void fork_and_return(int) {
  const int saved = errno;
  const pid_t pid = fork();
  if (pid == 0) {
    signal(SIGALRM, SIG_DFL);
    alarm(60);
    is_child = 1;
  } else {
    wait_for(pid);
    ++signals;
  }
  errno = saved;
}

// Nothing but slow paths: runs of pages that are cut, grown and given back, new slabs, direct mappings.
void use_slow_paths(size_t seed) {
  void* runs[6];
  for (size_t i = 0; i < 6; ++i) {
    runs[i] = std::malloc(opaque(40'000 + (seed * 7919 + i * 104'729) % 700'000));
  }
  runs[0] = std::realloc(runs[0], opaque<size_t>(900'000));
  void* small[64];
  for (size_t i = 0; i < 64; ++i) {
    small[i] = std::malloc(opaque(4000 + i * 300));
  }
  for (void* p : small) {
    std::free(p);
  }
  for (void* p : runs) {
    std::free(p);
  }
  if (seed % 16 == 0) {
    std::free(std::realloc(std::malloc(opaque<size_t>(33 << 20)), opaque<size_t>(40 << 20)));
    malloc_trim(0);
  }
}

// A timer interrupts this thread, the only one, in the middle of whatever it does; the handler forks, and the
// child goes on with that.
void be_interrupted_by_a_timer() {
  struct sigaction action = {};
  action.sa_handler = fork_and_return;
  action.sa_flags = SA_RESTART;
  sigaction(SIGALRM, &action, nullptr);
  for (size_t i = 0; signals.load() < kSignals && is_child == 0; ++i) {
    const itimerval once{{0, 0}, {0, static_cast<suseconds_t>(50 + i * 37 % 500)}};
    setitimer(ITIMER_REAL, &once, nullptr);
    for (int round = 0; round < 20 && is_child == 0; ++round) {
      use_slow_paths(i + static_cast<size_t>(round));
    }
  }
  if (is_child != 0) {
    for (size_t i = 0; i < 20; ++i) {
      use_slow_paths(i);
      use_heap(i);
    }
    std::thread([] { use_heap(1); }).join();
    _exit(interface_test::heap_faults() == 0 ? 0 : 3);
  }
  signal(SIGALRM, SIG_IGN);
}

void backtrace_in_handler(int) {
  const int saved = errno;
  void* frames[64];
  failures += backtrace(frames, 64) <= 0;
  ++signals;
  errno = saved;
}

void abort_in_handler(int) { std::abort(); }

// SIGUSR1 comes to this thread every half millisecond while it allocates among other threads.
void be_interrupted(void (*on_signal)(int)) {
  void* frames[4];
  backtrace(frames, 4);  // loads libgcc, which must not happen in the handler
  struct sigaction action = {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigaction(SIGUSR1, &action, nullptr);
  const pthread_t here = pthread_self();
  std::thread other(allocate_until_stopped);
  std::thread sender([here] {
    while (!stop.load()) {
      const int before = signals.load();
      pthread_kill(here, SIGUSR1);
      usleep(500);
      while (signals.load() == before && !stop.load()) {
        usleep(100);
      }
    }
  });
  for (size_t i = 0; signals.load() < kSignals; ++i) {
    use_heap(i);
  }
  stop.store(true);
  other.join();
  sender.join();
}

}  // namespace

int main(int argc, char** argv) {
  const char* const mode = argc > 1 ? argv[1] : "";
  std::free(std::malloc(opaque<size_t>(100)));
  if (std::strcmp(mode, "handlers_after") == 0 || std::strcmp(mode, "handlers_both") == 0) {
    use_heap(0);
    register_handlers<1>();
  }
  if (std::strncmp(mode, "handlers", 8) == 0) {
    fork_many();
  } else if (std::strcmp(mode, "signal_fork") == 0) {
    be_interrupted(fork_in_handler);
  } else if (std::strcmp(mode, "timer_fork") == 0) {
    be_interrupted_by_a_timer();
  } else if (std::strcmp(mode, "signal_backtrace") == 0) {
    be_interrupted(backtrace_in_handler);
  } else if (std::strcmp(mode, "signal_abort") == 0) {
    be_interrupted(abort_in_handler);
  } else {
    return 2;
  }
  std::printf("went on, %d failures\n", failures.load());
  return failures.load() == 0 && interface_test::heap_faults() == 0 ? 0 : 1;
}
