// Allocates while the program is being relocated: an indirect function's resolver runs before libc's own
// start, when `environ` is null. An allocator that read its options there would find none. For start_test.
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

namespace {
void* early_block = nullptr;
bool environ_was_null = false;
}  // namespace

extern "C" {
int answer() { return 5; }

int (*resolve_answer())() {
  environ_was_null = environ == nullptr;
  early_block = malloc(100);
  if (early_block != nullptr) {
    memset(early_block, 1, 100);
  }
  return answer;
}

int resolved_answer() __attribute__((ifunc("resolve_answer")));
}

int main() {
  const int got = resolved_answer();
  void* const p = malloc(200);
  printf("answer %d, early block %s, environ %s\n", got, early_block != nullptr ? "given" : "refused",
         environ_was_null ? "null" : "set");
  free(early_block);
  free(p);
  return got == 5 && early_block != nullptr ? 0 : 1;
}
