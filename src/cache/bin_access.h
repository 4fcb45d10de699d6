// A bin of this thread, as the fast paths touch it.
//
// Two implementations of one contract. The plain one is what the code means; where it can, the other
// addresses the bin relative to the thread's segment register, which no C++ compiler here does by
// itself: it computes the bin's address first, three instructions more on both paths.
// PERF: malloc 17 -> 15, free 20 -> 17 instructions with gcc 12 -O2 (tests/golden/fast_path.txt).
#pragma once

#include "cache/thread_cache.h"

#if defined(__x86_64__) && !defined(ASHLAR_WATCHED) && !defined(ASHLAR_PLAIN_BINS) && \
    !defined(ASHLAR_CACHE_POINTER)
#define ASHLAR_SEGMENT_BINS 1
#endif

namespace ashlar::cache {

#ifdef ASHLAR_SEGMENT_BINS

static_assert(offsetof(ThreadCache, bins) == 0 && offsetof(Bin, head) == 0 && offsetof(Bin, room) == 8);

// volatile and the memory clobber keep the accesses in order with those that go through t_cache.
// PERF: base + displacement alone, no index: with an index in the address the processor does not forward
// the head's and the room's stores to the next loads at once, and a pair takes 11 ns instead of 6.
class BinAccess {
 public:
  ASHLAR_ALWAYS_INLINE explicit BinAccess(size_t code) {
    __asm__("movq ashlar_t_cache@gottpoff(%%rip), %0" : "=r"(bin_));
    bin_ += code * 8;
  }
  ASHLAR_ALWAYS_INLINE void* head() const {
    void* head;
    __asm__ volatile("movq %%fs:(%1), %0" : "=r"(head) : "r"(bin_) : "memory");
    return head;
  }
  ASHLAR_ALWAYS_INLINE void set_head(void* head) const {
    __asm__ volatile("movq %0, %%fs:(%1)" : : "r"(head), "r"(bin_) : "memory");
  }
  ASHLAR_ALWAYS_INLINE void add_room() const {
    __asm__ volatile("incl %%fs:8(%0)" : : "r"(bin_) : "memory", "cc");
  }
  // True if there was none: then undo_take is due.
  ASHLAR_ALWAYS_INLINE bool take_room() const {
    bool negative;
    __asm__ volatile("decl %%fs:8(%1)" : "=@ccs"(negative) : "r"(bin_) : "memory");
    return negative;
  }
  void undo_take() const { __asm__ volatile("movl $0, %%fs:8(%0)" : : "r"(bin_) : "memory"); }

 private:
  size_t bin_;  // offset of the bin from the thread pointer
};

#else

class BinAccess {
 public:
  ASHLAR_ALWAYS_INLINE explicit BinAccess(size_t code) : bin_(bin_of_code(code)) {}
  ASHLAR_ALWAYS_INLINE void* head() const { return bin_.head; }
  ASHLAR_ALWAYS_INLINE void set_head(void* head) const { bin_.head = head; }
  ASHLAR_ALWAYS_INLINE void add_room() const { bin_.room += 1; }
  // Looks before it takes: a thread without a cache of its own reads a constant one (own_cache.h).
  ASHLAR_ALWAYS_INLINE bool take_room() const {
    if (ASHLAR_UNLIKELY(bin_.room <= 0)) return true;
    bin_.room -= 1;
    return false;
  }
  void undo_take() const {}

 private:
  Bin& bin_;
};

#endif

// The slot at the top of the bin, or null.
ASHLAR_ALWAYS_INLINE void* pop(size_t code) {
  const BinAccess bin(code);
  void* const slot = bin.head();
  if (ASHLAR_UNLIKELY(slot == nullptr)) return nullptr;
  void* const next = *static_cast<void**>(slot);
  bin.add_room();
  bin.set_head(next);
  return slot;
}

}  // namespace ashlar::cache
