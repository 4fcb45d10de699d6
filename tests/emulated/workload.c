/* Memory of every kind, so that Ashlar asks the kernel in every way that it has: slabs with holes, large blocks
   that grow and shrink, mappings of their own that move, alignments above the page, threads, malloc_trim. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS 1500
#define KEPT 20 /* one in so many survives */

static void *filled(size_t size) {
  void *const block = malloc(size);
  if (block == NULL) abort();
  return memset(block, 1, size);
}

/* 24 MB of 16 KiB: four to a page of 64 KiB, most of which are holes when few survive. */
static void *work(void *unused) {
  static _Thread_local void *blocks[BLOCKS];
  (void)unused;
  for (size_t i = 0; i < BLOCKS; ++i) blocks[i] = filled(i % 2 == 0 ? 16384 : 12000 + i);
  for (size_t i = 0; i < BLOCKS; ++i) {
    if (i % KEPT != 0) free(blocks[i]);
  }
  malloc_trim(0);
  for (size_t i = 0; i < BLOCKS; i += KEPT) free(blocks[i]);
  return NULL;
}

int main(void) {
  pthread_t thread;
  if (dlsym(RTLD_DEFAULT, "ashlar_purge") == NULL) {
    fputs("Ashlar is not here\n", stderr);
    return 1;
  }
  work(NULL);
  if (pthread_create(&thread, NULL, work, NULL) != 0) return 1;
  pthread_join(thread, NULL);
  for (size_t size = 33000; size < 20000000; size += size / 3) {
    void *const block = realloc(realloc(filled(size), size + size / 2), size / 2);
    void *const aligned = aligned_alloc(4096 << size % 8, size);
    if (block == NULL || aligned == NULL) return 1;
    free(block);
    free(aligned);
  }
  char *mapped = filled((size_t)40 << 20);
  char *const neighbour = filled((size_t)40 << 20);
  mapped = realloc(mapped, (size_t)70 << 20);
  if (mapped == NULL || mapped[(40 << 20) - 1] != 1) return 1;
  mapped = realloc(mapped, ((size_t)50 << 20) + 1);
  if (mapped == NULL) return 1;
  free(aligned_alloc((size_t)4 << 20, (size_t)36 << 20));
  free(mapped);
  free(neighbour);
  malloc_trim(0);
  puts("done");
  return 0;
}
