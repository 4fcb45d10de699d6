/* Allocates by a pointer to malloc, as programs do that keep an allocator in a struct. Prints `done`. */
#include <stdio.h>
#include <stdlib.h>

int main(void) {
  void *(*volatile take)(size_t) = malloc;
  void *volatile block = take(100);
  if (block == NULL) return 1;
  free(block);
  puts("done");
  return 0;
}
