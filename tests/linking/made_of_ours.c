/* A program whose malloc is made of libashlar_api.a's: what libc allocates while Ashlar sets a thread up
 * (a late key's value) comes back to Ashlar. */
#include <ashlar/ashlar.h>
#include <ashlar/malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static size_t g_calls; /* relaxed */

void* malloc(size_t size) {
  __atomic_fetch_add(&g_calls, 1, __ATOMIC_RELAXED);
  return ashlar_malloc(size);
}
void* calloc(size_t count, size_t size) {
  __atomic_fetch_add(&g_calls, 1, __ATOMIC_RELAXED);
  return ashlar_calloc(count, size);
}
void* realloc(void* p, size_t size) { return ashlar_realloc(p, size); }
void free(void* p) { ashlar_free(p); }

/* Before Ashlar makes its key: then its key is a late one, whose value libc allocates room for. */
__attribute__((constructor(101))) static void use_up_early_keys(void) {
  pthread_key_t key;
  for (int i = 0; i < 40; ++i)
    CHECK(pthread_key_create(&key, NULL) == 0);
}

static void* work(void* unused) {
  for (int i = 0; i < 1000; ++i) {
    char* text = strdup("made of ours");
    CHECK(ashlar_owns(text));
    free(text);
  }
  return unused;
}

int main(void) {
  start_watchdog();
  for (int round = 0; round < 200; ++round) {
    pthread_t threads[4];
    for (int i = 0; i < 4; ++i)
      CHECK(pthread_create(&threads[i], NULL, work, NULL) == 0);
    for (int i = 0; i < 4; ++i)
      CHECK(pthread_join(threads[i], NULL) == 0);
  }
  CHECK(__atomic_load_n(&g_calls, __ATOMIC_RELAXED) > 800000);
  CHECK(ashlar_verify(2) == 0);
  return 0;
}
