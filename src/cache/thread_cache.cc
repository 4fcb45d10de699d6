#include "cache/thread_cache.h"

#include "base/options.h"
#include "cache/registry.h"
#include "cache/run_cache.h"
#include "os/fatal.h"

namespace ashlar::cache {

using slab::ClassInfo;
using slab::kClasses;

#ifndef ASHLAR_CACHE_POINTER
constinit thread_local ThreadCache t_cache{};
#endif

namespace {

constexpr size_t kFirstBytes = 1 * kKiB;   // a bin's first capacity
constexpr size_t kRefillBytes = 4 * kKiB;  // up to here it doubles when a refill follows a refill
constexpr size_t kFairShares = 64;     // a bin of up to 1/64 of a cache may take the capacity of drained ones
constexpr unsigned kReclaimBins = 24;  // bins that one growth looks into for room to take
constexpr size_t kBatchBytes =
    32 * kKiB;  // most that one refill brings: it shall still be in the L1 cache when used
constexpr uint32_t kSampledFirst = 256;   // so many refills of a thread are sampled for the statistics all,
constexpr uint32_t kSampledRefills = 16;  // and then every 16th
constexpr unsigned kMaxCapacity = 16384;  // 2 x capacity overflows are counted in 16 bits

unsigned capacity_limit(const ClassInfo& info) {
  const size_t slots = g_options.bin_bytes / info.size;
  return slots > kMaxCapacity ? kMaxCapacity : static_cast<unsigned>(slots);
}

size_t bytes_left() {
  return g_options.cache_bytes > t_cache.capacity_bytes ? g_options.cache_bytes - t_cache.capacity_bytes : 0;
}

// Takes the capacity of drained bins back: a class that was freed in bulk need not be used again.
void reclaim_drained() {
  if (!t_cache.any_drained) return;
  t_cache.any_drained = false;
  for (unsigned half = 0; half < 2; ++half) {
    for (uint64_t rest = t_cache.used[half]; rest != 0; rest &= rest - 1) {
      const unsigned index = half * 64 + lowest_bit(rest);
      Bin& bin = t_cache.bins[index];
      if (bin.overflows != kDrained) continue;
      t_cache.capacity_bytes -= size_t{bin.capacity} * kClasses[index].size;
      bin.capacity = 0;
    }
  }
}

// Takes half of their room from other bins, in turn, until so many bytes are to be had: a bin that has room
// is not in need of its capacity just now. Without it the classes that grow first keep all of the cache.
void reclaim_room(size_t bytes, const Bin& growing) {
  for (unsigned looked = 0; looked < kReclaimBins && bytes_left() < bytes; ++looked) {
    const unsigned index = t_cache.reclaim_next + 1u < slab::kClassCount ? t_cache.reclaim_next + 1u : 1u;
    t_cache.reclaim_next = static_cast<uint8_t>(index);
    Bin& bin = t_cache.bins[index];
    if (&bin == &growing || bin.overflows == kDrained || bin.room < 2) continue;
    const unsigned half = static_cast<unsigned>(bin.room) / 2;
    bin.room -= static_cast<int32_t>(half);
    bin.capacity = static_cast<uint16_t>(bin.capacity - half);
    t_cache.capacity_bytes -= size_t{half} * kClasses[index].size;
  }
}

// Raises a bin's capacity as far as limits allow, and its room with it.
void grow_bin(Bin& bin, const ClassInfo& info, unsigned wanted) {
  const unsigned limit = capacity_limit(info);
  if (wanted > limit) wanted = limit;
  if (wanted <= bin.capacity) return;
  const bool small = size_t{wanted} * info.size <= g_options.cache_bytes / kFairShares;
  const size_t needed = size_t{wanted - bin.capacity} * info.size;
  if (small && bytes_left() < needed) reclaim_drained();
  if (bytes_left() < needed) reclaim_room(needed, bin);
  const size_t affordable = bin.capacity + bytes_left() / info.size;
  if (wanted > affordable) wanted = static_cast<unsigned>(affordable);
  const unsigned more = wanted - bin.capacity;
  t_cache.capacity_bytes += size_t{more} * info.size;
  bin.capacity = static_cast<uint16_t>(wanted);
  bin.room += static_cast<int32_t>(more);
}

void flush_pending(unsigned index) {
  Pending& pending = t_cache.pending[index];
  if (pending.mask == 0) return;
  const uint64_t mask = pending.mask;
  const uint32_t place = pending.key - 1;
  pending.mask = 0;
  pending.key = 0;
  pending.left = 0;
  slab::put_slots(place >> 4, index, place & 15, mask);
}

// Puts a slot back. From the second in a row on that belongs to the same word they wait, until one of another
// word comes: frees in random order never wait, so that a thread that stops freeing pins no slabs.
ASHLAR_ALWAYS_INLINE void put_coalesced(const slab::SlotPlace& place, unsigned index) {
  Pending& pending = t_cache.pending[index];
  const uint64_t slot_bit = bit(place.slot % 64);
  const uint32_t key = pending_key(place.unit, place.slot / 64);
  if (pending.key != key) {
    flush_pending(index);
    pending.key = key;
    return slab::put_slot(place, index);
  }
  if (pending.mask == 0) {
    const unsigned out = slab::slots_out(place.unit, index);
    if (out <= 1) return slab::put_slot(place, index);  // the slab's last: now
    pending.mask = slot_bit;
    pending.left = static_cast<uint16_t>(out - 1);
    return;
  }
  if (ASHLAR_UNLIKELY((pending.mask & slot_bit) != 0)) {
    flush_pending(index);
    slab::put_slot(place, index);  // finds the bit set, and reports
  }
  pending.mask |= slot_bit;
  if (--pending.left == 0) flush_pending(index);
}

// Puts a whole bin back and leaves it empty, with room or without.
void empty_bin(Bin& bin, unsigned index) {
  void* slot = bin.head;
  bin.head = nullptr;
  while (slot != nullptr) {
    void* const next = *static_cast<void**>(slot);
    put_coalesced(slab::place_of(slot, index), index);
    slot = next;
  }
}

void drain(Bin& bin, unsigned index) {
  empty_bin(bin, index);
  bin.room = 0;
  bin.overflows = kDrained;
  t_cache.any_drained = true;
}

void* take_one(unsigned index) { return slab::take_slots(index, 1).head; }

// PERF: the counters are shared by all threads: noted at every refill, they were a third of its cost with
// two.
void sample_sizes(unsigned index, size_t requested) {
  // ORDER: relaxed below: numbers for reports.
  const uint32_t refills = t_cache.refills++;
  if (refills >= kSampledFirst && refills % kSampledRefills != 0) return;
  slab::g_sampled[index].requested.fetch_add(requested, std::memory_order_relaxed);
  slab::g_sampled[index].granted.fetch_add(kClasses[index].size, std::memory_order_relaxed);
}

}  // namespace

void* refill(unsigned index, size_t requested) {
  sample_sizes(index, requested);
  if (ASHLAR_UNLIKELY(t_cache.state != CacheState::kListed) && !list_this_thread()) return take_one(index);
  Bin& bin = t_cache.bins[index];
  const ClassInfo& info = kClasses[index];
  flush_pending(index);
  t_cache.used[index / 64] |= bit(index % 64);
  if (bin.capacity == 0) {
    const size_t slots = kFirstBytes / info.size;
    grow_bin(bin, info, slots == 0 ? 1 : static_cast<unsigned>(slots));
    if (bin.capacity == 0) return take_one(index);
  } else if (bin.overflows == 0 && size_t{bin.capacity} * info.size < kRefillBytes) {
    grow_bin(bin, info, 2u * bin.capacity);
  }
  const unsigned batch = static_cast<unsigned>(kBatchBytes / info.size);
  const unsigned most = batch == 0 ? 1 : batch;
  const slab::Chain chain = slab::take_slots(index, bin.capacity < most ? bin.capacity : most);
  if (chain.length == 0) return nullptr;
  bin.head = *static_cast<void**>(chain.head);
  bin.room = static_cast<int32_t>(bin.capacity) - static_cast<int32_t>(chain.length - 1);
  bin.overflows = 0;
  return chain.head;
}

namespace {

// The first overflow since a refill: the bin may grow, and then takes the slot. True if it did.
bool grow_and_push(Bin& bin, void* p, unsigned index) {
  if (bin.overflows == 0) grow_bin(bin, kClasses[index], 2u * bin.capacity);
  if (bin.room <= 0) return false;
  bin.room -= 1;
  *static_cast<void**>(p) = bin.head;
  bin.head = p;
  return true;
}

// Counts `slots` overflows; a bin that has overflowed twice its capacity without a refill is drained.
void count_overflows(Bin& bin, unsigned index, unsigned slots) {
  const unsigned overflows = bin.overflows + slots;
  bin.overflows = static_cast<uint16_t>(overflows);
  if (overflows > 2u * bin.capacity) drain(bin, index);
}

// A thread that may hold nothing, or a bin that has never been refilled.
ASHLAR_NOINLINE void overflow_first(void* p, unsigned index) {
  const slab::SlotPlace place = slab::place_of(p, index);
  if (t_cache.state == CacheState::kNew && ++t_cache.direct_frees < kFreesToList)
    return slab::put_slot(place, index);
  if (t_cache.state != CacheState::kListed && !list_this_thread()) return slab::put_slot(place, index);
  t_cache.used[index / 64] |= bit(index % 64);
  if (t_cache.bins[index].capacity == 0)
    t_cache.bins[index].overflows = kDrained;  // nothing is worth caching here
  put_coalesced(place, index);
}

ASHLAR_NOINLINE void overflow_otherwise(void* p, unsigned index) {
  Bin& bin = t_cache.bins[index];
  if (ASHLAR_UNLIKELY(t_cache.state != CacheState::kListed ||
                      (bin.capacity == 0 && bin.overflows != kDrained))) {
    return overflow_first(p, index);
  }
  const slab::SlotPlace place = slab::place_of(p, index);
  if (bin.overflows != kDrained) {
    if (grow_and_push(bin, p, index)) return count_overflows(bin, index, 1);
    const Pending& pending = t_cache.pending[index];
    count_overflows(bin, index, pending.mask == 0 ? 1 : count_bits(pending.mask));
  }
  put_coalesced(place, index);
}

}  // namespace

void overflow_slow(void* p, unsigned index) {
  SlowPath section;
  if (ASHLAR_LIKELY(t_cache.bins[index].overflows == kDrained)) {
    put_coalesced(slab::place_of(p, index), index);
  } else {
    overflow_otherwise(p, index);
  }
}

// PERF: a third of the instructions of overflow_slow, since it calls nothing; the program that frees may then
// go on to its next cache miss while this one is under way.
void overflow_alone(void* p, unsigned index, slab::SlotPlace place) {
  if (ASHLAR_UNLIKELY(place.slot >= kClasses[index].slots || !enter_quickly()))
    return overflow_slow(p, index);
  const bool done = slab::try_put_slot(place, index);
  if (ASHLAR_LIKELY(done)) t_cache.pending[index].key = pending_key(place.unit, place.slot / 64);
  leave_quickly();
  if (ASHLAR_UNLIKELY(!done)) overflow_slow(p, index);
}

void flush_all() {
  for (unsigned half = 0; half < 2; ++half) {
    for (uint64_t rest = t_cache.used[half]; rest != 0; rest &= rest - 1) {
      const unsigned index = half * 64 + lowest_bit(rest);
      Bin& bin = t_cache.bins[index];
      empty_bin(bin, index);
      flush_pending(index);
      bin.room = 0;  // its head is null already
      bin.capacity = 0;
      bin.overflows = 0;
    }
    t_cache.used[half] = 0;
  }
  t_cache.capacity_bytes = 0;
  flush_runs();
}

unsigned bin_length(const Bin& bin) {
  const int32_t room = bin.room;
  const uint16_t capacity = bin.capacity;
  if (bin.overflows == kDrained || room > capacity) return 0;
  return static_cast<unsigned>(capacity - room);
}

bool check_invariants(const ThreadCache& cache) {
  size_t bytes = 0;
  for (unsigned index = 0; index < slab::kClassCount; ++index) {
    const Bin& bin = cache.bins[index];
    unsigned length = 0;
    for (void* slot = bin.head; slot != nullptr; slot = *static_cast<void**>(slot)) {
      ASHLAR_CHECK(++length <= bin.capacity);
      ASHLAR_CHECK(!slab::is_slot_free(slab::place_of(slot, index)));
    }
    ASHLAR_CHECK(length == bin_length(bin));
    bytes += size_t{bin.capacity} * kClasses[index].size;
  }
  ASHLAR_CHECK(bytes == cache.capacity_bytes);
  return true;
}

}  // namespace ashlar::cache
