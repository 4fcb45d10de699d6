// A module with a malloc of its own, which it binds to itself (-Bsymbolic), and a name of AddressSanitizer.
#include <stddef.h>

extern "C" {
void* malloc(size_t) { return nullptr; }
void free(void*) {}
void __asan_init() {}
void* definer_allocate(size_t size) { return malloc(size); }
}
