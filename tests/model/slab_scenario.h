// Slabs as the scenarios of the model start from them, and slots in the hands of explored threads.
#pragma once

#include "model_support.h"
#include "slab/slab_cache.h"

namespace ashlar::slab {

// A class of eight slots of one page each: the smallest slab that has all its states.
inline constexpr unsigned kSmall = class_of_size(4096);
static_assert(kClasses[kSmall].slots == 8 && kClasses[kSmall].order == 3 && kClasses[kSmall].hole_slots == 2);
// Another whose slabs are as large, so that one may be born where one of the first died.
inline constexpr unsigned kOther = class_of_size(2048);
static_assert(kClasses[kOther].order == kClasses[kSmall].order && kOther != kSmall);

// PRECONDITION: no exploration has begun. Opens the window and names what the steps are about.
inline void start_slabs() {
  if (page::g_window_owner.reserved() != 0) return;
  ASSERT_TRUE(page::g_pages.initialise({.window_bytes = 16 * kMiB}));
  uint64_t dirty = 0;
  const PageIndex page = page::g_pages.allocate(64, 6, &dirty);  // so that it is open
  page::g_pages.release(page, 64, 0);
  const char* const rows[] = {"small", "other", "holes"};
  const unsigned numbers[] = {kSmall, kOther, kHoleIndex};
  for (unsigned i = 0; i < 3; ++i) {
    std::string row = rows[i];
    const auto at = [&](auto& slabs) {
      return numbers[i] == kHoleIndex ? &slabs.hole_candidates : &slabs.available[numbers[i]];
    };
    model::name_place(at(slabs_of_chunk(0)), row + ".units");
    model::name_place(at(slabs_of_group(0)), row + ".chunks");
    model::name_place(at(slabs_of_super(0)), row + ".groups");
  }
  for (UnitIndex unit = 0; unit < kUnitsPerChunk; ++unit)
    model::name_place(&unit_meta(unit).word, "word " + std::to_string(unit));
  model::name_place(&page::g_window.pages, "window.pages");
  model::name_place(&page::g_pages.lock(), "page lock");
}

inline uint64_t* words_of(void* slot) { return static_cast<uint64_t*>(slot); }
inline constexpr unsigned kLastWord = 4096 / 8 - 1;

// Within an explored thread: a slot of the class that is nobody else's, written to.
inline void* get(unsigned index) {
  const Chain chain = take_slots(index, 1);
  model::require(chain.length == 1, "no slot although there is memory");
  model::claim(chain.head);
  words_of(chain.head)[0] = words_of(chain.head)[kClasses[index].size / 8 - 1] = model::current_thread() + 1;
  return chain.head;
}
// As get, when not explored.
inline void* get_before(unsigned index) { return take_slots(index, 1).head; }

inline void put(void* slot, unsigned index) { put_slot(place_of(slot, index), index); }

// And back. PRECONDITION: this thread wrote to it last, or knows that who did has handed it over.
inline void give(void* slot, unsigned index) {
  model::give_up(slot);
  words_of(slot)[0] = words_of(slot)[kClasses[index].size / 8 - 1] = 0;
  put(slot, index);
}
// For a slot that was taken before the exploration.
inline void give_first(void* slot, unsigned index) {
  words_of(slot)[0] = words_of(slot)[kClasses[index].size / 8 - 1] = 0;
  put(slot, index);
}

// In the final state: words and bits agree, summaries show what is there, pages add up.
inline void check_all() {
  check_invariants();
  // The page layer's own structures are the page lock's; its sum is enough here.
  const page::Buddy& buddy = page::g_pages.buddy();
  const page::PageCounters counters = page::g_pages.counters();
  model::require(
      buddy.free_pages() + counters.live_pages + counters.in_flight_pages == page::g_window_owner.opened(),
      "pages are lost");
  for (const unsigned row : {kSmall, kOther, kHoleIndex}) {
    const bool units =
        (row == kHoleIndex ? slabs_of_chunk(0).hole_candidates : slabs_of_chunk(0).available[row]) != 0;
    if (units) model::require(find_available(row, 0) != kNoUnit, "a summary hides a slab");
  }
}
// When every slot has been put back: nothing is lost, every slab dies.
inline void check_empty() {
  check_all();
  release_kept();
  model::require(page::g_pages.counters().live_pages == 0, "a slab lives on without a slot in use");
  model::require(g_hole_backlog.load() == 0, "the estimate of holes is wrong");
}

// What an operation is about: a slab word, the first word of a slab's free bits.
inline bool is_at(const model::Atomic& operation, size_t offset) {
  const uintptr_t from_first = operation.place - reinterpret_cast<uintptr_t>(&unit_meta(0));
  return from_first < kUnitsPerChunk * sizeof(UnitMeta) && from_first % sizeof(UnitMeta) == offset;
}
inline bool is_word(const model::Atomic& operation) { return is_at(operation, offsetof(UnitMeta, word)); }
inline bool is_free_bits(const model::Atomic& operation) {
  return is_at(operation, offsetof(UnitMeta, free_bits));
}

}  // namespace ashlar::slab
