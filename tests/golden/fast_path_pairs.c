/* Warm pairs of malloc and free, for callgrind to count. A second thread exists, so that nothing counts on
 * having the process to itself. Asks whoever serves malloc for its window, and says so on stdout.
 *
 *   fast_path_pairs SIZE PAIRS */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_barrier_t barrier;

static void* wait_for_the_end(void* unused) {
  pthread_barrier_wait(&barrier); /* alive from here ... */
  pthread_barrier_wait(&barrier); /* ... to here */
  return unused;
}

/* The library's own word, without its header: the program is to know nothing of Ashlar. */
static void print_window(void) {
  int (*print)(int) = (int (*)(int))dlsym(RTLD_DEFAULT, "ashlar_stats_print_json");
  if (print == NULL || print(1) != 0) puts("{}");
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const size_t size = strtoul(argv[1], NULL, 10);
  const long pairs = strtol(argv[2], NULL, 10);
  pthread_t thread;
  pthread_barrier_init(&barrier, NULL, 2);
  if (pthread_create(&thread, NULL, wait_for_the_end, NULL) != 0) return 1;
  pthread_barrier_wait(&barrier);
  for (long i = 0; i < pairs; ++i) {
    char* volatile p = malloc(size);
    if (p == NULL) return 1;
    *p = 1;
    free(p);
  }
  pthread_barrier_wait(&barrier);
  pthread_join(thread, NULL);
  print_window();
  return 0;
}
