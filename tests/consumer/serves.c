/* Exit status 0 if Ashlar is this program's malloc, for libc too. */
#include <ashlar/ashlar.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
  void* volatile block = malloc(100);
  char* volatile text = strdup("libc allocates as well");
  if (!ashlar_owns(block) || !ashlar_owns(text)) {
    fprintf(stderr, "not served by Ashlar %s: malloc %d, strdup %d\n", ashlar_version(), ashlar_owns(block),
            ashlar_owns(text));
    return 1;
  }
  free(text);
  free(block);
  return ashlar_verify(2) == 0 ? 0 : 1;
}
