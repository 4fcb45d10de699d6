// Hole purging: pages of live slabs leave, live content stays, and the slots can be used again.
#include <algorithm>
#include <map>

#include "os/system.h"
#include "slab_support.h"

namespace ashlar::slab {
namespace {

void fill(char* slot, unsigned index) {
  memset(slot, static_cast<int>(reinterpret_cast<uintptr_t>(slot) >> 5 | 1), kClasses[index].size);
}
bool is_filled(const char* slot, unsigned index) {
  const char expected = static_cast<char>(reinterpret_cast<uintptr_t>(slot) >> 5 | 1);
  return std::all_of(slot, slot + kClasses[index].size, [expected](char c) { return c == expected; });
}

// A class with four slots to a kernel page: 1 KiB on pages of 4 KiB, 16 KiB on those of 64. Its slabs are at
// least two kernel pages, so that holes leave by and by, whatever the page size.
unsigned four_a_page() { return class_of_size(os::page_size() / 4); }

// Of the pages of a slab, so many in a hundred are holes when one slot in 20 survives, or more.
unsigned least_holes(unsigned index) {
  if (os::page_size() > kPageSize << kClasses[index].order) return 0;  // it lies on part of a kernel page
  const size_t touching = os::page_size() / kClasses[index].size + 1;
  return touching <= 9 ? 40 : 0;  // 0.95^9 is 63 %
}

class HoleTest : public SlabTest {
 protected:
  // Fills slabs of this class and frees all but one slot in `one_in`; the survivors.
  static std::vector<char*> survivors(unsigned index, size_t slabs, size_t one_in) {
    test::Random random(100 + index);
    std::vector<char*> live;
    for (char* const slot : take_all(index, slabs * kClasses[index].slots)) {
      fill(slot, index);
      live.push_back(slot);
    }
    const auto end = std::partition(live.begin(), live.end(), [&](char*) { return random.one_in(one_in); });
    for (auto slot = end; slot != live.end(); ++slot)
      put(*slot, index);
    live.erase(end, live.end());
    return live;
  }

  static size_t resident_slab_pages() {
    size_t pages = 0;
    for (UnitIndex unit = 0; unit < page::g_window_owner.opened_chunks() * kUnitsPerChunk; ++unit) {
      SlabReading reading{};
      if (!read_slab(unit, &reading)) continue;
      const size_t count = size_t{1} << kClasses[reading.index].order;
      const char* const slab = reinterpret_cast<char*>(page::page_address(first_page_of_unit(unit)));
      const std::vector<bool> resident = test::resident(slab, count);
      for (size_t page = 0; page < count; ++page) {
        pages += resident[page] ? 1 : 0;
        EXPECT_TRUE(!resident[page] || (reading.touched >> page & 1) != 0)
            << "resident, but not noted as touched";
      }
    }
    return pages;
  }
};

TEST_F(HoleTest, PagesLeaveAndContentStays) {
  for (const unsigned index : {8u, 16u, 24u, 32u, 36u, 40u, 48u, 60u, 72u}) {
    SCOPED_TRACE(kClasses[index].size);
    const std::vector<char*> live = survivors(index, 40, 20);
    const size_t before = resident_slab_pages();
    const size_t holes = page::g_pages.counters().hole_pages;
    const size_t purged = purge_all_holes();
    EXPECT_EQ(page::g_pages.counters().hole_pages, holes + purged);
    EXPECT_EQ(resident_slab_pages(), before - purged);
    EXPECT_EQ(pages_to_bytes(purged) % os::page_size(), 0u);
    if (least_holes(index) > 0) {  // design.md: 66 % of the pages of 512 B slots leave
      EXPECT_LT(resident_slab_pages() * 100,
                (size_t{40} << kClasses[index].order) * (100 - least_holes(index)));
    }
    for (const char* const slot : live)
      ASSERT_TRUE(is_filled(slot, index));
    EXPECT_EQ(purge_all_holes(), 0u);  // nothing is left to give
    for (char* const slot : live)
      put(slot, index);
  }
}

TEST_F(HoleTest, SlotsOnPurgedPagesAreUsable) {
  const unsigned index = four_a_page();
  const std::vector<char*> live = survivors(index, 30, 20);
  purge_all_holes();
  ASSERT_GT(page::g_pages.counters().hole_pages, 0u);
  const std::vector<char*> again = take_all(index, 30 * kClasses[index].slots - live.size());
  for (char* const slot : again)
    fill(slot, index);
  for (const char* const slot : live)
    ASSERT_TRUE(is_filled(slot, index));
  for (const char* const slot : again)
    ASSERT_TRUE(is_filled(slot, index));
  EXPECT_TRUE(check_invariants());
}

// Slots that lie on a page that goes and on one that stays.
TEST_F(HoleTest, StraddlingSlotsAreHeldWhole) {
  constexpr unsigned kIndex = class_of_size(1536);
  for (size_t one_in = 2; one_in < 12; ++one_in) {
    const std::vector<char*> live = survivors(kIndex, 10, one_in);
    purge_all_holes();
    for (const char* const slot : live)
      ASSERT_TRUE(is_filled(slot, kIndex));
    const std::vector<char*> more = take_all(kIndex, 100);
    for (char* const slot : more)
      fill(slot, kIndex);
    purge_all_holes();
    for (const char* const slot : live)
      ASSERT_TRUE(is_filled(slot, kIndex));
    for (const char* const slot : more)
      ASSERT_TRUE(is_filled(slot, kIndex));
    for (char* const slot : live)
      put(slot, kIndex);
    for (char* const slot : more)
      put(slot, kIndex);
  }
}

TEST_F(HoleTest, FreesMakeCandidates) {
  const unsigned index = four_a_page();
  const std::vector<char*> live = survivors(index, 50, 20);
  purge_candidates(SIZE_MAX, 1000, Yield::kAny);
  EXPECT_GT(page::g_pages.counters().hole_pages, 50u);  // by this call, or by the frees themselves
  EXPECT_EQ(find_available(kHoleIndex, 0), kNoUnit);
  for (const char* const slot : live)
    ASSERT_TRUE(is_filled(slot, index));
}

// A program that frees most of 96 MiB and then idles: pages leave with the frees, nobody asks for them.
TEST_F(HoleTest, FreesAloneReturnMuch) {
  const unsigned index = four_a_page();
  // Eight slots a slab, as on large kernel pages: with few survivors it dies, and leaves no holes.
  const bool few_slots = kClasses[index].slots == 8;
  const size_t slabs = (few_slots ? 192 : 96) * kMiB / (kPageSize << kClasses[index].order);
  const std::vector<char*> live = survivors(index, slabs, few_slots ? 8 : 20);
  EXPECT_GT(pages_to_bytes(page::g_pages.counters().hole_pages), 8 * kMiB);
  for (const char* const slot : live)
    ASSERT_TRUE(is_filled(slot, index));
}

// Nor while the slabs may die soon: a third of the slots is free, few pages are.
TEST_F(HoleTest, FreesLeaveSlabsThatAreNotMostlyHoles) {
  constexpr unsigned kIndex = class_of_size(1024);
  constexpr size_t kSlabs = 96 * kMiB / (32 * kKiB);
  test::Random random(7);
  std::vector<char*> live = take_all(kIndex, kSlabs * kClasses[kIndex].slots);
  for (char* const slot : live) {
    if (random.below(100) < 78) put(slot, kIndex);
  }
  EXPECT_LT(pages_to_bytes(page::g_pages.counters().hole_pages), 5 * kMiB);
}

TEST_F(HoleTest, ASlabBornUnderPressurePurgesOthers) {
  const unsigned index = four_a_page();
  const std::vector<char*> live = survivors(index, 200, 20);
  page::g_pages.purge_all();  // no dirty page is left for the new slabs
  while (page::g_pages.buddy().free_pages() > 0) {
    uint64_t dirty = 0;
    page::g_pages.allocate(1, 0, &dirty);
  }
  static_cast<void>(take_all(60, 200));
  EXPECT_GT(page::g_pages.counters().hole_pages, 0u);
  for (const char* const slot : live)
    ASSERT_TRUE(is_filled(slot, index));
}

TEST_F(HoleTest, TheOptionSwitchesItOff) {
  g_options.hole_purge = 0;
  const std::vector<char*> live = survivors(40, 200, 20);
  const size_t holes = page::g_pages.counters().hole_pages;
  static_cast<void>(take_all(60, 200));
  EXPECT_EQ(page::g_pages.counters().hole_pages, holes);
  EXPECT_FALSE(live.empty());
}

}  // namespace
}  // namespace ashlar::slab
