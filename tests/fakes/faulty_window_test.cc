// The window when the system refuses: halving, no window at all, and openings that fail. Each in a child,
// since a process has one window.
#include <sys/mman.h>

#include "base/bits.h"
#include "fakes/faulty_sys.h"
#include "os/system.h"
#include "page/page_layer.h"
#include "support/support.h"

namespace ashlar::page {
namespace {

using fakes::Call;

// Calls run inside run_in_child.
void reserve_with_limit(size_t asked, size_t limit) {
  fakes::reset();
  fakes::fail_mmap_from(limit);
  ASSERT_TRUE(g_pages.initialise({.window_bytes = asked}));
  const size_t reserved = pages_to_bytes(g_window_owner.reserved());
  EXPECT_LT(reserved, limit);
  EXPECT_GE(reserved * 2 + kChunkSize, limit / 2);  // halved no more than needed
  const PageIndex page = g_pages.allocate_large(300, 0);
  ASSERT_NE(page, kNoPage);
  memset(reinterpret_cast<void*>(page_address(page)), 1, pages_to_bytes(300));
  EXPECT_TRUE(g_pages.release_large(page));
  EXPECT_TRUE(g_pages.check_invariants());
}

TEST(FaultyWindow, IsHalvedUntilItFits) {
  for (const size_t limit : {8 * kMiB, 100 * kMiB, 1024 * kMiB, 70'000 * kMiB}) {
    SCOPED_TRACE(limit);
    EXPECT_EQ(test::run_in_child([limit] { reserve_with_limit(128 * 1024 * kMiB, limit); }), 0);
  }
}

TEST(FaultyWindow, AnOddSizeIsTakenAsItIs) {
  EXPECT_EQ(test::run_in_child([] {
              ASSERT_TRUE(g_pages.initialise({.window_bytes = 5 * kMiB + 1}));
              EXPECT_EQ(g_window_owner.reserved(), 6 * kPagesPerChunk);
            }),
            0);
}

TEST(FaultyWindow, NoneAtAllIsNoPageForEver) {
  EXPECT_EQ(test::run_in_child([] {
              fakes::fail_mmap_from(kMiB);
              EXPECT_FALSE(g_pages.initialise({.window_bytes = 1024 * kMiB}));
              uint64_t dirty = 0;
              EXPECT_EQ(g_pages.allocate(1, 0, &dirty), kNoPage);
              EXPECT_EQ(g_pages.allocate_large(1, 0), kNoPage);
              EXPECT_EQ(g_pages.allocate_large(1000, 0), kNoPage);
              EXPECT_EQ(g_pages.purge_all(), 0u);
              EXPECT_TRUE(g_pages.check_invariants());
              PageIndex page = 0;
              EXPECT_FALSE(find_page(&dirty, &page));
            }),
            0);
}

TEST(FaultyWindow, MetadataThatCannotBeOpenedIsNoWindow) {
  EXPECT_EQ(test::run_in_child([] {
              fakes::fail_always(Call::kMprotect, true);
              EXPECT_FALSE(g_pages.initialise({.window_bytes = 64 * kMiB}));
              EXPECT_EQ(fakes::calls(Call::kMmap), fakes::calls(Call::kMunmap));  // nothing is left behind
            }),
            0);
}

TEST(FaultyWindow, OpeningsThatFailLeaveEverythingAsItWas) {
  EXPECT_EQ(test::run_in_child([] {
              ASSERT_TRUE(g_pages.initialise({.window_bytes = 256 * kMiB}));
              const PageIndex first = g_pages.allocate_large(100, 0);
              ASSERT_NE(first, kNoPage);
              const PageCount opened = g_window_owner.opened();
              fakes::fail_always(Call::kMprotect, true);
              EXPECT_EQ(g_pages.allocate_large(2000, 0), kNoPage);
              EXPECT_FALSE(g_pages.try_resize_large(first, 2000));
              EXPECT_EQ(PageLayer::large_length(first), 100u);
              EXPECT_EQ(g_window_owner.opened(), opened);
              EXPECT_TRUE(g_pages.check_invariants());
              fakes::fail_always(Call::kMprotect, false);
              EXPECT_NE(g_pages.allocate_large(2000, 0), kNoPage);
            }),
            0);
}

// The bigger step is refused, the needed one not: it is opened.
TEST(FaultyWindow, OpensWhatIsNeededWhereTheStepIsTooMuch) {
  EXPECT_EQ(test::run_in_child([] {
              ASSERT_TRUE(g_pages.initialise({.window_bytes = 256 * kMiB}));
              ASSERT_NE(g_pages.allocate_large(10'000, 0), kNoPage);
              while (g_pages.buddy().free_pages() > 0) {
                uint64_t dirty = 0;
                ASSERT_NE(g_pages.allocate(1, 0, &dirty), kNoPage);
              }
              const PageCount opened = g_window_owner.opened();
              const size_t needed = align_up(90, os::page_size() / kPageSize);  // whole kernel pages
              fakes::limit_opened(100 * kPageSize);
              const PageIndex page = g_pages.allocate_large(90, 0);
              ASSERT_EQ(page, opened);
              EXPECT_EQ(g_window_owner.opened(), opened + needed);
              EXPECT_EQ(g_pages.allocate_large(90, 0), kNoPage);
            }),
            0);
}

TEST(FaultyWindow, RefusedAdviceLeavesPagesDirty) {
  EXPECT_EQ(test::run_in_child([] {
              ASSERT_TRUE(g_pages.initialise({.window_bytes = 256 * kMiB, .purge_floor = 0}));
              fakes::fail_always(Call::kMadvise, true);
              const PageIndex page = g_pages.allocate_large(2000, 0);
              memset(reinterpret_cast<void*>(page_address(page)), 7, pages_to_bytes(2000));
              EXPECT_TRUE(g_pages.release_large(page));
              EXPECT_EQ(g_pages.purge_all(), 0u);
              EXPECT_GT(g_pages.counters().purge_failures, 0u);
              EXPECT_EQ(g_pages.counters().purged_pages, 0u);
              EXPECT_EQ(g_pages.buddy().dirty_pages(), 2000u);  // never trusted as clean
              EXPECT_TRUE(g_pages.check_invariants());
              fakes::fail_always(Call::kMadvise, false);
              EXPECT_GE(g_pages.purge_all(), 2000u);
              EXPECT_EQ(g_pages.buddy().dirty_pages(), 0u);
            }),
            0);
}

}  // namespace
}  // namespace ashlar::page
