// One thread's bins: their invariants under random use, growth, draining, limits, and what goes back.
#include <algorithm>
#include <map>
#include <set>

#include "cache_support.h"

namespace ashlar::cache {
namespace {

using slab::kClassCount;
using slab::kClasses;

size_t capacity_of(unsigned index) { return t_cache.bins[index].capacity; }

void expect_limits() {
  size_t bytes = 0;
  size_t largest = 0;
  for (unsigned index = 1; index < kClassCount; ++index) {
    const size_t held = capacity_of(index) * kClasses[index].size;
    ASSERT_LE(held, std::max<size_t>(g_options.bin_bytes, kClasses[index].size)) << kClasses[index].size;
    bytes += held;
    largest = std::max<size_t>(largest, kClasses[index].size);
  }
  ASSERT_EQ(bytes, t_cache.capacity_bytes);
  ASSERT_LE(bytes, g_options.cache_bytes + largest);
  // The index is not known to the compiler: gcc 12's null sanitizer takes the address of a thread-local
  // variable that begins there for null.
  const volatile unsigned first = 0;
  const Bin& none = t_cache.bins[first];
  ASSERT_EQ(none.head, nullptr);
  ASSERT_EQ(none.capacity, 0);
}

TEST_F(CacheTest, RandomUseKeepsTheInvariants) {
  const uint64_t seed = test::seed_or(131);
  SCOPED_TRACE(test::name_seed(seed));
  test::Random random(seed);
  std::map<uintptr_t, unsigned> live;
  const unsigned classes[] = {1, 2, 4, 9, 32, 33, 42, 56, kClassCount - 1};
  for (size_t step = 0; step < test::scaled(1'000'000); ++step) {
    const bool fill = step / 30'000 % 2 == 0;
    if (live.empty() || (random.below(10) < (fill ? 7u : 3u) && live.size() < 20'000)) {
      const unsigned index = classes[random.below(std::size(classes))];
      const uintptr_t slot = reinterpret_cast<uintptr_t>(take(index));
      ASSERT_NE(slot, 0u);
      const auto [place, is_new] = live.emplace(slot, index);
      ASSERT_TRUE(is_new) << "handed out twice";
      ASSERT_TRUE(place == live.begin() ||
                  std::prev(place)->first + kClasses[std::prev(place)->second].size <= slot);
      ASSERT_TRUE(std::next(place) == live.end() || slot + kClasses[index].size <= std::next(place)->first);
      *reinterpret_cast<uintptr_t*>(slot + 8) = slot;
    } else {
      auto place =
          live.lower_bound(page::g_window.base + random.below(pages_to_bytes(page::g_window_owner.opened())));
      if (place == live.end()) place = live.begin();
      ASSERT_EQ(*reinterpret_cast<uintptr_t*>(place->first + 8), place->first);
      give(reinterpret_cast<void*>(place->first), place->second);
      live.erase(place);
    }
    if (step % 10'000 == 0) {
      ASSERT_TRUE(check_invariants(t_cache));
      ASSERT_TRUE(slab::check_invariants());
      ASSERT_NO_FATAL_FAILURE(expect_limits());
      ASSERT_GE(slots_out(), live.size());
    }
  }
  for (const auto& [slot, index] : live)
    give(reinterpret_cast<void*>(slot), index);
  flush();
  EXPECT_EQ(slots_out(), 0u);
}

TEST_F(CacheTest, TheLastFreedComesFirst) {
  void* const a = take(4);
  void* const b = take(4);
  give(a, 4);
  give(b, 4);
  EXPECT_EQ(take(4), b);
  EXPECT_EQ(take(4), a);
}

TEST_F(CacheTest, ABinStartsSmallAndGrowsWhenItOverflowsAfterARefill) {
  constexpr unsigned kIndex = 4;
  give(take(kIndex), kIndex);
  const size_t first = capacity_of(kIndex);
  EXPECT_GT(first, 0u);
  EXPECT_LE(first * kClasses[kIndex].size, 4 * kKiB);
  for (size_t batch = first; capacity_of(kIndex) < 8 * first; batch *= 2) {
    ASSERT_LT(batch, 100'000u) << "it does not grow";
    for (int round = 0; round < 4; ++round) {
      for (void* const slot : take_many(kIndex, batch))
        give(slot, kIndex);
    }
  }
  EXPECT_TRUE(check_invariants(t_cache));
}

TEST_F(CacheTest, ABulkFreeDrainsTheBin) {
  constexpr unsigned kIndex = 4;
  std::vector<void*> slots = take_many(kIndex, 100'000);
  for (void* const slot : slots)
    give(slot, kIndex);
  const Bin& bin = t_cache.bins[kIndex];
  EXPECT_EQ(bin.overflows, kDrained);
  EXPECT_EQ(bin.head, nullptr);
  EXPECT_EQ(bin.room, 0);
  EXPECT_EQ(bin_length(bin), 0u);
  EXPECT_LE(slots_out(), 1024u);    // at most what is pending
  void* const slot = take(kIndex);  // and the next refill makes it a bin again
  EXPECT_NE(bin.overflows, kDrained);
  give(slot, kIndex);
  EXPECT_EQ(take(kIndex), slot);
}

TEST_F(CacheTest, LimitsHoldForEachClassAndForAll) {
  g_options.bin_bytes = 8 * kKiB;
  g_options.cache_bytes = 64 * kKiB;
  for (int round = 0; round < 5; ++round) {
    for (unsigned index = 1; index < kClassCount; ++index) {
      for (const size_t batch : {10u, 100u, 1000u}) {
        for (void* const slot : take_many(index, batch))
          give(slot, index);
      }
      ASSERT_NO_FATAL_FAILURE(expect_limits());
    }
  }
}

// One class has taken all of the cache and then needs little of it: another that is busy gets its share.
TEST_F(CacheTest, RoomThatIsNotNeededGoesToOtherClasses) {
  g_options.bin_bytes = 64 * kKiB;
  g_options.cache_bytes = 64 * kKiB;
  constexpr unsigned kFirst = 40;
  constexpr unsigned kSecond = 33;
  const auto work = [](unsigned index, int rounds) {
    for (int round = 0; round < rounds; ++round) {
      for (void* const slot : take_many(index, 60))
        give(slot, index);
    }
  };
  const auto bytes_of = [](unsigned index) { return capacity_of(index) * slab::kClasses[index].size; };
  work(kFirst, 20);
  ASSERT_GE(bytes_of(kFirst), 48 * kKiB);
  std::vector<void*> in_use = take_many(kFirst, 60);  // its bin is all room now
  work(kSecond, 20);
  EXPECT_GE(bytes_of(kSecond), 24 * kKiB);
  EXPECT_GE(capacity_of(kFirst), 1u);
  ASSERT_NO_FATAL_FAILURE(expect_limits());
  for (void* const slot : in_use)
    give(slot, kFirst);
  ASSERT_NO_FATAL_FAILURE(expect_limits());
}

TEST_F(CacheTest, NothingIsCachedWhereTheOptionsSayZero) {
  g_options.bin_bytes = 0;
  g_options.cache_bytes = 0;
  for (const unsigned index : {1u, 40u, 80u}) {
    for (void* const slot : take_many(index, 500))
      give(slot, index);
    EXPECT_EQ(capacity_of(index), 0u);
  }
  flush();
  EXPECT_EQ(slots_out(), 0u);
}

TEST_F(CacheTest, FlushingReturnsEverySlot) {
  for (unsigned index = 1; index < kClassCount; ++index) {
    for (void* const slot : take_many(index, 50))
      give(slot, index);
  }
  EXPECT_GT(slots_out(), 0u);
  flush();
  EXPECT_EQ(slots_out(), 0u);
  EXPECT_EQ(t_cache.capacity_bytes, 0u);
  slab::release_kept();
  EXPECT_EQ(page::g_pages.counters().live_pages, 0u);
}

TEST_F(CacheTest, AnEmptySlabWaitsInNoPendingSlot) {
  constexpr unsigned kIndex = 4;
  std::vector<void*> slots = take_many(kIndex, 50'000);
  std::sort(slots.begin(), slots.end());
  for (void* const slot : slots)
    give(slot, kIndex);
  const size_t out = slots_out();
  EXPECT_LE(out, 64u);
  EXPECT_LE(page::g_pages.counters().live_pages, 64u + 64u);
}

TEST_F(CacheTest, RefillsAreSampled) {
  const size_t before = slab::g_sampled[10].granted.load();
  {
    SlowPath section;
    give(refill(10, 150), 10);
  }
  EXPECT_EQ(slab::g_sampled[10].granted.load() - before, kClasses[10].size);
  EXPECT_GE(slab::g_sampled[10].requested.load(), 150u);
}

using CacheDeathTest = CacheTest;

// Frees in random order leave nothing waiting, which would pin slabs when the thread stops; frees in order
// wait from the second of a word on.
TEST_F(CacheTest, OnlyFreesInOrderWait) {
  constexpr unsigned kIndex = 4;
  std::vector<void*> slots;
  for (size_t i = 0; i < 60'000; ++i)
    slots.push_back(take(kIndex));
  std::sort(slots.begin(), slots.end());
  constexpr size_t kStride = 601;  // no two in a row share 64 slots; coprime to the number of slots
  size_t at = 0;
  for (size_t i = 0; i < 30'000; ++i, at = (at + kStride) % slots.size()) {
    give(slots[at], kIndex);
    slots[at] = nullptr;
    ASSERT_EQ(t_cache.pending[kIndex].mask, 0u) << "after " << i;
  }
  EXPECT_EQ(t_cache.bins[kIndex].overflows, kDrained);
  size_t waited = 0;
  for (void* const slot : slots) {
    if (slot == nullptr) continue;
    give(slot, kIndex);
    if (t_cache.pending[kIndex].mask != 0) ++waited;
  }
  EXPECT_GT(waited, 20'000u);
  EXPECT_EQ(t_cache.pending[kIndex].mask, 0u);  // the slab's last slot went back at once
}

// A double free among frees that overflow: found when the slot is added to those pending, or put back.
TEST_F(CacheDeathTest, ADoubleFreeAmongOverflowsStops) {
  EXPECT_EXIT(
      {
        start_caches();
        std::vector<void*> slots = take_many(4, 20'000);
        for (void* const slot : slots)
          give(slot, 4);
        give(slots[19'990], 4);
        give(slots[100], 4);
        flush();
      },
      ::testing::KilledBySignal(SIGABRT), "^ashlar: double free of 0x");
}

TEST_F(CacheDeathTest, ADoubleFreeOfWhatIsPendingStops) {
  for (const size_t back : {0u, 1u, 2u, 40u}) {
    EXPECT_EXIT(
        {
          start_caches();
          std::vector<void*> slots = take_many(4, 20'100);
          for (size_t i = 0; i < 20'000; ++i)
            give(slots[i], 4);
          give(slots[19'999 - back], 4);
          flush();
        },
        ::testing::KilledBySignal(SIGABRT), "^ashlar: double free of 0x");
  }
}

TEST_F(CacheDeathTest, AnInteriorPointerAmongOverflowsStops) {
  EXPECT_EXIT(
      {
        start_caches();
        std::vector<void*> slots = take_many(4, 20'000);
        for (void* const slot : slots)
          give(slot, 4);
        give(static_cast<char*>(slots[19'999]) + 16, 4);
        flush();
      },
      ::testing::KilledBySignal(SIGABRT), "^ashlar: .*0x[0-9a-f]+.* is no block's start");
}

}  // namespace
}  // namespace ashlar::cache
