/* A C program that never names malloc: libc allocates for it. An override object serves it all the same;
 * an archive does so where the link names malloc for it (as ashlar::static and ashlar.pc do). Without an
 * allocator of ours the weak name is null, which is a failure too. */
#include <stdio.h>
#include <string.h>

#include "check.h"

extern int ashlar_owns(const void* p) __attribute__((weak));

int main(void) {
  char* line = NULL;
  size_t size = 0;
  FILE* stream = fmemopen("one line\n", 9, "r");
  CHECK(stream != NULL && getline(&line, &size, stream) == 9);
  CHECK(ashlar_owns != NULL && ashlar_owns(line));
  return 0;
}
