// The thread cache: for each size class a LIFO bin of free slots, in thread-local storage.
//
//   ThreadCache | bin 0 | bin 1 | ... | bin 80 | bookkeeping |
//   Bin, 16 B:  | head 8 | room 4 | capacity 2 | overflows 2 |
//
// malloc pops and does room++; free does room-- and pushes; room below zero overflows straight to the
// slab. Bin 0 is always empty and never has room: malloc(0) and frees of what is no slot end in the
// slow path through it, without a branch of their own. All-zero storage is a valid empty cache.
//
// INVARIANT: length of a bin = capacity - room, but for a drained one (overflows == kDrained): 0, and
//            then room is 0 too.
// INVARIANT: sum over the bins of capacity x size <= options cache_bytes (+ one slot).
// A bin pins slabs, not bytes: it starts small, doubles when an overflow follows a refill, and one that
// overflows twice its capacity with no refill in between is emptied and has no room until the next.
// LOCKS: the owner alone touches its cache; the statistics read capacity and room of others, relaxed.
#pragma once

#include "slab/slab_cache.h"

namespace ashlar::cache {

struct Bin {
  void* head;
  int32_t room;
  uint16_t capacity;
  uint16_t overflows;  // since the last refill; kDrained: emptied, no room until the next
};
static_assert(sizeof(Bin) == 16 && offsetof(Bin, room) == 8);

inline constexpr uint16_t kDrained = UINT16_MAX;

// Frees that overflow one after another into the same 64 slots of a slab, put back at once.
struct Pending {
  uint64_t mask;
  UnitIndex unit;
  uint8_t index;  // size class; 0: nothing pending
  uint8_t word;
};

enum class CacheState : uint8_t {
  kNew = 0,      // not listed yet: nothing is cached
  kListing,      // being listed, which may allocate: nothing is cached
  kListed,
  kGone,         // the exit hook has run: nothing is cached any more
};

struct ThreadCache {
  Bin bins[slab::kClassCount];
  Pending pending;
  uint64_t used[2];          // bit c: bin c has had capacity
  size_t capacity_bytes;     // sum of capacity x size
  ThreadCache* next;         // the registry's list
  ThreadCache* previous;
  std::atomic<uint32_t> slow_depth;  // > 0: inside a slow path (registry.h)
  CacheState state;
};

// The thread's cache. Initial-exec: an access is one instruction, and never calls. The assembler name is
// for bin_access.h.
extern __attribute__((tls_model("initial-exec"))) constinit thread_local ThreadCache t_cache __asm__("ashlar_t_cache");

// `code` is what the page map and kCodeTable hold: the bin's index in 8-byte words.
ASHLAR_ALWAYS_INLINE Bin& bin_of_code(size_t code) {
  return *reinterpret_cast<Bin*>(reinterpret_cast<char*>(t_cache.bins) + code * 8);
}

// The owner's slow half. All of them: inside a SlowPath section (registry.h).

// The bin of this class is empty: fills it and returns a slot, or null when memory is exhausted.
void* refill(unsigned index, size_t requested);

// The bin of this class has no room for p.
void overflow(void* p, unsigned index);

// Puts a slot back without any cache.
void put_directly(void* p, unsigned index);

// Empties every bin of this thread into the slabs.
void flush_all();

// What the bins hold, for the statistics: of one cache, per class.
unsigned bin_length(const Bin& bin);

bool check_invariants(const ThreadCache& cache);

}  // namespace ashlar::cache
