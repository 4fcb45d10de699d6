// How much of the window is open: no whole huge page while little is live, and more than the option says
// where the program needs it (traps.md 31).
#include "base/options.h"
#include "debug/verify.h"
#include "fakes/limits_support.h"
#include "heap/heap.h"

namespace ashlar::heap {
namespace {

using page::g_pages;
using page::g_window_owner;

// The largest aligned pieces of 2 MiB that may be written within our reservation, heap and metadata: each of
// them would be resident whole at its first touch where huge pages are set to `always`.
size_t whole_huge_pages() {
  size_t count = 0;
  for (uintptr_t at = align_down(g_window_owner.metadata_start(), 2 * kMiB);
       at < page::page_address(g_window_owner.opened()); at += 2 * kMiB) {
    if (writable_bytes(at, at + 2 * kMiB) == 2 * kMiB) ++count;
  }
  return count;
}

TEST(HugePages, NoneIsCompletedBeforeTwoMebibytesAreLive) {
  EXPECT_EQ(test::run_in_child([] {
              start_with_window(1024 * kMiB);
              EXPECT_EQ(whole_huge_pages(), 0u);
              std::vector<Block> blocks;
              blocks.reserve(10'000);
              while (g_pages.counters().live_pages < 400) {
                blocks.push_back(make(blocks.size() % 9 == 0 ? 20'000 : 700, blocks.size()));
                ASSERT_EQ(whole_huge_pages(), 0u) << g_pages.counters().live_pages << " pages live";
              }
              while (g_pages.counters().live_pages < 2000)
                blocks.push_back(make(700, blocks.size()));
              EXPECT_GT(whole_huge_pages(), 0u);
              free_all(blocks);
            }),
            0);
}

// An explicit window that is too small for the program: it grows in place, small blocks stay in slabs.
void grow_from(size_t window) {
  EXPECT_EQ(test::run_in_child([window] {
              start_with_window(window);
              EXPECT_EQ(pages_to_bytes(g_window_owner.reserved()), window);
              std::vector<Block> blocks = make_many(100, 64 * kMiB);
              EXPECT_GE(blocks.size() * 100, 64 * kMiB);
              EXPECT_EQ(direct_blocks(), 0u);
              EXPECT_EQ(debug::verify_heap(2), 0);
              free_all(blocks);
            }),
            0);
}

TEST(SmallWindow, GrowsInPlace) { grow_from(8 * kMiB); }
TEST(SmallWindow, TheSmallestGrowsInPlace) { grow_from(4 * kMiB); }

}  // namespace
}  // namespace ashlar::heap
