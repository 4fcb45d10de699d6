#include "cache/thread_cache.h"

#include "base/options.h"
#include "cache/registry.h"
#include "os/fatal.h"

namespace ashlar::cache {

using slab::ClassInfo;
using slab::kClasses;

constinit thread_local ThreadCache t_cache{};

namespace {

constexpr size_t kFirstBytes = 1 * kKiB;    // a bin's first capacity
constexpr size_t kRefillBytes = 4 * kKiB;   // up to here it doubles when a refill follows a refill
constexpr unsigned kMaxCapacity = 4096;

unsigned capacity_limit(const ClassInfo& info) {
  const size_t slots = g_options.bin_bytes / info.size;
  return slots > kMaxCapacity ? kMaxCapacity : static_cast<unsigned>(slots);
}

// Raises a bin's capacity as far as limits allow, and its room with it.
void grow_bin(Bin& bin, const ClassInfo& info, unsigned wanted) {
  const unsigned limit = capacity_limit(info);
  if (wanted > limit) wanted = limit;
  if (wanted <= bin.capacity) return;
  const size_t left = g_options.cache_bytes > t_cache.capacity_bytes ? g_options.cache_bytes - t_cache.capacity_bytes : 0;
  const size_t affordable = bin.capacity + left / info.size;
  if (wanted > affordable) wanted = static_cast<unsigned>(affordable);
  const unsigned more = wanted - bin.capacity;
  t_cache.capacity_bytes += size_t{more} * info.size;
  bin.capacity = static_cast<uint16_t>(wanted);
  bin.room += static_cast<int32_t>(more);
}

void flush_pending() {
  Pending& pending = t_cache.pending;
  if (pending.index == 0) return;
  const Pending put = pending;
  pending.index = 0;
  slab::put_slots(put.unit, put.index, put.word, put.mask);
}

// Adds a slot to those pending, putting back what is pending for another word first.
void put_coalesced(const slab::SlotPlace& place, unsigned index) {
  Pending& pending = t_cache.pending;
  const uint64_t slot_bit = bit(place.slot % 64);
  if (pending.unit == place.unit && pending.index == index && pending.word == place.slot / 64) {
    if (ASHLAR_UNLIKELY((pending.mask & slot_bit) != 0)) {
      flush_pending();
      slab::put_slot(place, index);  // finds the bit set, and reports
    }
    pending.mask |= slot_bit;
    if (pending.mask == ~uint64_t{0}) flush_pending();
    return;
  }
  flush_pending();
  pending = Pending{slot_bit, place.unit, static_cast<uint8_t>(index), static_cast<uint8_t>(place.slot / 64)};
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
}

void* take_one(unsigned index) { return slab::take_slots(index, 1).head; }

}  // namespace

void* refill(unsigned index, size_t requested) {
  slab::g_sampled[index].requested.fetch_add(requested, std::memory_order_relaxed);
  slab::g_sampled[index].granted.fetch_add(kClasses[index].size, std::memory_order_relaxed);
  if (ASHLAR_UNLIKELY(t_cache.state != CacheState::kListed) && !list_this_thread()) return take_one(index);
  Bin& bin = t_cache.bins[index];
  const ClassInfo& info = kClasses[index];
  if (t_cache.pending.index == index) flush_pending();
  if (bin.capacity == 0) {
    t_cache.used[index / 64] |= bit(index % 64);
    const size_t slots = kFirstBytes / info.size;
    grow_bin(bin, info, slots == 0 ? 1 : static_cast<unsigned>(slots));
    if (bin.capacity == 0) return take_one(index);
  } else if (bin.overflows == 0 && size_t{bin.capacity} * info.size < kRefillBytes) {
    grow_bin(bin, info, 2u * bin.capacity);
  }
  const slab::Chain chain = slab::take_slots(index, bin.capacity);
  if (chain.length == 0) return nullptr;
  bin.head = *static_cast<void**>(chain.head);
  bin.room = static_cast<int32_t>(bin.capacity) - static_cast<int32_t>(chain.length - 1);
  bin.overflows = 0;
  return chain.head;
}

void overflow(void* p, unsigned index) {
  if (ASHLAR_UNLIKELY(t_cache.state != CacheState::kListed) && !list_this_thread()) {
    put_directly(p, index);
    return;
  }
  Bin& bin = t_cache.bins[index];
  const slab::SlotPlace place = slab::place_of(p, index);
  if (bin.capacity > 0 && bin.overflows != kDrained) {
    const ClassInfo& info = kClasses[index];
    if (bin.overflows == 0) grow_bin(bin, info, 2u * bin.capacity);
    ++bin.overflows;
    if (bin.room > 0) {
      bin.room--;
      *static_cast<void**>(p) = bin.head;
      bin.head = p;
      return;
    }
    const unsigned limit = 2u * bin.capacity;
    if (bin.overflows > limit || bin.overflows == kDrained - 1) drain(bin, index);
  }
  put_coalesced(place, index);
}

void put_directly(void* p, unsigned index) { slab::put_slot(slab::place_of(p, index), index); }

void flush_all() {
  for (unsigned half = 0; half < 2; ++half) {
    for (uint64_t rest = t_cache.used[half]; rest != 0; rest &= rest - 1) {
      const unsigned index = half * 64 + lowest_bit(rest);
      Bin& bin = t_cache.bins[index];
      empty_bin(bin, index);
      bin = Bin{};
    }
    t_cache.used[half] = 0;
  }
  t_cache.capacity_bytes = 0;
  flush_pending();
}

unsigned bin_length(const Bin& bin) {
  const int32_t room = __atomic_load_n(&bin.room, __ATOMIC_RELAXED);
  const uint16_t capacity = __atomic_load_n(&bin.capacity, __ATOMIC_RELAXED);
  if (__atomic_load_n(&bin.overflows, __ATOMIC_RELAXED) == kDrained || room > capacity) return 0;
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
