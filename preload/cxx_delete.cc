// Every operator delete (new: cxx_api.cc). Without exceptions, so that the fast path needs no frame.
#include <new>

#include "export.h"
#include "heap/heap.h"

using std::align_val_t;
using std::nothrow_t;

ASHLAR_OPERATOR void operator delete(void* p) noexcept { ashlar::heap::deallocate(p); }
ASHLAR_OPERATOR void operator delete(void* p, align_val_t) noexcept { ashlar::heap::deallocate(p); }

// A program may replace the plain forms alone; the standard has all other forms forward to them. They do,
// unless the plain ones are ours. PERF: one load and one comparison.
#ifdef ASHLAR_ARCHIVE
namespace {
constexpr bool delete_is_ours() { return true; }
constexpr bool aligned_delete_is_ours() { return true; }
}  // namespace
#else
extern "C" {
ASHLAR_HIDDEN_TWIN("_ZdlPv") void ashlar_own_delete(void*) noexcept;
ASHLAR_HIDDEN_TWIN("_ZdlPvSt11align_val_t") void ashlar_own_aligned_delete(void*, align_val_t) noexcept;
}
namespace {
bool delete_is_ours() { return static_cast<void (*)(void*)>(&::operator delete) == &ashlar_own_delete; }
bool aligned_delete_is_ours() {
  return static_cast<void (*)(void*, align_val_t)>(&::operator delete) == &ashlar_own_aligned_delete;
}
}  // namespace
#endif

namespace {

ASHLAR_ALWAYS_INLINE void forward_delete(void* p) {
  return ASHLAR_LIKELY(delete_is_ours()) ? ashlar::heap::deallocate(p) : ::operator delete(p);
}
void forward_delete(void* p, align_val_t a) {
  return aligned_delete_is_ours() ? ashlar::heap::deallocate(p) : ::operator delete(p, a);
}

}  // namespace

// A size or an alignment that is wrong is harmless: the page map knows better.
ASHLAR_OPERATOR void operator delete[](void* p) noexcept { forward_delete(p); }
ASHLAR_OPERATOR void operator delete(void* p, const nothrow_t&) noexcept { forward_delete(p); }
ASHLAR_OPERATOR void operator delete[](void* p, const nothrow_t&) noexcept { forward_delete(p); }
ASHLAR_OPERATOR void operator delete(void* p, size_t) noexcept { forward_delete(p); }
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
