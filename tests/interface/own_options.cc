// A program that brings options of its own, one of them written wrongly; it exports the variable, so that a
// preloaded library finds it (docs/options.md). For start_test.
#include <stdlib.h>

const char* ashlar_conf = "purge_floor:8m,window=1g,options_at_exit:text";

int main() {
  free(malloc(100));
  return 0;
}
