// The C names: malloc(3) and its family, unversioned, so that they interpose libc's. All in one object:
// in a static link, libc.a must find none of them missing, or it brings its own malloc.
//
// errno is set here and nowhere else. Where glibc and a standard differ, glibc is followed: that is what
// the programs were built against.
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "export.h"
#include "heap/heap.h"
#include "malloc_info.h"
#include "os/system.h"
#ifdef ASHLAR_TWINS
#include "twin_names.h"  // the last: renames what follows
#endif

namespace {

using namespace ashlar;

void* exhausted() {
  errno = ENOMEM;
  return nullptr;
}

ASHLAR_NOINLINE void* malloc_slow(size_t size) {
  void* const p = heap::allocate_slow(size);
  return ASHLAR_LIKELY(p != nullptr) ? p : exhausted();
}

ASHLAR_NOINLINE void* calloc_slow(size_t bytes) {
  void* const p = heap::allocate_zeroed(bytes);
  return ASHLAR_LIKELY(p != nullptr) ? p : exhausted();
}

void* aligned(size_t alignment, size_t size) {
  void* const p = heap::allocate_aligned(alignment, size);
  return p != nullptr ? p : exhausted();
}

}  // namespace

ASHLAR_EXPORT void* malloc(size_t size) {
  void* const slot = heap::allocate_fast(size);
  return ASHLAR_LIKELY(slot != nullptr) ? slot : malloc_slow(size);
}

ASHLAR_EXPORT void free(void* p) { heap::deallocate(p); }

ASHLAR_EXPORT void* calloc(size_t count, size_t size) {
  size_t bytes = 0;
  if (ASHLAR_UNLIKELY(__builtin_mul_overflow(count, size, &bytes))) return exhausted();
  void* const slot = heap::allocate_zeroed_fast(bytes);
  return ASHLAR_LIKELY(slot != nullptr) ? slot : calloc_slow(bytes);
}

ASHLAR_EXPORT void* realloc(void* p, size_t size) {
  void* const q = heap::reallocate(p, size);
  if (ASHLAR_UNLIKELY(q == nullptr) && (size != 0 || p == nullptr)) return exhausted();
  return q;
}

ASHLAR_EXPORT void* reallocarray(void* p, size_t count, size_t size) {
  size_t bytes = 0;
  if (__builtin_mul_overflow(count, size, &bytes)) return exhausted();
  return realloc(p, bytes);
}

// An alignment that is no power of two is rounded up, as glibc does.
ASHLAR_EXPORT void* memalign(size_t alignment, size_t size) {
  if (alignment > heap::kMaxSize / 2 + 1) {
    errno = EINVAL;
    return nullptr;
  }
  return aligned(alignment <= 1 ? 1 : size_t{1} << log2_up(alignment), size);
}

ASHLAR_EXPORT void* aligned_alloc(size_t alignment, size_t size) {
  if (!is_power_of_two(alignment)) {
    errno = EINVAL;
    return nullptr;
  }
  return aligned(alignment, size);
}

ASHLAR_EXPORT int posix_memalign(void** result, size_t alignment, size_t size) {
  if (!is_power_of_two(alignment) || alignment % sizeof(void*) != 0) return EINVAL;
  void* const p = heap::allocate_aligned(alignment, size);
  if (p == nullptr) return ENOMEM;
  *result = p;
  return 0;
}

ASHLAR_EXPORT void* valloc(size_t size) { return aligned(os::page_size(), size); }

ASHLAR_EXPORT void* pvalloc(size_t size) {
  const size_t page = os::page_size();
  if (size > heap::kMaxSize - page) return exhausted();
  return aligned(page, size == 0 ? page : align_up(size, page));
}

#ifndef ASHLAR_TWINS
ASHLAR_EXPORT void cfree(void* p) { heap::deallocate(p); }
#endif
// C23. A wrong size is harmless: it is not needed.
ASHLAR_EXPORT void free_sized(void* p, size_t) { heap::deallocate(p); }
ASHLAR_EXPORT void free_aligned_sized(void* p, size_t, size_t) { heap::deallocate(p); }

ASHLAR_EXPORT size_t malloc_usable_size(void* p) { return heap::usable_size(p); }

// 1 if memory went back to the system, else 0. `pad` is what glibc leaves at the top of its heap; it has
// no meaning here.
ASHLAR_EXPORT int malloc_trim(size_t) { return heap::purge() > 0 ? 1 : 0; }

#ifndef ASHLAR_TWINS
// glibc's parameters have no counterpart here: accepted, so that programs that insist go on, and ignored.
ASHLAR_EXPORT int mallopt(int, int) { return 1; }

ASHLAR_EXPORT struct mallinfo2 mallinfo2(void) { return preload::read_mallinfo(); }

ASHLAR_EXPORT struct mallinfo mallinfo(void) {
  const struct mallinfo2 wide = preload::read_mallinfo();
  const auto narrow = [](size_t value) { return static_cast<int>(value); };  // wraps, as glibc's does
  return {narrow(wide.arena),    narrow(wide.ordblks), narrow(wide.smblks),  narrow(wide.hblks),
          narrow(wide.hblkhd),   narrow(wide.usmblks), narrow(wide.fsmblks), narrow(wide.uordblks),
          narrow(wide.fordblks), narrow(wide.keepcost)};
}
#else
// Not by a macro as the others: a struct has the name too.
ASHLAR_EXPORT struct mallinfo2 ashlar_mallinfo2(void) { return preload::read_mallinfo(); }
#endif

ASHLAR_EXPORT int malloc_info(int options, FILE* stream) {
  if (options != 0) return EINVAL;
  return preload::write_malloc_info(stream);
}

ASHLAR_EXPORT void malloc_stats(void) { preload::write_malloc_stats(); }

#ifdef ASHLAR_ARCHIVE
// Whoever links malloc from the archive gets what happens at load and at exit with it.
extern "C" const char ashlar_probe_anchor;  // NOLINT(readability-identifier-naming): probe.cc
__attribute__((used)) static const char* const kProbeAnchor = &ashlar_probe_anchor;
extern "C" void ashlar_before_start();
__attribute__((used)) static void (*const kBeforeStartAnchor)() = &ashlar_before_start;
#endif

#ifndef ASHLAR_TWINS
// Who wants to know whether the process's malloc is this one: sanitizer.cc.
extern "C" ASHLAR_HIDDEN_TWIN("malloc") void* ashlar_own_malloc(size_t);
extern "C" ASHLAR_HIDDEN_TWIN("pvalloc") void* ashlar_own_pvalloc(size_t);

// glibc's inner names, for programs that call them.
#if __has_attribute(copy)
#define ASHLAR_TWIN(name) __attribute__((alias(#name), visibility("default"), copy(name)))
#else
#define ASHLAR_TWIN(name) __attribute__((alias(#name), visibility("default")))
#endif
extern "C" {
void* __libc_malloc(size_t) ASHLAR_TWIN(malloc);
void __libc_free(void*) ASHLAR_TWIN(free);
void __libc_cfree(void*) ASHLAR_TWIN(cfree);
void* __libc_calloc(size_t, size_t) ASHLAR_TWIN(calloc);
void* __libc_realloc(void*, size_t) ASHLAR_TWIN(realloc);
void* __libc_memalign(size_t, size_t) ASHLAR_TWIN(memalign);
void* __libc_valloc(size_t) ASHLAR_TWIN(valloc);
void* __libc_pvalloc(size_t) ASHLAR_TWIN(pvalloc);
int __posix_memalign(void**, size_t, size_t) ASHLAR_TWIN(posix_memalign);
}
#endif
