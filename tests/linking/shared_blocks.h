/* What serving.c and beside.c do with the heap that each tests: threads that hand blocks to one another,
 * forks beside them, blocks in a chain. The includer names the heap first: HEAP_MALLOC and HEAP_FREE. */
#ifndef ASHLAR_TESTS_LINKING_SHARED_BLOCKS_H
#define ASHLAR_TESTS_LINKING_SHARED_BLOCKS_H

#include <ashlar/ashlar.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "check.h"

enum { kThreads = 4, kForks = kEmulated ? 6 : 30, kHeld = 200, kSteps = kEmulated ? 1000 : 5000 };

static void* volatile g_shared[kHeld]; /* blocks that threads hand to one another */

/* Allocates, fills, checks and frees; what it takes from the shared places another thread allocated. */
static void* work(void* seed) {
  unsigned state = (unsigned)(uintptr_t)seed * 2654435761u + 1;
  for (int step = 0; step < kSteps; ++step) {
    state = state * 1664525u + 1013904223u;
    const size_t size = 16 + (state >> 8) % ((state >> 4) % 64 == 0 ? 100000 : 600);
    size_t* block = HEAP_MALLOC(size);
    CHECK(block != NULL && ashlar_owns(block));
    block[0] = size;
    memset(block + 1, (int)(size & 255), 8);
    size_t* other = __atomic_exchange_n(&g_shared[(state >> 16) % kHeld], block, __ATOMIC_ACQ_REL);
    free(malloc(size)); /* where the process has another heap, it lives, too */
    if (other == NULL) continue;
    CHECK(((unsigned char*)(other + 1))[7] == (other[0] & 255));
    HEAP_FREE(other);
  }
  return NULL;
}

static int g_stop;  /* atomic, as the next */
static int g_ready; /* threads that have worked once */
static void* work_until_stopped(void* seed) {
  work(seed);
  __atomic_fetch_add(&g_ready, 1, __ATOMIC_RELAXED);
  while (!__atomic_load_n(&g_stop, __ATOMIC_RELAXED))
    work(seed);
  return NULL;
}

static void free_shared(void) {
  for (int i = 0; i < kHeld; ++i) {
    HEAP_FREE(g_shared[i]);
    g_shared[i] = NULL;
  }
}

/* Frees what the parent allocated, has a thread of its own, and checks the heap. */
static void live_as_child(void) {
  free_shared();
  if (kEmulated) {
    work((void*)7);
  } else {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, work, (void*)7) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
  }
  CHECK(ashlar_verify(2) == 0);
}

static struct ashlar_stats read_stats(void) {
  static struct ashlar_stats stats;
  stats.struct_size = sizeof stats;
  CHECK(ashlar_stats(&stats) == 0);
  return stats;
}

/* Forks while the others allocate at full speed; `live` is what the child of each round does. That the slots
 * in the other threads' caches are counted as lost in the child shows that Ashlar's fork handlers ran. */
static void fork_beside_threads(void (*live)(int round)) {
  pthread_t threads[kThreads];
  for (uintptr_t i = 0; i < kThreads; ++i)
    CHECK(pthread_create(&threads[i], NULL, work_until_stopped, (void*)(i + 1)) == 0);
  while (__atomic_load_n(&g_ready, __ATOMIC_RELAXED) < kThreads)
    usleep(1000);
  int counted = 0;
  for (int round = 0; round < kForks; ++round) {
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
      start_watchdog(); /* alarms are not inherited */
      const int lost = read_stats().lost_in_fork > 0;
      live(round);
      _exit(lost ? 17 : 0);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 17);
    counted += WEXITSTATUS(status) == 17;
  }
  __atomic_store_n(&g_stop, 1, __ATOMIC_RELAXED);
  for (int i = 0; i < kThreads; ++i)
    CHECK(pthread_join(threads[i], NULL) == 0);
  CHECK(counted > kForks / 2);
}

/* Sets RLIMIT_DATA and returns what it was. */
static struct rlimit limit_data(rlim_t bytes) {
  struct rlimit before;
  CHECK(getrlimit(RLIMIT_DATA, &before) == 0);
  const struct rlimit tight = {bytes, before.rlim_max};
  CHECK(setrlimit(RLIMIT_DATA, &tight) == 0);
  return before;
}

/* Puts written blocks of `size` bytes in front of the chain until there are no more; how many. */
static size_t take_all(void*** chain, size_t size) {
  for (size_t blocks = 0;; ++blocks) {
    errno = 0;
    void** block = HEAP_MALLOC(size);
    if (block == NULL) {
      CHECK(errno == ENOMEM);
      return blocks;
    }
    CHECK(blocks * size < 256 << 20); /* the limit holds */
    memset(block, 1, size);
    *block = *chain;
    *chain = block;
  }
}

static void free_chain(void** chain) {
  while (chain != NULL) {
    void** next = *chain;
    HEAP_FREE(chain);
    chain = next;
  }
}

#endif
