// The index of available slabs: rows of bits with summaries, against sets; and racing setters and clearers.
#include "slab/class_index.h"

#include <set>
#include <thread>

#include "slab_support.h"

namespace ashlar::slab {
namespace {

// Opens the window far enough that groups (64 chunks) and supers (4096 chunks) end within it.
void open_chunks(ChunkIndex chunks) {
  ASSERT_TRUE(page::g_window_owner.reserve(size_t{chunks} * kChunkSize, page::Source::kMmap));
  PageIndex start = 0;
  const PageCount pages = chunks * kPagesPerChunk;
  ASSERT_EQ(page::g_window_owner.open(pages, pages, &start), pages);
}

TEST(ClassIndex, RandomAgainstSets) {
  const uint64_t seed = test::seed_or(111);
  SCOPED_TRACE(test::name_seed(seed));
  constexpr ChunkIndex kChunks = 4200;
  open_chunks(kChunks);
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

// Each thread has units of its own, beside the others' in the same words. When all are done, every bit
// that was set last must be found: no summary may have been lost in a race.
TEST(ClassIndex, ThreadsLoseNoSummary) {
  constexpr ChunkIndex kChunks = 130;
  open_chunks(kChunks);
  const uint64_t seed = test::seed_or(112);
  SCOPED_TRACE(test::name_seed(seed));
  for (size_t round = 0; round < test::scaled(200); ++round) {
    std::set<UnitIndex> kept[4];
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < 4; ++t) {
      threads.emplace_back([t, round, seed, &kept] {
        test::Random random(seed + round * 4 + t);
        for (int step = 0; step < 2000; ++step) {
          const UnitIndex unit =
              static_cast<UnitIndex>((random.one_in(2) ? 0 : 64) * kUnitsPerChunk + random.below(2) * 4 + t);
          if (kept[t].insert(unit).second) {
            set_available(5, unit);
          } else {
            clear_available(5, unit);
            kept[t].erase(unit);
          }
        }
      });
    }
    for (std::thread& thread : threads)
      thread.join();
    std::set<UnitIndex> expected, found;
    for (const std::set<UnitIndex>& units : kept)
      expected.insert(units.begin(), units.end());
    for (UnitIndex at = 0; (at = find_available(5, at)) != kNoUnit; ++at)
      found.insert(at);
    ASSERT_EQ(found, expected) << "round " << round;
    for (const UnitIndex unit : expected)
      clear_available(5, unit);
    ASSERT_EQ(find_available(5, 0), kNoUnit);
  }
}

}  // namespace
}  // namespace ashlar::slab
