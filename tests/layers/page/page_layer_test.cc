// The page layer: exact pages, the order of preference, growth and trimming in place.
#include <algorithm>
#include <map>

#include "layer_support.h"

namespace ashlar::page {
namespace {

PageIndex allocate(PageCount count, unsigned align_order = 0) {
  uint64_t dirty = 0;
  return g_pages.allocate(count, align_order, &dirty);
}

TEST_F(PageLayerTest, BlocksAreExact) {
  const size_t before = g_pages.counters().live_pages;
  for (const PageCount count : {1u, 3u, 5u, 33u, 100u, 129u, 255u, 256u, 257u, 300u, 513u, 1000u}) {
    const PageIndex page = g_pages.allocate_large(count, 0);
    ASSERT_NE(page, kNoPage) << count << " pages with " << g_window_owner.opened() << " opened";
    EXPECT_EQ(g_pages.counters().live_pages, before + count);
    EXPECT_EQ(free_pages() + before + count, g_window_owner.opened());
    EXPECT_EQ(PageLayer::large_length(page), count);
    EXPECT_TRUE(g_pages.release_large(page));
    EXPECT_EQ(g_pages.counters().live_pages, before);
  }
}

TEST_F(PageLayerTest, FreshPagesAreCleanAndAligned) {
  for (unsigned order = 0; order <= 8; ++order) {
    uint64_t dirty = 99;
    const PageIndex page = g_pages.allocate(3, order, &dirty);
    ASSERT_NE(page, kNoPage);
    EXPECT_EQ(page % (1u << order), 0u);
    EXPECT_EQ(dirty, 0u);
    EXPECT_EQ(test::count_resident(address(page), 3), 0u);
  }
}

// The steps of the window grow to 64 MiB: the call that takes one pays for its own block alone.
TEST_F(PageLayerTest, OpeningTouchesNoRecordOfWhatItOpens) {
  ASSERT_NE(g_pages.allocate_large(256 * kPagesPerChunk, 0), kNoPage);
  while (free_pages() > 0)
    allocate(1);
  const ChunkIndex first = chunk_of_page(g_window_owner.opened());
  allocate(1);
  const ChunkIndex chunks = chunk_of_page(g_window_owner.opened()) - first;
  ASSERT_GE(chunks, 32u);
  const size_t pages = chunks * sizeof(ChunkMeta) / kPageSize;
  EXPECT_LE(test::count_resident(&g_window_owner.chunk(first), pages), 4u);
}

// Three free blocks of 16 pages, apart: a clean one, two dirty ones above it, and more never opened.
TEST_F(PageLayerTest, DirtyBeforeCleanBeforeUntouchedAndLowestFirst) {
  PageIndex blocks[8];
  for (PageIndex& block : blocks)
    block = allocate(16, 4);
  while (free_pages() > 0)
    allocate(1);  // nothing else is free
  const PageCount opened = g_window_owner.opened();
  g_pages.release(blocks[1], 16, 0);
  g_pages.release(blocks[5], 16, 0xffff);
  g_pages.release(blocks[3], 16, 0xffff);
  uint64_t dirty = 0;
  EXPECT_EQ(g_pages.allocate(16, 0, &dirty), blocks[3]);
  EXPECT_EQ(dirty, 0xffffu);
  EXPECT_EQ(g_pages.allocate(16, 0, &dirty), blocks[5]);
  EXPECT_EQ(g_pages.allocate(16, 0, &dirty), blocks[1]);
  EXPECT_EQ(dirty, 0u);
  EXPECT_EQ(g_window_owner.opened(), opened);
  EXPECT_GE(allocate(16), opened);
}

TEST_F(PageLayerTest, DirtyBitsComeBackAsTheyWere) {
  const PageIndex page = allocate(64, 6);
  const uint64_t pattern = 0xf0f0'0000'1234'8001;
  while (free_pages() > 0)
    allocate(1);
  g_pages.release(page, 64, pattern);
  EXPECT_EQ(dirty_pages(), count_bits(pattern));
  uint64_t dirty = 0;
  ASSERT_EQ(g_pages.allocate(64, 6, &dirty), page);
  EXPECT_EQ(dirty, pattern);
}

// Enough is free at the end of what is opened, but not as whole chunks: no reason to fail.
TEST_F(PageLayerTest, ABigBlockFitsIntoAPartlyOpenedChunk) {
  const PageIndex first = g_pages.allocate_large(300, 0);
  ASSERT_NE(first, kNoPage);
  ASSERT_TRUE(g_pages.release_large(first));
  ASSERT_NE(g_window_owner.opened() % kPagesPerChunk, 0u);
  EXPECT_NE(g_pages.allocate_large(257, 0), kNoPage);
}

TEST_F(PageLayerTest, BigBlocksTakeTheLowestRunOfChunks) {
  PageIndex big[4];
  for (PageIndex& block : big)
    block = g_pages.allocate_large(512, 0);
  for (const PageIndex block : big)
    EXPECT_EQ(block % kPagesPerChunk, 0u);
  g_pages.release_large(big[2]);
  g_pages.release_large(big[0]);
  EXPECT_EQ(g_pages.allocate_large(512, 0), big[0]);
  EXPECT_EQ(g_pages.allocate_large(300, 0), big[2]);
}

TEST_F(PageLayerTest, GrowthInPlaceTakesTheFreePagesThatFollow) {
  const PageIndex a = g_pages.allocate_large(16, 4);
  const PageIndex b = g_pages.allocate_large(16, 4);
  ASSERT_EQ(b, a + 16);
  touch(a, 16, 7);
  EXPECT_FALSE(g_pages.try_resize_large(a, 17));
  EXPECT_EQ(PageLayer::large_length(a), 16u);
  g_pages.release_large(b);
  EXPECT_TRUE(g_pages.try_resize_large(a, 31));
  EXPECT_EQ(PageLayer::large_length(a), 31u);
  EXPECT_EQ(g_pages.counters().live_pages, 31u);
  EXPECT_EQ(address(a + 15)[0], 7);
  // Past the end of what is opened, too.
  EXPECT_TRUE(g_pages.try_resize_large(a, g_window_owner.opened() + 1000));
  touch(a, PageLayer::large_length(a));
  EXPECT_FALSE(g_pages.try_resize_large(a, g_window_owner.reserved() + 1));
}

TEST_F(PageLayerTest, TrimmingGivesTheTailBackDirty) {
  start({.purge_floor = 64 * kMiB});
  const PageIndex a = g_pages.allocate_large(200, 0);
  touch(a, 200);
  const size_t free = free_pages();
  EXPECT_TRUE(g_pages.try_resize_large(a, 30));
  EXPECT_EQ(free_pages(), free + 170);
  EXPECT_EQ(dirty_pages(), 170u);
  EXPECT_EQ(PageLayer::large_length(a), 30u);
  EXPECT_TRUE(g_pages.release_large(a));
  EXPECT_FALSE(g_pages.release_large(a));
}

TEST_F(PageLayerTest, ExhaustionIsNoPageAndRecovers) {
  std::vector<PageIndex> blocks;
  for (PageIndex page; (page = g_pages.allocate_large(5000, 0)) != kNoPage;)
    blocks.push_back(page);
  EXPECT_EQ(g_pages.allocate_large(5000, 0), kNoPage);
  EXPECT_GE(blocks.size(), kTestWindow / kPageSize / 5120 - 1);
  EXPECT_TRUE(g_pages.check_invariants());
  g_pages.release_large(blocks.back());
  EXPECT_EQ(g_pages.allocate_large(5000, 0), blocks.back());
  for (const PageIndex page : blocks)
    EXPECT_TRUE(g_pages.release_large(page));
  EXPECT_NE(g_pages.allocate_large(g_window_owner.opened() - kPagesPerChunk, 0),
            kNoPage);  // all in one again
}

// Everything at once: content, overlap, lengths.
TEST_F(PageLayerTest, RandomBlocksKeepTheirContent) {
  const uint64_t seed = test::seed_or(21);
  SCOPED_TRACE(test::name_seed(seed));
  test::Random random(seed);
  std::map<PageIndex, std::pair<PageCount, char>> live;
  const auto check = [](PageIndex page, PageCount count, char value) {
    for (PageCount i = 0; i < count; ++i)
      ASSERT_EQ(address(page + i)[0], value) << "page " << page + i;
  };
  for (size_t step = 0; step < test::scaled(50'000); ++step) {
    const char value = static_cast<char>(step);
    if (live.size() < 20 || (live.size() < 200 && random.one_in(2))) {
      const PageCount count = static_cast<PageCount>(random.between(1, size_t{1} << random.below(11)));
      const unsigned align_order = static_cast<unsigned>(random.below(9));
      const PageIndex page = g_pages.allocate_large(count, count > 256 ? 0 : align_order);
      ASSERT_NE(page, kNoPage);
      const auto [place, is_new] = live.emplace(page, std::pair{count, value});
      ASSERT_TRUE(is_new);
      if (place != live.begin()) {
        ASSERT_LE(std::prev(place)->first + std::prev(place)->second.first, page);
      }
      if (std::next(place) != live.end()) {
        ASSERT_LE(page + count, std::next(place)->first);
      }
      touch(page, count, value);
    } else {
      auto place = live.lower_bound(static_cast<PageIndex>(random.below(g_window_owner.opened())));
      if (place == live.end()) place = live.begin();
      auto& [count, content] = place->second;
      check(place->first, count, content);
      const PageCount wanted = static_cast<PageCount>(random.between(1, 2 * size_t{count}));
      if (random.one_in(3) && g_pages.try_resize_large(place->first, wanted)) {
        check(place->first, std::min(count, wanted), content);
        count = wanted;
        touch(place->first, count, content);
      } else {
        ASSERT_TRUE(g_pages.release_large(place->first));
        live.erase(place);
      }
    }
    if (step % 2000 == 0) {
      ASSERT_TRUE(g_pages.check_invariants());
    }
    if (HasFatalFailure()) FAIL() << "at step " << step;
  }
  for (const auto& [page, block] : live) {
    check(page, block.first, block.second);
    ASSERT_TRUE(g_pages.release_large(page));
  }
  EXPECT_EQ(free_pages(), g_window_owner.opened());
}

}  // namespace
}  // namespace ashlar::page
