/* Exit status 0 if Ashlar serves a program that never names malloc: libc allocates for it. */
#include <stdio.h>

extern int ashlar_owns(const void* p) __attribute__((weak));

int main(void) {
  char* line = NULL;
  size_t size = 0;
  if (getline(&line, &size, stdin) < 1) fputs("give it a line\n", stderr);
  if (ashlar_owns != NULL && ashlar_owns(line)) return 0;
  fputs("not served by Ashlar\n", stderr);
  return 1;
}
