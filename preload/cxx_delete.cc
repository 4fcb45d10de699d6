// Every operator delete (new: cxx_api.cc). Without exceptions, so that the fast path needs no frame.
#include <new>

#include "export.h"
#include "heap/heap.h"

using std::align_val_t;
using std::nothrow_t;

ASHLAR_OPERATOR void operator delete(void* p) noexcept { ashlar::heap::deallocate(p); }
ASHLAR_OPERATOR void operator delete(void* p, align_val_t) noexcept { ashlar::heap::deallocate(p); }

// A program may replace the plain forms alone; the standard has all other forms forward to them. They do,
// unless the plain ones are ours. A size or an alignment that is wrong is harmless: the page map knows
// better.
namespace {

extern "C" {
ASHLAR_HIDDEN_TWIN("_ZdlPv") void ashlar_own_delete(void*) noexcept;
ASHLAR_HIDDEN_TWIN("_ZdlPvSt11align_val_t") void ashlar_own_aligned_delete(void*, align_val_t) noexcept;
}

// The program's plain operator delete, or ours: then the fast path need not ask again for the pages that
// are open by now.
ASHLAR_NOINLINE void forward_delete_slow(void* p) {
  using ashlar::page::g_window;
  if (static_cast<void (*)(void*)>(&::operator delete) != &ashlar_own_delete) return ::operator delete(p);
  // ORDER: relaxed, as in find_code; racing threads store what each has seen, and any of it is right.
  const size_t pages = g_window.pages.load(std::memory_order_relaxed);
  // Only when it changes: every free of every thread reads that cache line.
  if (g_window.unforwarded_pages.load(std::memory_order_relaxed) != pages)
    g_window.unforwarded_pages.store(pages, std::memory_order_relaxed);
  ashlar::heap::deallocate(p);
}

// PERF: the instructions of plain delete.
ASHLAR_ALWAYS_INLINE void forward_delete(void* p) {
  using ashlar::page::Bound;
  if (ASHLAR_UNLIKELY(!ashlar::heap::deallocate_within<Bound::kUnforwarded>(p))) forward_delete_slow(p);
}
void forward_delete(void* p, align_val_t a) {
  const bool ours =
      static_cast<void (*)(void*, align_val_t)>(&::operator delete) == &ashlar_own_aligned_delete;
  return ours ? ashlar::heap::deallocate(p) : ::operator delete(p, a);
}

}  // namespace

ASHLAR_OPERATOR void operator delete(void* p, size_t) noexcept { forward_delete(p); }
ASHLAR_OPERATOR void operator delete[](void* p) noexcept { forward_delete(p); }
ASHLAR_OPERATOR void operator delete(void* p, const nothrow_t&) noexcept { forward_delete(p); }
ASHLAR_OPERATOR void operator delete[](void* p, const nothrow_t&) noexcept { forward_delete(p); }
ASHLAR_OPERATOR void operator delete[](void* p, size_t) noexcept { forward_delete(p); }
ASHLAR_OPERATOR void operator delete[](void* p, align_val_t a) noexcept { forward_delete(p, a); }
ASHLAR_OPERATOR void operator delete(void* p, size_t, align_val_t a) noexcept { forward_delete(p, a); }
ASHLAR_OPERATOR void operator delete[](void* p, size_t, align_val_t a) noexcept { forward_delete(p, a); }
ASHLAR_OPERATOR void operator delete(void* p, align_val_t a, const nothrow_t&) noexcept {
  forward_delete(p, a);
}
ASHLAR_OPERATOR void operator delete[](void* p, align_val_t a, const nothrow_t&) noexcept {
  forward_delete(p, a);
}
