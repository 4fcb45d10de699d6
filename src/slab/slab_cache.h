// The slab caches: slots in bulk out of the slabs of a class, and back into them.
//
// Nothing here belongs to a thread. A refill takes the lowest slab that is worth it; a free sets the
// slot's bit in its slab, whoever frees. A slab whose last slot comes back returns its pages, but
// for one a class that is kept, within kKeptPages in all.
//
// COSTS: take: one exclusion a slab, one store a slot; put: one exclusion for up to 64 slots of one
// word of free bits. A slab's birth and death: one call of the page layer each.
// LOCKS: the exclusion bit of the slab at hand, and the page lock, never both. Any thread.
#pragma once

#include "slab/class_index.h"

namespace ashlar::slab {

// Where a slot stands: the unit at which its slab begins, and its number there.
struct SlotPlace {
  UnitIndex unit;
  unsigned slot;
};

// Free slots taken out of slabs, chained through their first words in address order.
struct Chain {
  void* head;
  unsigned length;
};

// Up to `want` slots of a class (at least one unless memory is exhausted). Fewer than `want` come when
// the next ones would touch new pages.
Chain take_slots(unsigned index, unsigned want);

namespace detail {
// After slots came back: notes what the new count means, and ends the exclusion. Shared by put_slots
// (freed: new holes may have come into being) and the hole purge, which puts back what it took.
void settle(UnitIndex unit, UnitMeta& meta, uint64_t before, uint64_t after, bool freed);
// The slab may hold whole free pages; or does no longer, or is looked into just now.
void mark_candidate(UnitIndex unit, unsigned index);
void unmark_candidate(UnitIndex unit, unsigned index);
// The slab is no longer the empty one that its class keeps.
void forget_kept(unsigned index, UnitIndex unit);
// The pages that slot `slot` touches, as bits.
uint64_t pages_of_slot(const ClassInfo& info, unsigned slot);
// Ends the exclusion of a live slab with `word`, if there is one, and stops the program.
[[noreturn]] void double_free(UnitIndex unit, unsigned index, unsigned slot, uint64_t word);
[[noreturn]] void no_slot(const void* p, unsigned index);
}  // namespace detail

// The place of a pointer into a page whose map byte names class `index`. An address that is no slot's
// start stops the program.
inline SlotPlace place_of(const void* p, unsigned index) {
  const ClassInfo& info = kClasses[index];
  const size_t offset_in_window = reinterpret_cast<uintptr_t>(p) - page::g_window.base;
  const uint32_t offset = static_cast<uint32_t>(offset_in_window & info.offset_mask);
  const unsigned slot = slot_at(info, offset);
  if (ASHLAR_UNLIKELY(slot * info.size != offset || slot >= info.slots)) detail::no_slot(p, index);
  return SlotPlace{static_cast<UnitIndex>((offset_in_window - offset) >> kUnitShift), slot};
}

// True if the slab may hold new holes, now that its free slots rose from `had` to `has`.
inline bool may_hold_holes(const ClassInfo& info, unsigned had, unsigned has) {
  return has >= info.hole_slots &&
         (had < info.hole_slots || (had >> info.hole_shift) != (has >> info.hole_shift)) &&
         info.hole_slots != 0;
}

// True if there is something to note when the free slots rise from `had` to `has`: the slab is worth
// refilling from, may hold new holes, or is empty. In most cases there is not.
inline bool is_noted(const ClassInfo& info, unsigned had, unsigned has) {
  return has == info.slots || (had < info.enough && has >= info.enough) || may_hold_holes(info, had, has);
}
// The same for a rise by one.
inline bool is_noted(const ClassInfo& info, unsigned has) {
  if (ASHLAR_LIKELY(has < info.noted_from)) return has == info.enough;
  return has == info.slots || has == info.enough || has == info.hole_slots ||
         (has & ((1u << info.hole_shift) - 1)) == 0;
}

// Makes slots free: those of `mask` in word `word_index` of the free bits. A slot that is free already
// stops the program (double free). PERF: inline into the overflow path, which it is most of.
ASHLAR_ALWAYS_INLINE void put_slots(UnitIndex unit, unsigned index, unsigned word_index, uint64_t mask) {
  UnitMeta& meta = unit_meta(unit);
  uint64_t word = 0;
  if (ASHLAR_UNLIKELY(!exclude(meta, index, &word))) {
    detail::double_free(unit, index, word_index * 64 + lowest_bit(mask), 0);
  }
  const uint64_t free_bits = meta.free_bits[word_index];
  if (ASHLAR_UNLIKELY((free_bits & mask) != 0)) {
    detail::double_free(unit, index, word_index * 64 + lowest_bit(free_bits & mask), word);
  }
  meta.free_bits[word_index] = free_bits | mask;
  const uint64_t after = add_free(word, (mask & (mask - 1)) == 0 ? 1 : count_bits(mask));
  if (ASHLAR_LIKELY(!is_noted(kClasses[index], word_free(word), word_free(after)))) return admit(meta, after);
  detail::settle(unit, meta, word, after, true);
}
inline void put_slot(const SlotPlace& place, unsigned index) {
  put_slots(place.unit, index, place.slot / 64, bit(place.slot % 64));
}

// Makes one slot free, if that is all there is to do; else, or if somebody is at the slab just now, does
// nothing and says false: put_slot is to be called then. PERF: calls nothing.
ASHLAR_ALWAYS_INLINE bool try_put_slot(const SlotPlace& place, unsigned index) {
  UnitMeta& meta = unit_meta(place.unit);
  uint64_t word = 0;
  if (ASHLAR_UNLIKELY(!try_exclude(meta, index, &word))) return false;
  Relaxed<uint64_t>& free_bits = meta.free_bits[place.slot / 64];
  const uint64_t before = free_bits;
  const uint64_t slot_bit = bit(place.slot % 64);
  if (ASHLAR_UNLIKELY((before & slot_bit) != 0 || is_noted(kClasses[index], word_free(word) + 1))) {
    admit(meta, word);
    return false;
  }
  free_bits = before | slot_bit;
  admit(meta, add_free(word, 1));
  return true;
}

// Slots of the slab that are not free in it; a reading that other threads may change at once.
// ORDER: relaxed: a hint for how long frees may wait.
inline unsigned slots_out(UnitIndex unit, unsigned index) {
  return kClasses[index].slots - word_free(unit_meta(unit).word.load(std::memory_order_relaxed));
}

// Gives the kept empty slabs back. Pages released.
size_t release_kept();

// Pages of live slabs on which every slot is free go back to the system (slab_purge.cc):
// of one slab; of candidates until `pages` are purged or `most_slabs` looked into; of all.
size_t purge_holes_of(UnitIndex unit);
// kMost: only slabs most of whose pages are likely to be holes; a slab that dies soon is not worth a call for
// each of its pages, which with threads interrupts them all.
enum class Yield { kAny, kMost };
size_t purge_candidates(size_t pages, unsigned most_slabs, Yield yield);
// The freeing thread's share: while more pages of holes are estimated to be resident than the page layer's
// budget allows, looks into a few candidates.
void relieve_holes();
extern constinit std::atomic<size_t> g_hole_backlog;  // that estimate: half of the candidates' pages
size_t purge_all_holes();

// True if the slot is marked free in its slab. For reports; racy by nature.
bool is_slot_free(const SlotPlace& place);

// What became of candidate slots in a slab that was excluded by a thread that no longer exists: in a
// forked child, counts the free bits anew and lifts the exclusion. No other thread may run.
void repair_after_fork();

// Checks every slab; no other thread may run. Stops at the first broken invariant.
bool check_invariants();

// For the statistics: a reading of one slab. False if no live slab begins at this unit.
struct SlabReading {
  unsigned index;
  unsigned free_slots;
  uint64_t touched;
};
bool read_slab(UnitIndex unit, SlabReading* reading);

// ORDER: relaxed: numbers for reports.
// Requested against granted bytes, noted at a thread's first refills, then at every 16th.
struct SampledSizes {
  std::atomic<size_t> requested;
  std::atomic<size_t> granted;
};
extern constinit SampledSizes g_sampled[kClassCount];

}  // namespace ashlar::slab
