/* A C program with Ashlar linked in, by whatever way: who serves it, with threads, forks and exhausted
 * memory. The same source is linked statically and dynamically, with the archive and with the object. */
#include <ashlar/ashlar.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "check.h"

enum { kThreads = 4, kForks = 30, kHeld = 200, kSteps = 5000 };

static void* volatile g_shared[kHeld]; /* blocks that threads hand to one another */

/* Allocates, fills, checks and frees; what it takes from the shared places another thread allocated. */
static void* work(void* seed) {
  unsigned state = (unsigned)(uintptr_t)seed * 2654435761u + 1;
  for (int step = 0; step < kSteps; ++step) {
    state = state * 1664525u + 1013904223u;
    const size_t size = 16 + (state >> 8) % ((state >> 4) % 64 == 0 ? 100000 : 600);
    size_t* block = malloc(size);
    CHECK(block != NULL && ashlar_owns(block));
    block[0] = size;
    memset(block + 1, (int)(size & 255), 8);
    size_t* other = __atomic_exchange_n(&g_shared[(state >> 16) % kHeld], block, __ATOMIC_ACQ_REL);
    if (other == NULL) continue;
    CHECK(((unsigned char*)(other + 1))[7] == (other[0] & 255));
    free(other);
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

/* Slots that the parent's other threads held when this child was forked. */
static size_t lost_in_fork(void) {
  static struct ashlar_stats stats;
  stats.struct_size = sizeof stats;
  CHECK(ashlar_stats(&stats) == 0);
  return stats.lost_in_fork;
}

static void check_who_serves(void) {
  void* block = malloc(100);
  CHECK(block != NULL && ashlar_owns(block));
  CHECK(malloc_usable_size(block) >= 100);
  block = realloc(block, 100000);
  CHECK(block != NULL && ashlar_owns(block));
  free(block);
  char* text = strdup("libc allocates with Ashlar, too");
  CHECK(ashlar_owns(text));
  free(text);
  char* printed = NULL;
  CHECK(asprintf(&printed, "%d", 12345) == 5 && ashlar_owns(printed));
  free(printed);
  void* aligned = NULL;
  CHECK(posix_memalign(&aligned, 4096, 1) == 0 && ashlar_owns(aligned) && (uintptr_t)aligned % 4096 == 0);
  free(aligned);
  CHECK(mallinfo2().arena > 0);
}

/* What a child does: the parent's blocks freed, a thread of its own, one more fork. */
static void live_as_child(int depth) {
  for (int i = 0; i < kHeld; ++i) {
    free(g_shared[i]);
    g_shared[i] = NULL;
  }
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, work, (void*)7) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  CHECK(ashlar_verify(2) == 0);
  if (depth == 0) return;
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    alarm(240);
    live_as_child(depth - 1);
    _exit(0);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
}

/* While the others allocate at full speed. That their caches are counted in the child shows that Ashlar's
 * fork handlers ran. */
static void fork_beside_threads(void) {
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
      alarm(240);
      const int lost = lost_in_fork() > 0;
      live_as_child(round % 2);
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

/* Null and ENOMEM, at once and for good, and all is well again when memory is there again. */
static void exhaust_memory(void) {
  errno = 0;
  void* volatile impossible = malloc((size_t)PTRDIFF_MAX - 4096);
  CHECK(impossible == NULL && errno == ENOMEM);
  struct rlimit before;
  CHECK(getrlimit(RLIMIT_DATA, &before) == 0);
  const struct rlimit tight = {64 << 20, before.rlim_max};
  CHECK(setrlimit(RLIMIT_DATA, &tight) == 0);
  void** chain = NULL;
  size_t blocks = 0;
  for (;;) {
    errno = 0;
    void** block = malloc(1 << 20);
    if (block == NULL) break;
    memset(block, 1, 1 << 20);
    *block = chain;
    chain = block;
    CHECK(++blocks < 64);
  }
  CHECK(errno == ENOMEM && blocks > 16);
  while (chain != NULL) {
    void** next = *chain;
    free(chain);
    chain = next;
  }
  void* again = malloc(16 << 20);
  CHECK(again != NULL);
  free(again);
  CHECK(setrlimit(RLIMIT_DATA, &before) == 0);
}

int main(void) {
  start_watchdog();
  check_who_serves();
  fork_beside_threads();
  exhaust_memory();
  CHECK(ashlar_verify(2) == 0);
  return 0;
}
