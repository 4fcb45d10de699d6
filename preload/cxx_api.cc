// Every operator new and delete. An object of its own: a C program linked statically takes c_api alone.
//
// libstdc++ is referenced weakly in the shared library, which needs libc alone: a C program preloaded
// with Ashlar has none. A program that calls operator new has one.
#include <stdlib.h>

#include <new>

#include "export.h"
#include "heap/heap.h"

#ifdef ASHLAR_ARCHIVE
#define ASHLAR_WEAK_IF_SHARED
// Whoever takes the operators takes malloc too: libstdc++ stands behind this archive in the link, and its
// calls of malloc would bring libc's.
__attribute__((used)) static void* (*const g_malloc_anchor)(size_t) = &malloc;
#else
#define ASHLAR_WEAK_IF_SHARED __attribute__((weak))
#endif

namespace std {
void __throw_bad_alloc() __attribute__((noreturn)) ASHLAR_WEAK_IF_SHARED;
#ifndef ASHLAR_ARCHIVE
__attribute__((weak)) new_handler get_new_handler() noexcept;
#endif
}  // namespace std

#ifndef ASHLAR_ARCHIVE
__asm__(
    ".weak __gxx_personality_v0\n.weak __cxa_begin_catch\n.weak __cxa_end_catch\n.weak _Unwind_Resume\n.weak "
    "_ZSt9terminatev");
#endif

namespace {

using namespace ashlar;

// One round of the new_handler loop: true if there is something to try again for.
bool ask_new_handler() {
#ifndef ASHLAR_ARCHIVE
  if (&std::get_new_handler == nullptr) return false;
#endif
  const std::new_handler handler = std::get_new_handler();
  if (handler == nullptr) return false;
  handler();
  return true;
}

void* try_new(size_t size, size_t alignment) {
  return alignment == 0 ? heap::allocate(size) : heap::allocate_aligned(alignment, size);
}

ASHLAR_NOINLINE void* new_slow(size_t size, size_t alignment) {
  for (;;) {
    void* const p = try_new(size, alignment);
    if (ASHLAR_LIKELY(p != nullptr)) return p;
    if (!ask_new_handler()) break;
  }
#ifndef ASHLAR_ARCHIVE
  if (&std::__throw_bad_alloc == nullptr) __builtin_trap();
#endif
  std::__throw_bad_alloc();
}

ASHLAR_NOINLINE void* new_nothrow_slow(size_t size, size_t alignment) noexcept {
  try {
    for (;;) {
      void* const p = try_new(size, alignment);
      if (ASHLAR_LIKELY(p != nullptr)) return p;
      if (!ask_new_handler()) return nullptr;
    }
  } catch (...) {  // what the handler threw
    return nullptr;
  }
}

ASHLAR_ALWAYS_INLINE void* fast_new(size_t size) {
  void* const slot = heap::allocate_fast(size);
  return ASHLAR_LIKELY(slot != nullptr) ? slot : new_slow(size, 0);
}

ASHLAR_ALWAYS_INLINE void* fast_new_nothrow(size_t size) {
  void* const slot = heap::allocate_fast(size);
  return ASHLAR_LIKELY(slot != nullptr) ? slot : new_nothrow_slow(size, 0);
}

size_t bytes(std::align_val_t alignment) { return static_cast<size_t>(alignment); }

}  // namespace

#define ASHLAR_OPERATOR __attribute__((visibility("default")))
using std::align_val_t;
using std::nothrow_t;

ASHLAR_OPERATOR void* operator new(size_t size) { return fast_new(size); }
ASHLAR_OPERATOR void* operator new[](size_t size) { return fast_new(size); }
ASHLAR_OPERATOR void* operator new(size_t size, const nothrow_t&) noexcept { return fast_new_nothrow(size); }
ASHLAR_OPERATOR void* operator new[](size_t size, const nothrow_t&) noexcept {
  return fast_new_nothrow(size);
}
ASHLAR_OPERATOR void* operator new(size_t size, align_val_t a) { return new_slow(size, bytes(a)); }
ASHLAR_OPERATOR void* operator new[](size_t size, align_val_t a) { return new_slow(size, bytes(a)); }
ASHLAR_OPERATOR void* operator new(size_t size, align_val_t a, const nothrow_t&) noexcept {
  return new_nothrow_slow(size, bytes(a));
}
ASHLAR_OPERATOR void* operator new[](size_t size, align_val_t a, const nothrow_t&) noexcept {
  return new_nothrow_slow(size, bytes(a));
}

// A size or an alignment that is wrong is harmless: the page map knows better.
ASHLAR_OPERATOR void operator delete(void* p) noexcept { heap::deallocate(p); }
ASHLAR_OPERATOR void operator delete[](void* p) noexcept { heap::deallocate(p); }
ASHLAR_OPERATOR void operator delete(void* p, const nothrow_t&) noexcept { heap::deallocate(p); }
ASHLAR_OPERATOR void operator delete[](void* p, const nothrow_t&) noexcept { heap::deallocate(p); }
ASHLAR_OPERATOR void operator delete(void* p, size_t) noexcept { heap::deallocate(p); }
ASHLAR_OPERATOR void operator delete[](void* p, size_t) noexcept { heap::deallocate(p); }
ASHLAR_OPERATOR void operator delete(void* p, align_val_t) noexcept { heap::deallocate(p); }
ASHLAR_OPERATOR void operator delete[](void* p, align_val_t) noexcept { heap::deallocate(p); }
ASHLAR_OPERATOR void operator delete(void* p, size_t, align_val_t) noexcept { heap::deallocate(p); }
ASHLAR_OPERATOR void operator delete[](void* p, size_t, align_val_t) noexcept { heap::deallocate(p); }
ASHLAR_OPERATOR void operator delete(void* p, align_val_t, const nothrow_t&) noexcept { heap::deallocate(p); }
ASHLAR_OPERATOR void operator delete[](void* p, align_val_t, const nothrow_t&) noexcept {
  heap::deallocate(p);
}
