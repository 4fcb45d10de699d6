// RLIMIT_AS at the start and later: the window covers what it leaves, others get the addresses that the heap
// does not use, and all of it can be used up and had again (traps.md 27).
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/options.h"
#include "debug/verify.h"
#include "fakes/faulty_sys.h"
#include "fakes/limits_support.h"
#include "heap/heap.h"
#include "os/sys.h"

namespace ashlar::heap {
namespace {

using os::sys::kLimitAddressSpace;
using page::g_pages;
using page::g_window_owner;

// The window covers what the limit allows, and takes the addresses as it needs them.
TEST(AddressLimit, AtTheStartLeavesTheAddressesToOthers) {
  EXPECT_EQ(test::run_in_child([] {
              const size_t before = mapped_bytes();
              fakes::set_limit(kLimitAddressSpace, kLimit);
              deallocate(allocate(1));
              EXPECT_TRUE(g_window_owner.is_limited());
              EXPECT_LT(mapped_bytes() - before, kLimit / 16);
              EXPECT_LE(pages_to_bytes(g_window_owner.capacity()), kLimit);
              EXPECT_GE(pages_to_bytes(g_window_owner.capacity()), kLimit - kChunkSize);
              std::vector<Block> blocks = make_many(1000, 150 * kMiB);
              EXPECT_GE(blocks.size() * 1000, 150 * kMiB);
              EXPECT_EQ(direct_blocks(), 0u) << "small blocks have a mapping of their own each";
              EXPECT_EQ(debug::verify_heap(2), 0);
              free_all(blocks);
            }),
            0);
}

TEST(AddressLimit, SetLaterTheUnopenedWindowGoesBack) {
  EXPECT_EQ(test::run_in_child([] {
              const size_t before = mapped_bytes();
              start_with_window(16 * 1024 * kMiB);
              std::vector<Block> blocks = make_many(1000, 20 * kMiB);
              EXPECT_GT(mapped_bytes() - before, 16 * 1024 * kMiB);
              limit_addresses_later(kLimit);
              std::vector<Block> more = make_many(1000, 20 * kMiB);  // the opening step finds out
              EXPECT_LT(mapped_bytes() - before, 70 * kMiB);
              EXPECT_EQ(debug::verify_heap(2), 0);
              std::vector<Block> rest = make_many(1000, 100 * kMiB);  // and grows again, in place
              EXPECT_GE(rest.size() * 1000, 100 * kMiB);
              EXPECT_LE(pages_to_bytes(g_window_owner.capacity()), kLimit);
              EXPECT_EQ(direct_blocks(), 0u);
              EXPECT_EQ(debug::verify_heap(2), 0);
              free_all(blocks);
              free_all(more);
              free_all(rest);
            }),
            0);
}

// A program that sets its limit, and then only has the heap hand back: malloc_trim looks too.
TEST(AddressLimit, SetLaterIsSeenByATrim) {
  EXPECT_EQ(test::run_in_child([] {
              const size_t before = mapped_bytes();
              start_with_window(16 * 1024 * kMiB);
              limit_addresses_later(kLimit);
              purge();
              EXPECT_LT(mapped_bytes() - before, 20 * kMiB);
              Workload workload;
              workload.run();
              EXPECT_EQ(workload.refused(), 0u);
              workload.finish();
            }),
            0);
}

// The metadata that a limit gave back is others' to use: a second limit takes nothing from them.
TEST(AddressLimit, ASecondChangeUnmapsNothingOfOthers) {
  EXPECT_EQ(test::run_in_child([] {
              start_with_window(16 * 1024 * kMiB);
              limit_addresses_later(kLimit);
              purge();
              const uintptr_t hole =
                  align_up(reinterpret_cast<uintptr_t>(page::g_window.map) + 2 * kMiB, kPageSize);
              void* const theirs = mmap(reinterpret_cast<void*>(hole), 64 * kKiB, PROT_READ | PROT_WRITE,
                                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
              ASSERT_EQ(theirs, reinterpret_cast<void*>(hole)) << "nothing was given back there";
              memset(theirs, 0x77, 64 * kKiB);
              for (const size_t limit : {kLimit - 50 * kMiB, kLimit, 4 * kLimit}) {
                limit_addresses_later(limit);
                purge();
                for (size_t i = 0; i < 64 * kKiB; ++i)
                  ASSERT_EQ(static_cast<unsigned char*>(theirs)[i], 0x77);
              }
              EXPECT_EQ(debug::verify_heap(2), 0);
            }),
            0);
}

// A limit that leaves addresses enough: what the budget keeps for the next allocation stays, at the end too.
TEST(AddressLimit, WhatTheBudgetKeepsStays) {
  EXPECT_EQ(test::run_in_child([] {
              fakes::set_limit(kLimitAddressSpace, 4 * 1024 * kMiB);
              std::vector<Block> blocks = make_many(20'000, 40 * kMiB);
              EXPECT_TRUE(g_window_owner.is_limited());
              const PageCount opened = g_window_owner.opened();
              free_all(blocks);
              EXPECT_LT(g_window_owner.opened(), opened) << "the clean end goes back";
              size_t free_pages = 0, dirty_pages = 0;
              g_pages.buddy_counts(&free_pages, &dirty_pages);
              EXPECT_GT(pages_to_bytes(dirty_pages), g_options.purge_floor / 2);
              EXPECT_EQ(debug::verify_heap(2), 0);
            }),
            0);
}

TEST(AddressLimit, ALimitWithRoomForTheWindowChangesNothing) {
  EXPECT_EQ(test::run_in_child([] {
              start_with_window(1024 * kMiB);
              fakes::set_limit(kLimitAddressSpace, 64 * 1024 * kMiB);
              std::vector<Block> blocks = make_many(1000, 20 * kMiB);
              EXPECT_FALSE(g_window_owner.is_limited());
              EXPECT_EQ(pages_to_bytes(g_window_owner.reserved()), 1024 * kMiB);
              free_all(blocks);
            }),
            0);
}

// The limit has room for the window twice, but others have used up the rest of it.
TEST(AddressLimit, OthersThatRunIntoItGetTheUnopenedWindow) {
  EXPECT_EQ(test::run_in_child([] {
              start_with_window(1024 * kMiB);
              limit_addresses_later(64 * 1024 * kMiB);
              std::vector<Block> blocks = make_many(1000, 20 * kMiB);
              EXPECT_TRUE(g_window_owner.is_limited());
              EXPECT_LT(pages_to_bytes(g_window_owner.reserved()), 64 * kMiB);
              EXPECT_GE(blocks.size() * 1000, 20 * kMiB);
              free_all(blocks);
              EXPECT_EQ(debug::verify_heap(2), 0);
            }),
            0);
}

// Somebody has mapped what follows the window: nothing of theirs is overwritten, blocks come from elsewhere.
TEST(AddressLimit, TheWindowGrowsOverNobody) {
  EXPECT_EQ(test::run_in_child([] {
              fakes::set_limit(kLimitAddressSpace, kLimit);
              deallocate(allocate(1));
              const uintptr_t behind = page::page_address(g_window_owner.reserved()) + 10 * kMiB;
              void* const theirs = mmap(reinterpret_cast<void*>(behind), kMiB, PROT_READ | PROT_WRITE,
                                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
              ASSERT_EQ(theirs, reinterpret_cast<void*>(behind));
              memset(theirs, 0x77, kMiB);
              std::vector<Block> blocks = make_many(30'000, 30 * kMiB);
              EXPECT_GE(blocks.size() * 30'000, 30 * kMiB);
              EXPECT_LE(page::page_address(g_window_owner.opened()), behind);
              for (size_t i = 0; i < kMiB; ++i)
                ASSERT_EQ(static_cast<unsigned char*>(theirs)[i], 0x77);
              EXPECT_EQ(debug::verify_heap(2), 0);
              free_all(blocks);
            }),
            0);
}

// What was used at the end of the window and is free again: its addresses are others' to have.
TEST(AddressLimit, TheFreeEndGoesBack) {
  EXPECT_EQ(test::run_in_child([] {
              fakes::set_limit(kLimitAddressSpace, kLimit);
              std::vector<Block> kept = make_many(1000, kMiB);
              const size_t before = mapped_bytes();
              std::vector<Block> blocks = make_many(1000, 100 * kMiB);
              EXPECT_GT(mapped_bytes(), before + 100 * kMiB);
              free_all(blocks);
              deallocate(make(2 * kMiB, 1).start);            // the last frees may not have purged
              EXPECT_LT(mapped_bytes(), before + 30 * kMiB);  // by frees alone
              purge();
              EXPECT_LT(mapped_bytes(), before + 8 * kMiB);
              EXPECT_EQ(debug::verify_heap(2), 0);
              blocks = make_many(1000, 100 * kMiB);
              EXPECT_GE(blocks.size() * 1000, 100 * kMiB);
              free_all(blocks);
              free_all(kept);
              EXPECT_EQ(debug::verify_heap(2), 0);
            }),
            0);
}

TEST(AddressLimit, EnforcedByTheKernelItIsUsedUpAndRecoversWhole) {
  if (test::kSanitized) GTEST_SKIP() << "a sanitizer maps more than the limit";
  EXPECT_EQ(test::run_in_child([] {
              std::vector<Block> blocks;
              blocks.reserve(kLimit / 100);  // not when memory is short
              set_real_limit(RLIMIT_AS, mapped_bytes() + kLimit);
              deallocate(allocate(1));
              exhaust_three_times(blocks, kLimit * 4 / 5);
            }),
            0);
}

}  // namespace
}  // namespace ashlar::heap
