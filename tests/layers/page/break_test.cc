// The program break as the window's source. Each test in a child of its own: there is one break.
#include <sys/single_threaded.h>
#include <unistd.h>

#include "layer_support.h"

namespace ashlar::page {
namespace {

void start_on_break() {
  ASSERT_TRUE(g_pages.initialise({.source = Source::kSbrk, .window_bytes = 256 * kMiB}));
  ASSERT_EQ(g_window_owner.source(), Source::kSbrk);
}

// The break is lowered by a process that never had a second thread. ThreadSanitizer starts one of its own in
// every process, which leaves the break alone.
void be_alone() {
#ifdef ASHLAR_TEST_TSAN
  __libc_single_threaded = 1;
#endif
  ASSERT_NE(__libc_single_threaded, 0);
}

char* address(PageIndex page) { return reinterpret_cast<char*>(page_address(page)); }
uintptr_t break_now() { return reinterpret_cast<uintptr_t>(sbrk(0)); }

TEST(Break, MemoryComesFromIt) {
  EXPECT_EQ(test::run_in_child([] {
              const uintptr_t before = break_now();
              start_on_break();
              EXPECT_GE(g_window.base, before);
              EXPECT_LT(g_window.base, before + kChunkSize);
              const PageIndex page = g_pages.allocate_large(1000, 0);
              ASSERT_NE(page, kNoPage);
              EXPECT_GE(break_now(), page_address(page + 1000));
              for (PageCount i = 0; i < 1000; ++i)
                address(page + i)[0] = 3;
              EXPECT_TRUE(g_pages.check_invariants());
            }),
            0);
}

TEST(Break, WhatOthersTakeStaysTheirs) {
  EXPECT_EQ(test::run_in_child([] {
              start_on_break();
              std::vector<std::pair<char*, size_t>> foreign;
              std::vector<std::pair<PageIndex, PageCount>> ours;
              test::Random random(51);
              for (int round = 0; round < 60; ++round) {
                const size_t bytes = random.between(1, 100'000);  // not whole pages: the break is where it is
                char* const theirs = static_cast<char*>(sbrk(static_cast<intptr_t>(bytes)));
                memset(theirs, 0x77, bytes);
                foreign.emplace_back(theirs, bytes);
                const PageCount count = static_cast<PageCount>(random.between(1, 700));
                const PageIndex page = g_pages.allocate_large(count, 0);
                ASSERT_NE(page, kNoPage);
                memset(address(page), round, pages_to_bytes(count));
                ours.emplace_back(page, count);
              }
              for (const auto& [start, bytes] : foreign) {
                for (size_t i = 0; i < bytes; ++i)
                  ASSERT_EQ(start[i], 0x77) << "somebody else's memory was used";
              }
              EXPECT_GT(g_window_owner.gap_pages(), 0u);
              EXPECT_TRUE(g_pages.check_invariants());
              for (const auto& [page, count] : ours)
                EXPECT_TRUE(g_pages.release_large(page));
              EXPECT_TRUE(g_pages.check_invariants());
            }),
            0);
}

TEST(Break, IsLoweredWhenAskedTo) {
  EXPECT_EQ(test::run_in_child([] {
              be_alone();
              start_on_break();
              const PageIndex keep = g_pages.allocate_large(10, 0);
              const PageIndex page = g_pages.allocate_large(20'000, 0);
              for (PageCount i = 0; i < 20'000; ++i)
                address(page + i)[0] = 3;
              const uintptr_t high = break_now();
              g_pages.release_large(page);
              EXPECT_GT(g_pages.purge_all(), 0u);
              EXPECT_LE(break_now() + 19'000 * kPageSize, high);
              EXPECT_TRUE(g_pages.check_invariants());
              address(keep)[0] = 1;
              const PageIndex again = g_pages.allocate_large(20'000, 0);  // and rises again
              ASSERT_NE(again, kNoPage);
              for (PageCount i = 0; i < 20'000; ++i)
                ASSERT_EQ(address(again + i)[0], 0);
            }),
            0);
}

TEST(Break, IsNotLoweredUnderSomebodyElse) {
  EXPECT_EQ(test::run_in_child([] {
              start_on_break();
              const PageIndex page = g_pages.allocate_large(5000, 0);
              ASSERT_NE(page, kNoPage);
              char* const theirs = static_cast<char*>(sbrk(1000));
              memset(theirs, 0x55, 1000);
              g_pages.release_large(page);
              const uintptr_t high = break_now();
              g_pages.purge_all();
              EXPECT_EQ(break_now(), high);
              EXPECT_EQ(theirs[999], 0x55);
              EXPECT_TRUE(g_pages.check_invariants());
            }),
            0);
}

// What the forwarding forms of operator delete compare with never exceeds what is open.
TEST(Break, LoweringForgetsWhatWasAsked) {
  EXPECT_EQ(test::run_in_child([] {
              be_alone();
              start_on_break();
              const PageIndex page = g_pages.allocate_large(4 * kPagesPerChunk, 0);
              ASSERT_NE(page, kNoPage);
              g_window.unforwarded_pages.store(g_window.pages.load());
              ASSERT_TRUE(g_pages.release_large(page));
              const PageCount opened = g_window_owner.opened();
              g_pages.purge_all();
              ASSERT_LT(g_window_owner.opened(), opened) << "the break was not lowered";
              EXPECT_LE(g_window.unforwarded_pages.load(), g_window.pages.load());
            }),
            0);
}

// Somebody lowers the break into what is ours: nothing can be saved, but nothing new may be opened there.
TEST(Break, LoweredByOthersOpensNothing) {
  EXPECT_EQ(test::run_in_child([] {
              start_on_break();
              ASSERT_NE(g_pages.allocate_large(1000, 0), kNoPage);
              const PageCount opened = g_window_owner.opened();
              sbrk(-static_cast<intptr_t>(10 * kPageSize));
              PageIndex start = 0;
              EXPECT_EQ(g_window_owner.open(1, 1, &start), 0u);
              EXPECT_EQ(g_window_owner.opened(), opened);
            }),
            0);
}

}  // namespace
}  // namespace ashlar::page
