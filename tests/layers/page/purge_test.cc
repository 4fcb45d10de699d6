// Returning memory: the budget, the guard against thrashing, and that pages really leave.
#include <algorithm>

#include "layer_support.h"

namespace ashlar::page {
namespace {

class PurgeTest : public PageLayerTest {
 protected:
  // After a call that gave `freed` pages back: within the budget, or as much purged as one call may, in pages
  // or in small pieces; or nothing is left that fills a kernel page.
  static void expect_within_budget(const PageCounters& before, size_t freed) {
    const size_t purged = g_pages.counters().purged_pages - before.purged_pages;
    const size_t calls = g_pages.counters().purge_calls - before.purge_calls;
    const size_t quota = std::max<size_t>(2 * freed, kPagesPerChunk);
    ASSERT_TRUE(dirty_pages() <= g_pages.budget_pages() || purged >= quota ||
                calls >= std::max<size_t>(16, quota / 32) || nothing_to_purge())
        << dirty_pages() << " dirty pages, budget " << g_pages.budget_pages() << ", purged " << purged
        << " in " << calls << " calls";
  }

  // So many kernel pages, one by one, written whole; by address.
  static std::vector<PageIndex> kernel_pages(PageCount count) {
    std::vector<PageIndex> pages;
    for (PageCount i = 0; i < count; ++i) {
      uint64_t dirty = 0;
      pages.push_back(g_pages.allocate(grain(), grain_order(), &dirty));
      touch(pages.back(), grain());
    }
    std::sort(pages.begin(), pages.end());
    return pages;
  }
  static void release_kernel_page(PageIndex page) {
    g_pages.release(page, grain(), (uint64_t{1} << grain()) - 1);
  }
};

TEST_F(PurgeTest, FreeDirtyMemoryStaysWithinTheBudget) {
  const uint64_t seed = test::seed_or(31);
  SCOPED_TRACE(test::name_seed(seed));
  test::Random random(seed);
  start({.purge_floor = 256 * kKiB, .purge_share = 8, .regret_limit = 0});
  std::vector<PageIndex> live;
  for (size_t step = 0; step < test::scaled(20'000); ++step) {
    if (live.size() < 10 || (live.size() < 300 && random.one_in(2))) {
      const PageCount count = static_cast<PageCount>(random.between(1, size_t{1} << random.below(10)));
      live.push_back(g_pages.allocate_large(count, 0));
      ASSERT_NE(live.back(), kNoPage);
      touch(live.back(), count);
    } else {
      std::swap(live[random.below(live.size())], live.back());
      const PageCount count = PageLayer::large_length(live.back());
      const PageCounters before = g_pages.counters();
      ASSERT_TRUE(g_pages.release_large(live.back()));
      live.pop_back();
      expect_within_budget(before, count);
    }
    if (HasFatalFailure()) FAIL() << "at step " << step;
  }
  EXPECT_GT(g_pages.counters().purge_calls, 0u);
  for (const PageIndex page : live)
    g_pages.release_large(page);
}

// No two free kernel pages adjoin: nothing larger is there to purge, single ones must go.
TEST_F(PurgeTest, FragmentsAreNoExcuse) {
  start({.purge_floor = 256 * kKiB, .purge_share = 1024, .regret_limit = 0});
  const PageCount count = 8000 / grain();
  const std::vector<PageIndex> pages = kernel_pages(count);
  for (PageCount i = 0; i < count; i += 2) {
    const PageCounters before = g_pages.counters();
    release_kernel_page(pages[i]);
    ASSERT_NO_FATAL_FAILURE(expect_within_budget(before, grain()));
  }
  EXPECT_LE(dirty_pages(), g_pages.budget_pages());
  EXPECT_LE(test::count_resident(address(pages[0]), count * grain()),
            count / 2 * grain() + g_pages.budget_pages() + 16);
}

// A large block that was never touched is freed, and with it the budget falls below 2,000 single dirty kernel
// pages: that one call purges so many of them as go with its size, the next ones the rest.
TEST_F(PurgeTest, OneCallPurgesOnlySoManySmallPieces) {
  if (os::page_size() >= 64 * kKiB) GTEST_SKIP() << "no piece is small: the kernel's pages have 64 KiB";
  start({.purge_floor = 256 * kPageSize, .purge_share = 8 / grain(), .regret_limit = 0});
  constexpr PageCount kLarge = 60 * kPagesPerChunk;
  constexpr PageCount kPages = 4000;
  const PageIndex large = g_pages.allocate_large(kLarge, 0);
  std::vector<PageIndex> pages = kernel_pages(kPages);
  for (PageCount i = 0; i < kPages; i += 2)
    release_kernel_page(pages[i]);
  ASSERT_EQ(dirty_pages(), kPages / 2 * grain()) << "all within the budget";
  size_t calls = g_pages.counters().purge_calls;
  g_pages.release_large(large);
  const size_t large_pieces = kLarge / kPagesPerChunk;  // what the block's ends have merged with
  EXPECT_LE(g_pages.counters().purge_calls - calls, 2 * kLarge / 32 + large_pieces);
  EXPECT_GT(dirty_pages(), g_pages.budget_pages()) << "else nothing was held back";
  size_t most = 0;
  for (PageCount i = 1; i < kPages && dirty_pages() > g_pages.budget_pages(); i += 40) {
    calls = g_pages.counters().purge_calls;
    release_kernel_page(pages[i]);
    most = std::max(most, g_pages.counters().purge_calls - calls);
    pages[i] = kNoPage;
  }
  EXPECT_EQ(most, 16u);
  EXPECT_LE(dirty_pages(), g_pages.budget_pages());
  for (PageCount i = 1; i < kPages; i += 2) {
    if (pages[i] != kNoPage) release_kernel_page(pages[i]);
  }
}

TEST_F(PurgeTest, TheHighestAddressGoesFirst) {
  start({.purge_floor = 256 * kPageSize, .regret_limit = 0});
  const PageIndex low = g_pages.allocate_large(256, 8);
  const PageIndex wall = g_pages.allocate_large(256, 8);
  const PageIndex high = g_pages.allocate_large(256, 8);
  touch(low, 256);
  touch(high, 256);
  ASSERT_LT(low, high);
  g_pages.release_large(high);
  g_pages.release_large(low);
  EXPECT_EQ(test::count_resident(address(low), 256), 256u);
  EXPECT_LE(test::count_resident(address(high), 256), 16u);
  g_pages.release_large(wall);
}

TEST_F(PurgeTest, OneCallPurgesAtMostTwiceWhatItFreed) {
  start({.purge_floor = 1024 * kMiB, .regret_limit = 0});
  const PageIndex big = g_pages.allocate_large(20000, 0);
  const PageIndex small = g_pages.allocate_large(10, 0);
  touch(big, 20000);
  g_pages.release_large(big);
  start({.purge_floor = 0, .purge_share = 1024, .regret_limit = 0});
  const size_t before = g_pages.counters().purged_pages;
  g_pages.release_large(small);
  const size_t purged = g_pages.counters().purged_pages - before;
  EXPECT_GE(purged, 256u);
  EXPECT_LE(purged, 256 + 256u);  // the quota, and the rest of the last piece
}

TEST_F(PurgeTest, PurgeAllLeavesNothingResidentAndZeroes) {
  start({.purge_floor = 1024 * kMiB});
  const PageCount in_a = static_cast<PageCount>(align_up(3000, grain()));
  const PageCount in_b = 77 * grain();
  const PageIndex a = g_pages.allocate_large(in_a, grain_order());
  const PageIndex wall = g_pages.allocate_large(grain(), grain_order());
  const PageIndex b = g_pages.allocate_large(in_b, grain_order());
  touch(a, in_a, 5);
  touch(wall, 1, 6);
  touch(b, in_b, 5);
  g_pages.release_large(a);
  g_pages.release_large(b);
  EXPECT_EQ(test::count_resident(address(a), in_a), in_a);
  EXPECT_GE(g_pages.purge_all(), in_a + in_b);
  EXPECT_EQ(dirty_pages(), 0u);
  EXPECT_EQ(test::count_resident(address(a), in_a), 0u);
  EXPECT_EQ(test::count_resident(address(b), in_b), 0u);
  EXPECT_EQ(address(wall)[0], 6);
  for (PageCount i = 0; i < in_a; ++i)
    ASSERT_EQ(address(a + i)[0], 0);
  uint64_t dirty = 0;
  g_pages.allocate(64, 0, &dirty);
  EXPECT_EQ(dirty, 0u);
  EXPECT_EQ(g_pages.purge_all(), 0u);
}

// Purged and taken again at once: counted, and beyond the allowance the budget rises. A slow machine gets
// several tries, since "at once" is 100 ms.
TEST_F(PurgeTest, RegretRaisesTheBudget) {
  start({.purge_floor = 0, .purge_share = 1024, .regret_limit = 8 * kMiB});
  for (int round = 0; round < 50 && g_pages.budget_pages() == 0; ++round) {
    const PageIndex page = g_pages.allocate_large(1024, 0);
    touch(page, 1024);
    g_pages.release_large(page);
    EXPECT_GT(g_pages.counters().purged_pages, 0u);
    g_pages.release_large(g_pages.allocate_large(1024, 0));
  }
  const size_t regretted = g_pages.counters().purged_again;
  EXPECT_GT(regretted, 0u);
  EXPECT_LE(regretted, g_pages.counters().purged_pages);
  EXPECT_GT(g_pages.budget_pages(), 0u);
  EXPECT_LE(g_pages.budget_pages(), (8 * kMiB) >> kPageShift);
  // So an oscillating load stops paying: what is kept is not purged again.
  size_t purged = 0;
  for (int round = 0; round < 200; ++round) {
    const size_t before = g_pages.counters().purged_pages;
    const PageIndex page = g_pages.allocate_large(1024, 0);
    touch(page, 1024);
    g_pages.release_large(page);
    purged += g_pages.counters().purged_pages > before ? 1 : 0;
  }
  EXPECT_LT(purged, 150u);
  g_pages.purge_all();
  EXPECT_EQ(g_pages.budget_pages(), 0u);  // asked for in so many words: no guard
}

// A little thrashing is cheaper than the memory: 256 pages in all are below the allowance of any 100 ms.
TEST_F(PurgeTest, ALittleRegretIsNone) {
  start({.purge_floor = 0, .purge_share = 1024, .regret_limit = 8 * kMiB});
  for (int round = 0; round < 4; ++round) {
    use_and_free(64);
    EXPECT_EQ(g_pages.budget_pages(), 0u);
  }
  EXPECT_GT(g_pages.counters().purged_pages, 0u);
}

// While much is live, half of it may be kept against thrashing, whatever the option says.
TEST_F(PurgeTest, TheRegretLimitFollowsWhatIsLive) {
  start({.purge_floor = 0, .purge_share = 1024, .regret_limit = 64 * kPageSize});
  const PageIndex live = g_pages.allocate_large(4096, 0);
  for (int round = 0; round < 50 && g_pages.budget_pages() <= 64; ++round) {
    use_and_free(2048);
    EXPECT_LE(g_pages.budget_pages(), 4096u / 2);
  }
  EXPECT_GT(g_pages.budget_pages(), 64u);
  g_pages.release_large(live);
  EXPECT_LE(g_pages.budget_pages(), 64u);
}

TEST_F(PurgeTest, TheRegretLimitHolds) {
  start({.purge_floor = 0, .purge_share = 1024, .regret_limit = 64 * kPageSize});
  for (int round = 0; round < 20; ++round) {
    use_and_free(1024);
    EXPECT_LE(g_pages.budget_pages(), 64u);
  }
}

TEST_F(PurgeTest, CountersAddUp) {
  start({.purge_floor = 0, .purge_share = 1024, .regret_limit = 0});
  const PageCount count = 500 * grain();
  const PageCount hole = 20 * grain();
  const PageIndex page = g_pages.allocate_large(count, grain_order());
  touch(page, count);
  const PageCounters before = g_pages.counters();
  EXPECT_TRUE(g_pages.discard(page + 10 * grain(), hole, hole, true));
  const PageCounters after = g_pages.counters();
  EXPECT_EQ(after.purged_pages, before.purged_pages + hole);
  EXPECT_EQ(after.hole_pages, before.hole_pages + hole);
  EXPECT_EQ(after.purge_calls, before.purge_calls + 1);
  EXPECT_EQ(after.purge_failures, before.purge_failures);
  EXPECT_EQ(test::count_resident(address(page), count), count - hole);
  g_pages.release_large(page);
  EXPECT_EQ(g_pages.counters().in_flight_pages, 0u);
}

}  // namespace
}  // namespace ashlar::page
