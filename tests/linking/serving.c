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

#define HEAP_MALLOC malloc
#define HEAP_FREE free
#include "shared_blocks.h"

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

/* A child of every second round forks once more. */
static void fork_again(int round) {
  live_as_child();
  if (round % 2 == 0) return;
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    start_watchdog();
    live_as_child();
    _exit(0);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
}

/* Null and ENOMEM, at once and for good, and all is well again when memory is there again. */
static void exhaust_memory(void) {
  errno = 0;
  void* volatile impossible = malloc((size_t)PTRDIFF_MAX - 4096);
  CHECK(impossible == NULL && errno == ENOMEM);
  if (kEmulated) return;
  const struct rlimit before = limit_data(64 << 20);
  void** chain = NULL;
  const size_t blocks = take_all(&chain, 1 << 20);
  CHECK(blocks > 16 && blocks < 64);
  free_chain(chain);
  void* again = malloc(16 << 20);
  CHECK(again != NULL);
  free(again);
  CHECK(setrlimit(RLIMIT_DATA, &before) == 0);
}

int main(void) {
  start_watchdog();
  check_who_serves();
  fork_beside_threads(fork_again);
  exhaust_memory();
  CHECK(ashlar_verify(2) == 0);
  return 0;
}
