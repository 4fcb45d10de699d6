// Slots out of slabs and back, against a set; carving, selection, and what becomes of empty slabs.
#include "slab/slab_cache.h"

#include <set>

#include "slab_model.h"

namespace ashlar::slab {
namespace {

TEST(Noting, OfOneMoreIsNotingInGeneral) {
  for (unsigned index = 1; index < kClassCount; ++index) {
    const ClassInfo& info = kClasses[index];
    for (unsigned has = 1; has <= info.slots; ++has) {
      ASSERT_EQ(is_noted(info, has), is_noted(info, has - 1, has)) << info.size << " B, " << has << " free";
    }
  }
}

// Slots put back one by one: the quick way does exactly what the other does, or nothing at all.
TEST_F(SlabTest, TheQuickWayBackTakesAllButWhatIsNoted) {
  for (const unsigned index : {1u, 4u, 33u, 60u, kClassCount - 1}) {
    const ClassInfo& info = kClasses[index];
    const std::vector<char*> slots = take_all(index, size_t{3} * info.slots);
    size_t quick = 0;
    size_t noted = 0;
    for (const char* const slot : slots) {
      const SlotPlace place = place_of(slot, index);
      const unsigned had = info.slots - slots_out(place.unit, index);
      if (try_put_slot(place, index)) {
        ++quick;
        ASSERT_FALSE(is_noted(info, had, had + 1));
        ASSERT_TRUE(is_slot_free(place));
        ASSERT_EQ(info.slots - slots_out(place.unit, index), had + 1);
        ASSERT_FALSE(try_put_slot(place, index)) << "freed twice";
      } else {
        ++noted;
        ASSERT_TRUE(is_noted(info, had, had + 1));
        ASSERT_FALSE(is_slot_free(place));
        put_slot(place, index);
      }
    }
    EXPECT_GT(noted, 0u);
    // A slab of few slots has something to note at nearly each of them.
    if (info.slots >= 64) {
      EXPECT_GT(quick, info.slots) << info.size;
    }
  }
}

TEST_F(SlabTest, RandomAgainstASet) {
  const uint64_t seed = test::seed_or(81);
  SCOPED_TRACE(test::name_seed(seed));
  test::Random random(seed);
  SlabModel model;
  const unsigned classes[] = {1, 2, 3, 7, 20, 32, 33, 40, 47, 60, 71, 80, kClassCount - 1};
  const size_t steps = test::scaled(300'000);
  for (size_t step = 0; step < steps; ++step) {
    const bool fill = (step / 5000) % 2 == 0;
    if (model.size() == 0 || (fill && random.one_in(20) && model.size() < 30'000)) {
      model.take(classes[random.below(std::size(classes))], static_cast<unsigned>(random.between(1, 200)));
    } else {
      model.put_random(random);
    }
    if (step % 5000 == 0) model.compare();
    if (step % 20'000 == 0) purge_all_holes();
    if (HasFatalFailure()) FAIL() << "at step " << step;
  }
  while (model.size() > 0 && !HasFatalFailure())
    model.put_random(random);
  release_kept();
  EXPECT_EQ(live_pages(), 0u);
}

TEST_F(SlabTest, EveryClassFillsItsSlabs) {
  for (unsigned index = 1; index < kClassCount; ++index) {
    const ClassInfo& info = kClasses[index];
    std::set<char*> starts;
    const std::vector<char*> slots = take_all(index, info.slots);
    for (char* const slot : slots)
      starts.insert(slab_start(slot, index));
    EXPECT_EQ(starts.size(), 1u) << info.size;  // one slab was enough
    EXPECT_EQ((*starts.begin() - reinterpret_cast<char*>(page::g_window.base)) % (kPageSize << info.order),
              0);
    for (char* const slot : slots)
      put(slot, index);
  }
}

TEST_F(SlabTest, AFreshSlabIsTouchedAPageAtATime) {
  for (const unsigned index : {1u, 4u, 16u, 40u, 80u}) {
    const ClassInfo& info = kClasses[index];
    const size_t pages = size_t{1} << info.order;
    const std::vector<char*> first = take(index, 1);
    const char* const slab = slab_start(first[0], index);
    const size_t per_slot = (info.size + kPageSize - 1) / kPageSize;
    EXPECT_LE(test::count_resident(slab, pages), per_slot) << info.size;
    // A refill stops where it would touch the next page.
    const std::vector<char*> more = take(index, 10'000);
    EXPECT_LE(test::count_resident(slab, pages), 2 * per_slot) << info.size;
    if (info.size < kPageSize) {
      EXPECT_LE(more.back() + info.size, slab + 2 * kPageSize);
    }
    SlabReading reading{};
    ASSERT_TRUE(read_slab(place_of(first[0], index).unit, &reading));
    const std::vector<bool> resident = test::resident(slab, pages);
    for (size_t page = 0; page < pages; ++page) {
      if (resident[page]) {
        EXPECT_TRUE((reading.touched >> page & 1) != 0) << "page " << page;
      }
    }
  }
}

TEST_F(SlabTest, RefillsTakeTheLowestSlab) {
  constexpr unsigned kIndex = 4;  // 64 B, 256 slots a slab
  std::map<char*, std::vector<char*>> slabs;
  for (char* const slot : take_all(kIndex, 20 * kClasses[kIndex].slots))
    slabs[slab_start(slot, kIndex)].push_back(slot);
  ASSERT_EQ(slabs.size(), 20u);
  std::vector<char*> starts;
  for (const auto& [start, slots] : slabs)
    starts.push_back(start);
  for (const size_t which : {15u, 3u, 9u}) {
    for (unsigned i = 0; i < 100; ++i)
      put(slabs[starts[which]][i], kIndex);
  }
  EXPECT_EQ(slab_start(take_all(kIndex, 100)[99], kIndex), starts[3]);
  EXPECT_EQ(slab_start(take(kIndex, 1)[0], kIndex), starts[9]);
  // Fewer than are worth it: the slab is passed over while another has more.
  put(slabs[starts[0]][0], kIndex);
  EXPECT_EQ(slab_start(take(kIndex, 1)[0], kIndex), starts[9]);
}

TEST_F(SlabTest, EmptySlabsGoBack) {
  std::vector<std::pair<char*, unsigned>> slots;
  for (const unsigned index : {1u, 5u, 32u, 40u, 50u, 80u}) {
    for (char* const slot : take_all(index, 2000))
      slots.emplace_back(slot, index);
  }
  EXPECT_GT(live_pages(), 6 * 2000 * 16 / kPageSize);
  test::Random random(91);
  for (size_t i = slots.size(); i > 1; --i)
    std::swap(slots[i - 1], slots[random.below(i)]);
  for (const auto& [slot, index] : slots)
    put(slot, index);
  EXPECT_LE(live_pages(), 64u);
  const size_t kept = live_pages();
  EXPECT_EQ(release_kept(), kept);
  EXPECT_EQ(live_pages(), 0u);
  for (PageIndex page = 0; page < page::g_window_owner.opened(); ++page)
    ASSERT_EQ(page::g_window.map[page], 0);
}

TEST_F(SlabTest, KeptSlabsAreBounded) {
  for (int round = 0; round < 3; ++round) {
    for (unsigned index = 1; index < kClassCount; ++index)
      put(take(index, 1)[0], index);
    EXPECT_LE(live_pages(), 64u);
  }
  // A kept slab is used again before a new one is made.
  const char* const first = take(3, 1)[0];
  put(first, 3);
  EXPECT_EQ(take(3, 1)[0], first);
  put(first, 3);
  release_kept();
  EXPECT_EQ(live_pages(), 0u);
}

TEST_F(SlabTest, ManySlotsOfAWordAtOnce) {
  const std::vector<char*> slots = take_all(1, kClasses[1].slots);
  const SlotPlace place = place_of(slots[0], 1);
  put_slots(place.unit, 1, 3, ~uint64_t{0});
  SlabReading reading{};
  ASSERT_TRUE(read_slab(place.unit, &reading));
  EXPECT_EQ(reading.free_slots, 64u);
  for (unsigned slot = 0; slot < kClasses[1].slots; ++slot)
    EXPECT_EQ(is_slot_free({place.unit, slot}), slot / 64 == 3);
}

TEST_F(SlabTest, ExhaustionIsAnEmptyChain) {
  while (page::g_pages.allocate_large(1000, 0) != kNoPage) {
  }
  while (page::g_pages.allocate_large(1, 0) != kNoPage) {
  }
  const Chain chain = take_slots(10, 5);
  EXPECT_EQ(chain.head, nullptr);
  EXPECT_EQ(chain.length, 0u);
}

using SlabDeathTest = SlabTest;

TEST_F(SlabDeathTest, ADoubleFreeStops) {
  const std::vector<char*> slots = take_all(4, 10);
  put(slots[5], 4);
  EXPECT_EXIT(put(slots[5], 4), ::testing::KilledBySignal(SIGABRT),
              "^ashlar: double free of 0x[0-9a-f]+: slot 5 of [0-9]+ in the slab of 64 B blocks at "
              "0x[0-9a-f]+ is free");
}

TEST_F(SlabDeathTest, AFreeIntoADeadSlabStops) {
  const std::vector<char*> slots = take_all(4, 1);
  put(slots[0], 4);
  release_kept();
  EXPECT_EXIT(put(slots[0], 4), ::testing::KilledBySignal(SIGABRT), "^ashlar: double free of 0x");
}

TEST_F(SlabDeathTest, AnInteriorPointerStops) {
  const std::vector<char*> slots = take_all(4, 10);
  EXPECT_EXIT(put(slots[5] + 16, 4), ::testing::KilledBySignal(SIGABRT),
              "^ashlar: .*0x[0-9a-f]+.* is no block's start: it lies 16 bytes into slot 5 of the slab");
  const std::vector<char*> odd = take_all(36, 1);  // 768 B: the slab has a tail behind its last slot
  char* const tail = slab_start(odd[0], 36) + size_t{kClasses[36].slots} * kClasses[36].size;
  EXPECT_EXIT(put(tail, 36), ::testing::KilledBySignal(SIGABRT), "no block's start");
}

}  // namespace
}  // namespace ashlar::slab
