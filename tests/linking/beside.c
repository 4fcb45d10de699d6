/* libashlar_api.a beside the process's malloc, in a dynamic or a static program: two heaps that know nothing
 * of each other. Threads, late frees, forks, exhausted memory. */
#include <ashlar/ashlar.h>
#include <ashlar/malloc.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "check.h"

enum { kThreads = 4, kForks = 30, kHeld = 200, kSteps = 5000, kShortThreads = 3000 };

static void* volatile g_shared[kHeld];

static struct ashlar_stats read_stats(void) {
  static struct ashlar_stats stats;
  stats.struct_size = sizeof stats;
  CHECK(ashlar_stats(&stats) == 0);
  return stats;
}

static size_t live_bytes(void) {
  const struct ashlar_stats stats = read_stats();
  return stats.live_bytes + stats.direct_bytes;
}

static size_t address_space(void) {
  size_t pages = 0;
  FILE* stream = fopen("/proc/self/statm", "r");
  CHECK(stream != NULL && fscanf(stream, "%zu", &pages) == 1);
  fclose(stream);
  return pages * 4096;
}

static void check_whose_is_whose(void) {
  void* theirs = malloc(100);
  void* ours = ashlar_malloc(100);
  CHECK(theirs != NULL && !ashlar_owns(theirs));
  CHECK(ours != NULL && ashlar_owns(ours));
  char* text = strdup("libc's");
  char* our_text = ashlar_strndup("ours, cut", 4);
  CHECK(!ashlar_owns(text) && ashlar_owns(our_text) && strcmp(our_text, "ours") == 0);
  CHECK(ashlar_malloc_usable_size(ours) >= 100);
  ours = ashlar_realloc(ours, 100000);
  CHECK(ashlar_owns(ours));
  ours = ashlar_reallocarray(ours, 10, 20000);
  CHECK(ashlar_owns(ours));
  void* aligned = NULL;
  CHECK(ashlar_posix_memalign(&aligned, 4096, 10) == 0 && ashlar_owns(aligned));
  CHECK((uintptr_t)aligned % 4096 == 0);
  void* zeroed = ashlar_calloc(100, 10);
  CHECK(ashlar_owns(zeroed));
  for (int i = 0; i < 1000; ++i)
    CHECK(((char*)zeroed)[i] == 0);
  void* others[] = {ashlar_aligned_alloc(64, 64),
                    ashlar_memalign(48, 10),
                    ashlar_valloc(1),
                    ashlar_pvalloc(1),
                    ashlar_strdup("x"),
                    aligned,
                    zeroed,
                    ours,
                    our_text};
  for (size_t i = 0; i < sizeof others / sizeof others[0]; ++i) {
    CHECK(ashlar_owns(others[i]));
    ashlar_free(others[i]);
  }
  ashlar_free_sized(ashlar_malloc(10), 10);
  ashlar_free_aligned_sized(ashlar_aligned_alloc(32, 40), 32, 40);
  free(theirs);
  free(text);
  CHECK(live_bytes() == 0);
}

static void* work(void* seed) {
  unsigned state = (unsigned)(uintptr_t)seed * 2654435761u + 1;
  for (int step = 0; step < kSteps; ++step) {
    state = state * 1664525u + 1013904223u;
    const size_t size = 16 + (state >> 8) % ((state >> 4) % 64 == 0 ? 100000 : 600);
    size_t* block = ashlar_malloc(size);
    CHECK(block != NULL);
    block[0] = size;
    memset(block + 1, (int)(size & 255), 8);
    size_t* other = __atomic_exchange_n(&g_shared[(state >> 16) % kHeld], block, __ATOMIC_ACQ_REL);
    free(malloc(size)); /* the other heap lives, too */
    if (other == NULL) continue;
    CHECK(((unsigned char*)(other + 1))[7] == (other[0] & 255));
    ashlar_free(other);
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
    ashlar_free(g_shared[i]);
    g_shared[i] = NULL;
  }
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
      const int lost = read_stats().lost_in_fork > 0;
      free_shared();
      pthread_t thread;
      CHECK(pthread_create(&thread, NULL, work, (void*)7) == 0);
      CHECK(pthread_join(thread, NULL) == 0);
      CHECK(ashlar_verify(2) == 0);
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
  free_shared();
  CHECK(live_bytes() == 0);
}

static pthread_key_t g_late_key;
static void use_late(void* p) {
  /* Destructors run in the order of the keys, and ours is later than Ashlar's: its exit hook has run. */
  ashlar_free(p);
  void* again = ashlar_malloc(3000);
  CHECK(again != NULL);
  ashlar_free(again);
}

static void* live_shortly(void* mode) {
  if ((uintptr_t)mode % 3 == 0) { /* the first operation is a free */
    ashlar_free(__atomic_exchange_n(&g_shared[0], NULL, __ATOMIC_ACQ_REL));
    return NULL;
  }
  void* p = ashlar_malloc(200);
  CHECK(p != NULL);
  CHECK(pthread_setspecific(g_late_key, p) == 0);
  ashlar_free(__atomic_exchange_n(&g_shared[0], ashlar_malloc(500), __ATOMIC_ACQ_REL));
  return NULL;
}

/* Nothing of a thread stays: neither its blocks nor its cache, of 2.9 KB. */
static void start_many_threads(void) {
  CHECK(pthread_key_create(&g_late_key, use_late) == 0);
  size_t before = 0;
  for (uintptr_t i = 0; i < kShortThreads; ++i) {
    if (i == 100) before = address_space();
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, live_shortly, (void*)i) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
  }
  const size_t after = address_space();
  CHECK(after < before + (2 << 20));
  free_shared();
  CHECK(live_bytes() == 0);
}

static void* allocate_nothing(void* unused) {
  (void)unused;
  errno = 0;
  void* volatile p = ashlar_malloc(40 << 20);
  CHECK(p == NULL && errno == ENOMEM);
  ashlar_free(__atomic_exchange_n(&g_shared[0], NULL, __ATOMIC_ACQ_REL));
  return NULL;
}

/* Threads that start when memory is exhausted, some without a cache then, still free, and get null. */
static void exhaust_memory(void) {
  enum { kLate = 60 };
  static pthread_t threads[kLate];
  pthread_attr_t attributes;
  CHECK(pthread_attr_init(&attributes) == 0 && pthread_attr_setstacksize(&attributes, 65536) == 0);
  struct rlimit before;
  CHECK(getrlimit(RLIMIT_DATA, &before) == 0);
  const struct rlimit tight = {48 << 20, before.rlim_max};
  CHECK(setrlimit(RLIMIT_DATA, &tight) == 0);
  void** chain = NULL;
  for (size_t size = 1 << 20; size >= 4096; size /= 2) {
    for (;;) {
      void** block = ashlar_malloc(size);
      if (block == NULL) break;
      memset(block, 1, size);
      *block = chain;
      chain = block;
    }
    CHECK(errno == ENOMEM);
  }
  int started = 0;
  while (started < kLate && pthread_create(&threads[started], &attributes, allocate_nothing, NULL) == 0)
    ++started;
  for (int i = 0; i < started; ++i)
    CHECK(pthread_join(threads[i], NULL) == 0);
  while (chain != NULL) {
    void** next = *chain;
    ashlar_free(chain);
    chain = next;
  }
  CHECK(setrlimit(RLIMIT_DATA, &before) == 0);
  pthread_attr_destroy(&attributes);
  CHECK(live_bytes() == 0);
}

int main(void) {
  start_watchdog();
  check_whose_is_whose();
  fork_beside_threads();
  start_many_threads();
  exhaust_memory();
  CHECK(ashlar_verify(2) == 0);
  return 0;
}
