/* Exit status 0 if malloc is the C library's and ashlar_malloc is Ashlar's. C and C++. */
#include <ashlar/ashlar.h>
#include <ashlar/malloc.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
  void* volatile theirs = malloc(100);
  void* volatile ours = ashlar_malloc(100);
  const int good = !ashlar_owns(theirs) && ashlar_owns(ours);
  if (!good) fprintf(stderr, "malloc %d, ashlar_malloc %d\n", ashlar_owns(theirs), ashlar_owns(ours));
  ashlar_free(ours);
  free(theirs);
  return good ? 0 : 1;
}
