// Every operator new (delete: cxx_delete.cc). An object of its own: a C program linked statically takes
// c_api alone. With exceptions, unlike the rest: std::bad_alloc, and what a new_handler throws.
//
// libstdc++ is referenced weakly in the shared library, which needs libc alone: a C program preloaded
// with Ashlar has none. A program that calls operator new has one.
#include <dlfcn.h>
#include <stdlib.h>

#include <new>

#include "export.h"
#include "heap/heap.h"
#include "os/fatal.h"

#ifdef ASHLAR_ARCHIVE
#define ASHLAR_WEAK_IF_SHARED
// Whoever takes the operators takes malloc too: libstdc++ stands behind this archive in the link, and its
// calls of malloc would bring libc's.
__attribute__((used)) static void* (*const kMallocAnchor)(size_t) = &malloc;
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

#ifndef ASHLAR_ARCHIVE
// A function of libstdc++ that was not there when we were loaded, but may have come with a module by dlopen:
// looked up at the one moment when it is needed, when memory is exhausted. Null: there is none.
void* late_symbol(const char* name) {
  void* const library = dlopen("libstdc++.so.6", RTLD_NOLOAD | RTLD_LAZY);
  return library == nullptr ? nullptr : dlsym(library, name);
}
#endif

// One round of the new_handler loop: true if there is something to try again for.
bool ask_new_handler() {
  std::new_handler (*get)() = &std::get_new_handler;
#ifndef ASHLAR_ARCHIVE
  if (get == nullptr) get = reinterpret_cast<decltype(get)>(late_symbol("_ZSt15get_new_handlerv"));
  if (get == nullptr) return false;
#endif
  const std::new_handler handler = get();
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
  void (*raise)() = &std::__throw_bad_alloc;
#ifndef ASHLAR_ARCHIVE
  if (raise == nullptr) raise = reinterpret_cast<decltype(raise)>(late_symbol("_ZSt17__throw_bad_allocv"));
  if (raise == nullptr)
    os::fatal(os::Message().text("out of memory in operator new, and no libstdc++ to throw std::bad_alloc"));
#endif
  raise();
  __builtin_unreachable();
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

using std::align_val_t;
using std::nothrow_t;

ASHLAR_OPERATOR void* operator new(size_t size) { return fast_new(size); }
ASHLAR_OPERATOR void* operator new(size_t size, align_val_t a) { return new_slow(size, bytes(a)); }

// A program may replace the plain forms alone; the standard has all other forms forward to them. They do,
// unless the plain ones are ours. PERF: one load and one comparison.
extern "C" {
ASHLAR_HIDDEN_TWIN("_Znwm") void* ashlar_own_new(size_t);
ASHLAR_HIDDEN_TWIN("_ZnwmSt11align_val_t") void* ashlar_own_aligned_new(size_t, align_val_t);
}
namespace {
bool new_is_ours() { return static_cast<void* (*)(size_t)>(&::operator new) == &ashlar_own_new; }
bool aligned_new_is_ours() {
  return static_cast<void* (*)(size_t, align_val_t)>(&::operator new) == &ashlar_own_aligned_new;
}
}  // namespace

namespace {

ASHLAR_ALWAYS_INLINE void* forward_new(size_t size) {
  return ASHLAR_LIKELY(new_is_ours()) ? fast_new(size) : ::operator new(size);
}
void* forward_new(size_t size, align_val_t a) {
  return aligned_new_is_ours() ? new_slow(size, bytes(a)) : ::operator new(size, a);
}

// The replaced plain form, whose exception means null here.
ASHLAR_NOINLINE void* foreign_new_nothrow(size_t size) noexcept {
  try {
    return ::operator new(size);
  } catch (...) {
    return nullptr;
  }
}
ASHLAR_NOINLINE void* foreign_new_nothrow(size_t size, align_val_t a) noexcept {
  try {
    return ::operator new(size, a);
  } catch (...) {
    return nullptr;
  }
}
ASHLAR_ALWAYS_INLINE void* forward_new_nothrow(size_t size) {
  return ASHLAR_LIKELY(new_is_ours()) ? fast_new_nothrow(size) : foreign_new_nothrow(size);
}
void* forward_new_nothrow(size_t size, align_val_t a) {
  return aligned_new_is_ours() ? new_nothrow_slow(size, bytes(a)) : foreign_new_nothrow(size, a);
}

}  // namespace

ASHLAR_OPERATOR void* operator new[](size_t size) { return forward_new(size); }
ASHLAR_OPERATOR void* operator new(size_t size, const nothrow_t&) noexcept {
  return forward_new_nothrow(size);
}
ASHLAR_OPERATOR void* operator new[](size_t size, const nothrow_t&) noexcept {
  return forward_new_nothrow(size);
}
ASHLAR_OPERATOR void* operator new[](size_t size, align_val_t a) { return forward_new(size, a); }
ASHLAR_OPERATOR void* operator new(size_t size, align_val_t a, const nothrow_t&) noexcept {
  return forward_new_nothrow(size, a);
}
ASHLAR_OPERATOR void* operator new[](size_t size, align_val_t a, const nothrow_t&) noexcept {
  return forward_new_nothrow(size, a);
}
