// The ledger: the layers' resident bytes add up to the kernel's RSS within 2 %, in every state.
#include <barrier>
#include <thread>

#include "stats_support.h"

namespace ashlar::stats {
namespace {

class LedgerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    heap::deallocate(heap::allocate(1));
    if (test::kSanitized) GTEST_SKIP() << "a sanitizer's shadow is not accounted";
  }

  static std::unique_ptr<Stats> expect_balance(const char* state) {
    SCOPED_TRACE(state);
    std::unique_ptr<Stats> stats = snapshot();
    const size_t sum = stats->resident_live + stats->resident_holes + stats->resident_bins +
                       stats->resident_dirty + stats->resident_metadata + stats->resident_foreign;
    EXPECT_EQ(stats->accounted, sum);
    const double ratio = static_cast<double>(stats->accounted) / static_cast<double>(stats->kernel_rss);
    EXPECT_GT(ratio, 0.98) << stats->accounted << " of " << stats->kernel_rss;
    EXPECT_LT(ratio, 1.02) << stats->accounted << " of " << stats->kernel_rss;
    EXPECT_EQ(stats->window_opened, stats->live_bytes + stats->cached_bytes + stats->free_bytes);
    EXPECT_EQ(debug::verify_heap(2), 0);
    return stats;
  }

  static std::vector<void*> blocks(size_t count, size_t low, size_t high) {
    test::Random random(301);
    std::vector<void*> blocks(count);
    for (void*& block : blocks)
      block = filled(random.between(low, high));
    return blocks;
  }
  static void free_most(std::vector<void*>& blocks, size_t keep_one_in) {
    test::Random random(302);
    for (void*& block : blocks) {
      if (random.one_in(keep_one_in)) continue;
      heap::deallocate(block);
      block = nullptr;
    }
  }
};

TEST_F(LedgerTest, Fresh) { expect_balance("one block was allocated"); }

TEST_F(LedgerTest, SmallBlocks) {
  std::vector<void*> live = blocks(300'000, 16, 1024);
  const auto full = expect_balance("300,000 small blocks");
  EXPECT_GT(full->resident_live, 140 * kMiB);
  free_most(live, 20);
  const auto sparse = expect_balance("19 in 20 freed at random");
  EXPECT_LT(sparse->resident_live, full->resident_live / 10);
  heap::purge();
  const auto purged = expect_balance("and purged");
  EXPECT_LE(purged->resident_dirty, 64 * kKiB);
  EXPECT_LE(purged->kernel_rss, full->kernel_rss);
  EXPECT_EQ(purged->live_bytes, sparse->live_bytes);
  for (void* const block : live)
    heap::deallocate(block);
  const auto empty = expect_balance("all freed");
  EXPECT_EQ(empty->live_bytes, 0u);
  EXPECT_LE(empty->kernel_rss + 120 * kMiB, full->kernel_rss);
}

TEST_F(LedgerTest, LargeBlocks) {
  std::vector<void*> live = blocks(400, 40 * kKiB, 1 * kMiB);
  const auto full = expect_balance("400 large blocks");
  EXPECT_EQ(full->large_blocks, 400u);
  free_most(live, 2);
  expect_balance("half of them freed");
  heap::purge();
  expect_balance("and purged");
}

TEST_F(LedgerTest, DirectBlocks) {
  void* const a = filled(50 * kMiB);
  void* const b = heap::allocate(100 * kMiB);  // mapped, hardly touched
  memset(b, 1, 3 * kMiB);
  const auto stats = expect_balance("two direct blocks");
  EXPECT_EQ(stats->direct_blocks, 2u);
  EXPECT_GE(stats->direct_bytes, 150 * kMiB);
  EXPECT_GE(stats->resident_live, 53 * kMiB);
  EXPECT_LT(stats->resident_live, 60 * kMiB);
  heap::deallocate(a);
  heap::deallocate(b);
  EXPECT_EQ(expect_balance("both freed")->direct_bytes, 0u);
}

// Blocks that nobody has written to are live, but not resident.
TEST_F(LedgerTest, UntouchedBlocks) {
  std::vector<void*> live;
  for (int i = 0; i < 100; ++i)
    live.push_back(heap::allocate(1 * kMiB));
  const auto stats = expect_balance("100 MiB untouched");
  EXPECT_GE(stats->live_bytes, 100 * kMiB);
  EXPECT_LT(stats->resident_live, 2 * kMiB);
}

TEST_F(LedgerTest, ManyThreads) {
  constexpr size_t kThreads = 16;
  std::barrier barrier(kThreads + 1);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&barrier] {
      std::vector<void*> mine = blocks(5000, 16, 2000);
      free_most(mine, 3);
      barrier.arrive_and_wait();
      barrier.arrive_and_wait();
      for (void* const block : mine)
        heap::deallocate(block);
    });
  }
  barrier.arrive_and_wait();
  const auto stats = expect_balance("16 threads hold blocks and bins");
  EXPECT_EQ(stats->thread_caches, kThreads + 1);
  EXPECT_GT(stats->resident_bins, 0u);
  barrier.arrive_and_wait();
  for (std::thread& thread : threads)
    thread.join();
  const auto after = expect_balance("they are gone");
  EXPECT_EQ(after->thread_caches, 1u);
  EXPECT_EQ(after->live_bytes, 0u);
}

}  // namespace
}  // namespace ashlar::stats
