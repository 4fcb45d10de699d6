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

#define HEAP_MALLOC ashlar_malloc
#define HEAP_FREE ashlar_free
#include "shared_blocks.h"

enum { kShortThreads = kEmulated ? 300 : 3000 };

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

static void live_once(int round) {
  (void)round;
  live_as_child();
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
  CHECK(kEmulated || after < before + (2 << 20));
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
  const struct rlimit before = limit_data(48 << 20);
  void** chain = NULL;
  for (size_t size = 1 << 20; size >= 4096; size /= 2)
    take_all(&chain, size);
  int started = 0;
  while (started < kLate && pthread_create(&threads[started], &attributes, allocate_nothing, NULL) == 0)
    ++started;
  for (int i = 0; i < started; ++i)
    CHECK(pthread_join(threads[i], NULL) == 0);
  free_chain(chain);
  CHECK(setrlimit(RLIMIT_DATA, &before) == 0);
  pthread_attr_destroy(&attributes);
  CHECK(live_bytes() == 0);
}

int main(void) {
  start_watchdog();
  check_whose_is_whose();
  fork_beside_threads(live_once);
  free_shared();
  CHECK(live_bytes() == 0);
  start_many_threads();
  if (!kEmulated) exhaust_memory();
  CHECK(ashlar_verify(2) == 0);
  return 0;
}
