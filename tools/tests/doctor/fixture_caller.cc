// A module that calls malloc's family, operator new and, perhaps, jemalloc: what elf_object_test reads.
#include <stdlib.h>

extern "C" {
__attribute__((weak)) void* mallocx(size_t size, int flags);

void* caller_allocate(size_t size) {
  void* block = nullptr;
  if (mallocx != nullptr) return mallocx(size, 0);
  return posix_memalign(&block, 64, size) == 0 ? block : malloc(size);
}
void caller_free(void* block) { free(block); }
int* caller_new() { return new int(7); }
}
