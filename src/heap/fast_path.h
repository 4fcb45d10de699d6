// The fast paths of malloc and free: no calls, no loops; whatever is not a hit leaves by a tail call.
//
// PERF: x86-64, gcc 12 -O2, counted by tests/golden/fast_path.txt: malloc 15 instructions, free 17; clang 14:
// 16 and 17 at most.
#pragma once

#include "cache/bin_access.h"

namespace ashlar::heap {

// The slow halves (heap.cc).
void* allocate_slow(size_t size);
void free_foreign_slow(void* p);                // outside the window: null, direct, or not ours
void free_overflow_slow(void* p, size_t code);  // no room in the bin, or no slab at all
// It stops the program, but is not said to: a call without return needs a stack frame, which clang makes for
// all.
void free_twice_slow(void* p);

// A slot from the thread's bin, or null: then allocate_slow knows what to do. Aligned to 16.
ASHLAR_ALWAYS_INLINE void* allocate_fast(size_t size) {
  if (ASHLAR_UNLIKELY(size > slab::kTableLimit)) return nullptr;
  return cache::pop(slab::kCodeTable[(size + 15) / 16]);
}

// The same, zeroed to the end of the slot; sizes of up to 512 B, whose slots are the size rounded up to 16.
// PERF: a call of memset costs a small block more than its clearing.
ASHLAR_ALWAYS_INLINE void* allocate_zeroed_fast(size_t size) {
  typedef long long Vector __attribute__((vector_size(16), may_alias));
  if (ASHLAR_UNLIKELY(size > slab::kLinearLimit)) return nullptr;
  const size_t vectors = (size + 15) / 16;
  Vector* const slot = static_cast<Vector*>(cache::pop(slab::kCodeTable[vectors]));
  if (ASHLAR_UNLIKELY(slot == nullptr)) return nullptr;
  size_t i = 0;
  do {
    slot[i] = Vector{};
    __asm__ volatile("" : : "r"(slot) : "memory");  // or gcc makes a call of memset of it again, or rep stos
  } while (++i < vectors);
  return slot;
}

// At least `size` bytes, aligned to 16; null when memory is exhausted or size > PTRDIFF_MAX.
ASHLAR_ALWAYS_INLINE void* allocate(size_t size) {
  void* const slot = allocate_fast(size);
  return ASHLAR_LIKELY(slot != nullptr) ? slot : allocate_slow(size);
}

// Frees a block whose page is within the bound; false: it is not, and nothing has been done.
template <page::Bound kBound>
ASHLAR_ALWAYS_INLINE bool deallocate_within(void* p) {
  size_t code = 0;
  if (ASHLAR_UNLIKELY(!page::find_code<kBound>(p, &code))) return false;
  const cache::BinAccess bin(code);
  void* const head = bin.head();
  if (ASHLAR_UNLIKELY(head == p)) return free_twice_slow(p), true;
  if (ASHLAR_UNLIKELY(bin.take_room())) return free_overflow_slow(p, code), true;
  *static_cast<void**>(p) = head;
  bin.set_head(p);
  return true;
}

// Frees a block; null is allowed.
ASHLAR_ALWAYS_INLINE void deallocate(void* p) {
  if (ASHLAR_UNLIKELY(!deallocate_within<page::Bound::kPages>(p))) free_foreign_slow(p);
}

}  // namespace ashlar::heap
