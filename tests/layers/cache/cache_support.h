// The thread caches as their tests use them: what the heap's fast and slow paths do, without the heap.
#pragma once

#include <vector>

#include "base/options.h"
#include "cache/bin_access.h"
#include "cache/registry.h"
#include "support/support.h"

namespace ashlar::cache {

inline void start_caches() {
  static const bool started = [] {
    initialise_registry();
    return page::g_pages.initialise({.window_bytes = 1024 * kMiB});
  }();
  ASSERT_TRUE(started);
}

inline void* take(unsigned index) {
  void* const slot = pop(slab::class_code(index));
  if (slot != nullptr) return slot;
  SlowPath section;
  return refill(index, slab::kClasses[index].size);
}

inline void give(void* p, unsigned index) {
  const BinAccess bin(slab::class_code(index));
  void* const head = bin.head();
  if (bin.take_room()) {
    bin.undo_take();
    SlowPath section;
    return overflow(p, index);
  }
  *static_cast<void**>(p) = head;
  bin.set_head(p);
}

inline std::vector<void*> take_many(unsigned index, size_t count) {
  std::vector<void*> slots(count);
  for (void*& slot : slots)
    slot = take(index);
  return slots;
}

inline void flush() {
  SlowPath section;
  flush_all();
}

// Slots of all slabs that are not free in them: with the program, in bins, or pending.
inline size_t slots_out() {
  size_t out = 0;
  for (UnitIndex unit = 0; unit < page::g_window_owner.opened_chunks() * kUnitsPerChunk; ++unit) {
    slab::SlabReading reading{};
    if (slab::read_slab(unit, &reading)) out += slab::kClasses[reading.index].slots - reading.free_slots;
  }
  return out;
}

inline size_t listed_caches() {
  size_t caches = 0;
  visit_caches([](const ThreadCache&, void* context) { ++*static_cast<size_t*>(context); }, &caches);
  return caches;
}

class CacheTest : public ::testing::Test {
 protected:
  void SetUp() override { start_caches(); }
  void TearDown() override {
    EXPECT_TRUE(check_invariants(t_cache));
    EXPECT_TRUE(slab::check_invariants());
  }
};

}  // namespace ashlar::cache
