/* Does a little of everything with memory, in four threads, then commits the fault that its argument names:
   none, after_end, after_free, twice, leak or uninitialised. Prints `done`. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *work(void *bytes) {
  void *block = malloc((size_t)bytes);
  memset(block, 1, 8);
  free(block);
  block = realloc(calloc(1, 1000), 50000);
  free(block);
  return NULL;
}

int main(int argc, char **argv) {
  const char *const fault = argc > 1 ? argv[1] : "none";
  pthread_t threads[4];
  for (size_t i = 0; i < 4; ++i) pthread_create(&threads[i], NULL, work, (void *)(100 * (i + 1)));
  for (size_t i = 0; i < 4; ++i) pthread_join(threads[i], NULL);
  char *volatile block = malloc(100);
  memset(block, 1, 96);
  if (strcmp(fault, "uninitialised") == 0 && block[98] == 5) puts("five");
  if (strcmp(fault, "after_end") == 0) block[100] = 1;
  if (strcmp(fault, "leak") != 0) free(block);
  if (strcmp(fault, "after_free") == 0) block[5] = 1;
  if (strcmp(fault, "twice") == 0) free(block);
  block = NULL;
  puts("done");
  return 0;
}
