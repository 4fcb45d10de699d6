// Large blocks that a thread keeps for itself: exact sizes, limits, order, and what becomes of them.
#include "cache/run_cache.h"

#include <thread>

#include "cache_support.h"

namespace ashlar::cache {
namespace {

using page::g_pages;
using page::PageLayer;

class RunCacheTest : public CacheTest {
 protected:
  void SetUp() override {
    start_caches();
    SlowPath section;
    ASSERT_TRUE(list_this_thread());
  }
  void TearDown() override {
    flush_runs();
    EXPECT_EQ(live_pages(), 0u);
    EXPECT_TRUE(g_pages.check_invariants());
  }
  static size_t live_pages() { return g_pages.counters().live_pages; }
  static PageIndex kept(PageCount count) {
    const PageIndex page = g_pages.allocate_large(count, 0);
    EXPECT_TRUE(keep_run(page, count));
    return page;
  }
};

TEST_F(RunCacheTest, OnlyTheExactLengthFits) {
  const PageIndex page = kept(20);
  EXPECT_EQ(take_run(19), kNoPage);
  EXPECT_EQ(take_run(21), kNoPage);
  EXPECT_EQ(take_run(20), page);
  EXPECT_EQ(take_run(20), kNoPage);
  EXPECT_EQ(PageLayer::large_length(page), 20u);
  g_pages.release_large(page);
}

TEST_F(RunCacheTest, WhatIsKeptIsNoLiveBlock) {
  const PageIndex page = kept(20);
  EXPECT_EQ(PageLayer::large_length(page), 0u);  // so a second free is found out
  EXPECT_FALSE(g_pages.release_large(page));
  EXPECT_EQ(live_pages(), 20u);
}

TEST_F(RunCacheTest, TheNewestComesFirst) {
  const PageIndex first = kept(10);
  const PageIndex second = kept(10);
  EXPECT_EQ(take_run(10), second);
  EXPECT_EQ(take_run(10), first);
  g_pages.release_large(first);
  g_pages.release_large(second);
}

TEST_F(RunCacheTest, LimitsHoldAndTheOldestLeaves) {
  test::Random random(161);
  for (int round = 0; round < 2000; ++round) {
    const PageCount count = static_cast<PageCount>(random.between(1, 80));
    PageIndex page = take_run(count);
    if (page == kNoPage) page = g_pages.allocate_large(count, 0);
    ASSERT_EQ(PageLayer::large_length(page), count);
    if (!keep_run(page, count)) {
      ASSERT_GT(count, kLargestCachedRun);
      g_pages.release_large(page);
    }
    size_t pages = 0;
    for (unsigned i = 0; i < t_cache.runs.length; ++i)
      pages += t_cache.runs.run[i].count;
    ASSERT_EQ(t_cache.runs.pages, pages);
    ASSERT_LE(pages, kCachedRunPages);
    ASSERT_LE(t_cache.runs.length, kCachedRuns);
    ASSERT_EQ(live_pages(), pages);  // evicted ones went back
  }
  flush_runs();
  const PageIndex oldest = kept(5);
  for (unsigned i = 0; i < kCachedRuns; ++i)
    kept(6);
  EXPECT_EQ(take_run(5), kNoPage);
  EXPECT_TRUE(g_pages.buddy().is_free(oldest));
}

TEST_F(RunCacheTest, AThreadsExitReturnsThem) {
  std::thread([] {
    SlowPath section;
    ASSERT_TRUE(list_this_thread());
    kept(10);
    kept(20);
  }).join();
  EXPECT_EQ(live_pages(), 0u);
}

TEST_F(RunCacheTest, AThreadWithoutACacheKeepsNothing) {
  std::thread([] {
    const PageIndex page = g_pages.allocate_large(10, 0);
    EXPECT_FALSE(keep_run(page, 10));
    EXPECT_TRUE(g_pages.release_large(page));
  }).join();
}

}  // namespace
}  // namespace ashlar::cache
