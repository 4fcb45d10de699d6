// The index of available slabs: rows of bits with summaries, against sets; and racing setters and clearers.
#include "slab/class_index.h"

#include <atomic>
#include <set>
#include <thread>

#include "slab_support.h"

namespace ashlar::slab {
namespace {

// Opens the window far enough that groups (64 chunks) and supers (4096 chunks) end within it.
void open_chunks(ChunkIndex chunks) {
  ASSERT_TRUE(page::g_window_owner.reserve(size_t{chunks} * kChunkSize, 0, page::Source::kMmap));
  PageIndex start = 0;
  const PageCount pages = chunks * kPagesPerChunk;
  ASSERT_EQ(page::g_window_owner.open(pages, pages, &start), pages);
}

TEST(ClassIndex, RandomAgainstSets) {
  const uint64_t seed = test::seed_or(111);
  SCOPED_TRACE(test::name_seed(seed));
  constexpr ChunkIndex kChunks = 4200;
  ASSERT_NO_FATAL_FAILURE(open_chunks(kChunks));
  test::Random random(seed);
  const unsigned rows[] = {1, 2, 80, kHoleIndex};
  std::set<UnitIndex> model[std::size(rows)];
  const ChunkIndex places[] = {0, 1, 63, 64, 127, 128, 4095, 4096, 4160, kChunks - 1};
  for (size_t step = 0; step < test::scaled(500'000); ++step) {
    const size_t which = random.below(std::size(rows));
    const UnitIndex unit = static_cast<UnitIndex>(places[random.below(std::size(places))] * kUnitsPerChunk +
                                                  random.below(kUnitsPerChunk));
    switch (random.below(5)) {
      case 0:
        set_available(rows[which], unit);
        model[which].insert(unit);
        break;
      case 1:
      case 2:
        clear_available(rows[which], unit);
        model[which].erase(unit);
        break;
      case 3:
        ASSERT_EQ(is_available(rows[which], unit), model[which].count(unit) == 1);
        break;
      default: {
        const auto expected = model[which].lower_bound(unit);
        ASSERT_EQ(find_available(rows[which], unit), expected == model[which].end() ? kNoUnit : *expected)
            << "step " << step;
      }
    }
  }
  EXPECT_EQ(find_available(1, kChunks * kUnitsPerChunk), kNoUnit);
}

// Two threads toggle a unit each, alone in their chunk, so that its word and all its summaries empty and fill
// all the time. After a few toggles both stand still, and every bit that is set must be found: who lost a
// summary in the race would hide it.
TEST(ClassIndex, ThreadsLoseNoSummary) {
  constexpr unsigned kRow = 5;
  ASSERT_NO_FATAL_FAILURE(open_chunks(8));
  const uint64_t seed = test::seed_or(112);
  SCOPED_TRACE(test::name_seed(seed));
  bool is_set[2] = {};
  size_t lost = 0;
  std::atomic<size_t> arrivals{0};
  const auto meet = [&arrivals](size_t meeting) {  // spinning: who sleeps wakes too late to race
    ++arrivals;
    for (size_t spins = 0; arrivals.load() < 2 * meeting; ++spins) {
      if (spins > 2000) std::this_thread::yield();
    }
  };
  const auto work = [&](UnitIndex self) {
    test::Random random(seed + self);
    for (size_t round = 0; round < test::scaled(40'000); ++round) {
      for (size_t toggles = random.between(1, 8); toggles > 0; --toggles) {
        is_set[self] = !is_set[self];
        if (is_set[self]) {
          set_available(kRow, self);
        } else {
          clear_available(kRow, self);
        }
      }
      meet(2 * round + 1);
      if (self == 0) {
        const UnitIndex expected = is_set[0] ? 0 : is_set[1] ? 1 : kNoUnit;
        lost += find_available(kRow, 0) == expected ? 0 : 1;
      }
      meet(2 * round + 2);
    }
  };
  std::thread other(work, 1);
  work(0);
  other.join();
  EXPECT_EQ(lost, 0u);
}

}  // namespace
}  // namespace ashlar::slab
