// Preloaded, it makes the malloc of libc faulty, to see the soak notice. ASHLAR_SOAK_FAULT names the fault:
//
//   copy    realloc copies one byte too few
//   child   a forked child ends with status 9
//   leak    every 100th free frees nothing
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>

namespace {

bool has_fault(const char* name) {
  const char* const fault = getenv("ASHLAR_SOAK_FAULT");
  return fault != nullptr && strcmp(fault, name) == 0;
}

__attribute__((constructor)) void start() {
  if (has_fault("child")) pthread_atfork(nullptr, nullptr, [] { _exit(9); });
}

template <class Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" void* realloc(void* block, size_t bytes) {
  static const auto real = next<void* (*)(void*, size_t)>("realloc");
  static const bool faulty = has_fault("copy");
  if (!faulty || block == nullptr || bytes < 2) return real(block, bytes);
  void* const moved = malloc(bytes);
  if (moved == nullptr) return nullptr;
  memset(moved, 0, bytes);
  memcpy(moved, block, std::min(bytes, malloc_usable_size(block)) - 1);
  free(block);
  return moved;
}

extern "C" void free(void* block) {
  static const auto real = next<void (*)(void*)>("free");
  static const bool faulty = has_fault("leak");
  static std::atomic<size_t> frees{0};
  if (faulty && frees.fetch_add(1) % 100 == 99) return;
  real(block);
}
