// The thread cache: for each size class a LIFO bin of free slots, in thread-local storage.
//
//   ThreadCache | bin 0 | bin 1 | ... | bin 86 | bookkeeping |
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
// LOCKS: the owner alone writes its cache; the statistics read what is Relaxed of others (base/relaxed.h).
#pragma once

#include "slab/slab_cache.h"

namespace ashlar::cache {

struct Bin {
  void* head;
  Relaxed<int32_t> room;
  Relaxed<uint16_t> capacity;
  Relaxed<uint16_t> overflows;  // since the last refill, noted as they are put back; kDrained: empty, no room
                                // until the next refill
};
static_assert(sizeof(Bin) == 16 && offsetof(Bin, room) == 8);

inline constexpr uint16_t kDrained = UINT16_MAX;

// Frees that overflow into the same 64 slots of a slab one after another, put back at once. One per
// class, so that frees of mixed sizes coalesce too.
// INVARIANT: `left` counts down to the moment when, as far as this thread knows, the slab's last slot has
// come back: then it is put back at once, and an empty slab never waits here.
struct Pending {
  Relaxed<uint64_t> mask;  // 0: nothing pending
  uint32_t key;   // pending_key of slab and word; with nothing pending, of the slot that was put back last
  uint16_t left;  // slots of the slab still out; 0 with nothing pending
};
static_assert(sizeof(Pending) == 16);

// A thread that never allocated is not listed by a free: at its very end, when no exit hook runs any more,
// glibc frees the memory of other threads' stacks in it, up to 40 MiB of stacks of 16 KiB or more. Only one
// that frees more than that can be is listed.
inline constexpr uint16_t kFreesToList = 4096;

enum class CacheState : uint8_t {
  kNew = 0,  // not listed yet: nothing is cached
  kListing,  // being listed, which may allocate: nothing is cached
  kListed,
  kGone,  // the exit hook has run: nothing is cached any more
};

// Large blocks kept for reuse, oldest first (run_cache.h).
inline constexpr unsigned kCachedRuns = 4;
struct CachedRun {
  PageIndex page;
  PageCount count;
};
struct RunCache {
  CachedRun run[kCachedRuns];
  uint32_t length;
  Relaxed<PageCount> pages;  // sum of the counts
};

struct ThreadCache {
  Bin bins[slab::kClassCount];
  Pending pending[slab::kClassCount];
  uint64_t used[2];       // bit c: bin or pending c has been used
  size_t capacity_bytes;  // sum of capacity x size
  ThreadCache* next;      // the registry's list
  ThreadCache* previous;
  std::atomic<uint32_t> slow_depth;  // > 0: inside a slow path (registry.h)
  RunCache runs;
  uint32_t refills;  // wraps
  CacheState state;
  bool any_drained;       // a drained bin may hold capacity
  uint16_t direct_frees;  // while kNew; see kFreesToList
  uint8_t reclaim_next;   // the bin that was last asked for room
};

#ifdef ASHLAR_CACHE_POINTER
// Only a pointer is in thread-local storage: own_cache.h says what it names. As with errno, the name
// t_cache is the thread's own wherever it lies.
extern const ThreadCache kNewCache;
extern const ThreadCache kGoneCache;
extern __attribute__((tls_model("initial-exec"))) constinit thread_local ThreadCache* t_own_cache;
#define t_cache (*::ashlar::cache::t_own_cache)
#else
// The thread's cache. Initial-exec: an access is one instruction, and never calls. The assembler name is
// for bin_access.h.
extern __attribute__((tls_model("initial-exec"))) constinit thread_local ThreadCache t_cache __asm__(
    "ashlar_t_cache");
#endif

// `code` is what the page map and kCodeTable hold: the bin's index in 8-byte words.
ASHLAR_ALWAYS_INLINE Bin& bin_of_code(size_t code) {
  return *reinterpret_cast<Bin*>(reinterpret_cast<char*>(t_cache.bins) + code * 8);
}

constexpr uint32_t pending_key(UnitIndex unit, unsigned word) { return (unit << 4 | word) + 1; }

// The owner's slow half.

// The bin of this class is empty: fills it and returns a slot, or null when memory is exhausted. Inside
// a SlowPath section (registry.h).
void* refill(unsigned index, size_t requested);

// An overflow that is not simply absorbed: the first after a refill may grow the bin, one too many
// drains it, a slot of another word takes the place of what is pending. Opens a section itself.
void overflow_slow(void* p, unsigned index);

// The same for the common case of bulk frees in random order: the bin is drained, nothing is pending, and the
// slot p is the first of its word. It is put back alone.
void overflow_alone(void* p, unsigned index, slab::SlotPlace place);

// The bin of this class has no room for p. Bulk frees come here for every block: a leaf that touches this
// thread's storage alone when the slot belongs to what is pending for its class. A refill puts back what
// is pending, so the first overflow after one never passes for such a hit.
ASHLAR_ALWAYS_INLINE void overflow(void* p, unsigned index) {
  const slab::ClassInfo& info = slab::kClasses[index];
  const size_t offset_in_window = reinterpret_cast<uintptr_t>(p) - page::g_window.base;
  const uint32_t offset = static_cast<uint32_t>(offset_in_window & info.offset_mask);
  const unsigned slot = slab::slot_at(info, offset);
  const UnitIndex unit = static_cast<UnitIndex>((offset_in_window - offset) >> kUnitShift);
  if (ASHLAR_UNLIKELY(slot * info.size != offset)) return overflow_slow(p, index);  // reports
  Pending& pending = t_cache.pending[index];
  if (pending.key == pending_key(unit, slot / 64)) {
    const uint64_t before = pending.mask;
    const uint64_t mask = before | bit(slot % 64);
    if (ASHLAR_LIKELY(pending.left > 1 && mask != before)) {  // if equal: a double free, reported there
      pending.mask = mask;
      --pending.left;
      return;
    }
  } else if (pending.mask == 0 && t_cache.bins[index].overflows == kDrained) {
    return overflow_alone(p, index, slab::SlotPlace{unit, slot});
  }
  overflow_slow(p, index);
}

// Empties every bin of this thread into the slabs, and its run cache.
void flush_all();

// What the bins hold, for the statistics: of one cache, per class.
unsigned bin_length(const Bin& bin);

bool check_invariants(const ThreadCache& cache);

}  // namespace ashlar::cache
