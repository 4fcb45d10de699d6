// The buddy against the naive model, over a million random operations, and its exact promises one by one.
#include "page/buddy.h"

#include "buddy_duel.h"

namespace ashlar::page {
namespace {

using test::scaled;

void fight(const std::vector<ChunkIndex>& chunks, size_t steps, size_t check_each, uint64_t seed) {
  SCOPED_TRACE(test::name_seed(seed));
  open_window(chunks.back() + 1);
  test::Random random(seed);
  Duel duel(chunks, random);
  for (size_t step = 0; step < steps; ++step) {
    duel.step();
    if (step % check_each == 0) duel.compare_sums();
    if (::testing::Test::HasFatalFailure()) FAIL() << "at step " << step;
  }
  duel.compare_sums();
}

TEST(Buddy, RandomInAFewChunks) { fight({0, 1, 2}, scaled(1'000'000), 10'000, test::seed_or(11)); }

TEST(Buddy, RandomInOneChunk) { fight({0}, scaled(300'000), 2000, test::seed_or(12)); }

// Chunks on both sides of the end of a group (64) and of a super (4096).
TEST(Buddy, RandomAcrossGroupsAndSupers) {
  fight({0, 63, 64, 65, 127, 4095, 4096, 4097}, scaled(200'000), 50'000, test::seed_or(13));
}

TEST(Buddy, TheTailGoesBackAtOnce) {
  open_window(2);
  Buddy buddy;
  buddy.insert(0, 256);
  EXPECT_EQ(buddy.allocate(129, 0, kClean), 0u);
  EXPECT_EQ(buddy.free_pages(), 127u);
  EXPECT_EQ(buddy.free_run_at(129, 500), 127u);
  size_t clean[kMaxOrder + 1], dirty[kMaxOrder + 1];
  buddy.count_blocks(clean, dirty);
  for (unsigned order = 0; order < 7; ++order)
    EXPECT_EQ(clean[order], 1u) << order;  // 127 = 1 + 2 + ... + 64
  buddy.insert(0, 129);                    // and coalesces again
  buddy.count_blocks(clean, dirty);
  EXPECT_EQ(clean[8], 1u);
  for (unsigned order = 0; order < 8; ++order)
    EXPECT_EQ(clean[order], 0u) << order;
}

TEST(Buddy, OneDirtyPageMakesABlockDirty) {
  open_window(1);
  Buddy buddy;
  set_dirty(77, 1, true);
  buddy.insert(0, 256);
  EXPECT_EQ(buddy.dirty_pages(), 1u);
  EXPECT_EQ(buddy.allocate(256, 8, kClean), kNoPage);
  EXPECT_EQ(buddy.allocate(256, 8, kDirty), 0u);
  EXPECT_EQ(buddy.free_pages() + buddy.dirty_pages(), 0u);
}

TEST(Buddy, RunsOfChunksCountAsMaximalBlocks) {
  open_window(8);
  Buddy buddy;
  buddy.insert(0, 7 * kPagesPerChunk);  // 4 + 2 + 1 chunks
  size_t clean[kMaxOrder + 1], dirty[kMaxOrder + 1];
  buddy.count_blocks(clean, dirty);
  EXPECT_EQ(clean[10], 1u);
  EXPECT_EQ(clean[9], 1u);
  EXPECT_EQ(clean[8], 1u);
}

TEST(BuddyDeathTest, TakingWhatIsNotFreeStops) {
  open_window(1);
  Buddy buddy;
  buddy.insert(0, 10);
  EXPECT_EXIT(buddy.take(5, 6), ::testing::KilledBySignal(SIGABRT), "broken invariant");
}

}  // namespace
}  // namespace ashlar::page
