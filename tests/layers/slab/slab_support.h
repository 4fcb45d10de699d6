// The slab layer as its tests start it, and slots in vectors rather than chains.
#pragma once

#include <vector>

#include "base/options.h"
#include "slab/slab_cache.h"
#include "support/support.h"

namespace ashlar::slab {

inline void start_pages() {
  if (page::g_window_owner.reserved() == 0) {
    ASSERT_TRUE(page::g_pages.initialise({.window_bytes = 1024 * kMiB}));
  }
}

// The slots of one take_slots, in the chain's order.
inline std::vector<char*> take(unsigned index, unsigned want) {
  const Chain chain = take_slots(index, want);
  std::vector<char*> slots;
  for (void* slot = chain.head; slot != nullptr; slot = *static_cast<void**>(slot)) {
    slots.push_back(static_cast<char*>(slot));
  }
  EXPECT_EQ(slots.size(), chain.length);
  EXPECT_GE(slots.size(), 1u);
  EXPECT_LE(slots.size(), want);
  return slots;
}

// Exactly `count` slots, by as many calls as it takes.
inline std::vector<char*> take_all(unsigned index, size_t count) {
  std::vector<char*> slots;
  while (slots.size() < count) {
    const std::vector<char*> more = take(index, static_cast<unsigned>(count - slots.size()));
    slots.insert(slots.end(), more.begin(), more.end());
  }
  return slots;
}

inline void put(const void* slot, unsigned index) { put_slot(place_of(slot, index), index); }

inline char* slab_start(const void* slot, unsigned index) {
  return reinterpret_cast<char*>(page::page_address(first_page_of_unit(place_of(slot, index).unit)));
}

class SlabTest : public ::testing::Test {
 protected:
  void SetUp() override { start_pages(); }
  void TearDown() override { EXPECT_TRUE(check_invariants() && page::g_pages.check_invariants()); }
  static size_t live_pages() { return page::g_pages.counters().live_pages; }
};

}  // namespace ashlar::slab
