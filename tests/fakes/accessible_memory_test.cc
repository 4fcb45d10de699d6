// Accessible memory that counts, by RLIMIT_DATA or by strict commit: free chunks are closed, and opened again
// where they can be (traps.md 27, 28).
#include <sys/resource.h>

#include "debug/verify.h"
#include "fakes/faulty_sys.h"
#include "fakes/limits_support.h"
#include "heap/heap.h"
#include "os/sys.h"

namespace ashlar::heap {
namespace {

using page::g_pages;

TEST(DataLimit, EnforcedByTheKernelItIsUsedUpAndRecoversWhole) {
  if (test::kSanitized) GTEST_SKIP() << "a sanitizer maps more than the limit";
  EXPECT_EQ(test::run_in_child([] {
              start_with_window(16 * 1024 * kMiB);
              std::vector<Block> blocks;
              blocks.reserve(kLimit / 100);
              set_real_limit(RLIMIT_DATA, counted_bytes("VmData") + kLimit);
              exhaust_three_times(blocks, kLimit * 4 / 5);
            }),
            0);
}

// Free memory was not closed, since nothing counted it; then the program sets a limit on data. A block that
// no free run can hold finds room when the free chunks give up what they count for.
TEST(DataLimit, SetLaterFreeMemoryMakesRoomForMore) {
  if (test::kSanitized) GTEST_SKIP() << "a sanitizer maps more than the limit";
  EXPECT_EQ(test::run_in_child([] {
              start_with_window(16 * 1024 * kMiB);
              std::vector<Block> blocks = make_many(1000, 150 * kMiB);
              Block last = blocks.back();  // at the end of the window: what is free can't just grow
              blocks.pop_back();
              free_all(blocks);
              EXPECT_EQ(g_pages.counters().closed_chunks, 0u);
              set_real_limit(RLIMIT_DATA, counted_bytes("VmData") + 40 * kMiB);
              void* const p = allocate(160 * kMiB);
              EXPECT_NE(p, nullptr);
              EXPECT_GT(g_pages.counters().closed_chunks, 50u);
              deallocate(p);
              EXPECT_TRUE(intact(last));
              deallocate(last.start);
              EXPECT_EQ(debug::verify_heap(2), 0);
            }),
            0);
}

// Freed memory that stays accessible would still count against RLIMIT_DATA, or be committed.
void free_chunks_are_closed() {
  std::vector<Block> kept = make_many(1000, kMiB);
  std::vector<Block> blocks = make_many(1000, 60 * kMiB);
  EXPECT_EQ(g_pages.counters().closed_chunks, 0u);
  const size_t before = writable_heap();
  EXPECT_GE(before, 60 * kMiB);
  free_all(blocks);
  purge();
  EXPECT_GT(g_pages.counters().closed_chunks, 50u);
  EXPECT_LT(writable_heap(), 10 * kMiB);
  EXPECT_EQ(debug::verify_heap(2), 0);
  blocks = make_many(1000, 60 * kMiB);  // opened again, one by one
  EXPECT_LT(g_pages.counters().closed_chunks, 10u);
  free_all(blocks);
  void* const large = allocate_zeroed(20 * kMiB);
  ASSERT_NE(large, nullptr);
  for (size_t i = 0; i < 20 * kMiB; i += 512)
    ASSERT_EQ(static_cast<char*>(large)[i], 0);
  memset(large, 1, 20 * kMiB);
  deallocate(large);
  purge();
  EXPECT_EQ(debug::verify_heap(2), 0);
  void* const growing = allocate(kMiB);
  void* const grown = reallocate(growing, 30 * kMiB);  // over closed chunks, in place or not
  ASSERT_NE(grown, nullptr);
  memset(grown, 2, 30 * kMiB);
  deallocate(grown);
  free_all(kept);
  EXPECT_EQ(debug::verify_heap(2), 0);
}

TEST(StrictCommit, FreeChunksAreClosed) {
  EXPECT_EQ(test::run_in_child([] {
              fakes::reset();
              fakes::set_file("/proc/sys/vm/overcommit_memory", "2\n");
              free_chunks_are_closed();
            }),
            0);
}

TEST(DataLimit, FreeChunksAreClosed) {
  EXPECT_EQ(test::run_in_child([] {
              fakes::reset();
              fakes::set_limit(os::sys::kLimitData, 512 * kMiB);
              free_chunks_are_closed();
            }),
            0);
}

TEST(StrictCommit, OtherwiseNoneIs) {
  for (const char* const mode : {"0\n", "1\n", static_cast<const char*>(nullptr)}) {
    EXPECT_EQ(test::run_in_child([mode] {
                fakes::reset();
                fakes::set_file("/proc/sys/vm/overcommit_memory", mode);
                std::vector<Block> blocks = make_many(1000, 60 * kMiB);
                free_all(blocks);
                purge();
                EXPECT_EQ(g_pages.counters().closed_chunks, 0u);
                EXPECT_GE(writable_heap(), 60 * kMiB);
              }),
              0);
  }
}

// The commit may be gone when a closed chunk is wanted again: no memory then, and nothing lost.
TEST(StrictCommit, AChunkThatCannotBeReopenedStaysFree) {
  EXPECT_EQ(test::run_in_child([] {
              configure_small();
              fakes::reset();
              fakes::set_file("/proc/sys/vm/overcommit_memory", "2\n");
              std::vector<Block> blocks = make_many(1000, 40 * kMiB);
              free_all(blocks);
              purge();
              const size_t closed = g_pages.counters().closed_chunks;
              ASSERT_GT(closed, 30u);
              fakes::fail_always(fakes::Call::kMprotect, true);
              fakes::fail_always(fakes::Call::kMmap, true);
              EXPECT_EQ(allocate(700 * kKiB), nullptr);
              EXPECT_EQ(allocate_zeroed(900 * kKiB), nullptr);
              EXPECT_EQ(debug::verify_heap(2), 0);
              fakes::fail_always(fakes::Call::kMprotect, false);
              void* const p = allocate(700 * kKiB);
              ASSERT_NE(p, nullptr);
              memset(p, 1, 700 * kKiB);
              EXPECT_LT(g_pages.counters().closed_chunks, closed);
              deallocate(p);
              EXPECT_EQ(debug::verify_heap(2), 0);
            }),
            0);
}

// The lowest free pages are in closed chunks, which can't be reopened; there are others that are open.
TEST(StrictCommit, OpenPagesServeWhereClosedOnesCannot) {
  EXPECT_EQ(test::run_in_child([] {
              configure_small();
              fakes::reset();
              fakes::set_file("/proc/sys/vm/overcommit_memory", "2\n");
              std::vector<Block> blocks = make_many(1000, 40 * kMiB);
              std::vector<Block> kept(blocks.end() - 1, blocks.end());
              blocks.pop_back();
              free_all(blocks);
              purge();
              ASSERT_GT(g_pages.counters().closed_chunks, 30u);
              fakes::fail_always(fakes::Call::kMprotect, true);
              fakes::fail_always(fakes::Call::kMmap, true);
              for (const size_t size : {100u, 5000u, 30'000u}) {
                void* const p = allocate(size);
                ASSERT_NE(p, nullptr) << size;
                memset(p, 1, size);
                deallocate(p);
              }
              free_all(kept);
              EXPECT_EQ(debug::verify_heap(2), 0);
            }),
            0);
}

}  // namespace
}  // namespace ashlar::heap
