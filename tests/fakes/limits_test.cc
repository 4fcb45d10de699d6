// The heap under the limits of its process: RLIMIT_AS at the start and later, accessible memory that counts
// (RLIMIT_DATA, strict commit), locked memory, a full table of mappings (traps.md 27-30, 38). The limits are
// faked where only their reading matters, and real where the kernel is to enforce them. Each test in a child.
#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>

#include "base/options.h"
#include "debug/verify.h"
#include "fakes/faulty_sys.h"
#include "fakes/workload.h"
#include "heap/heap.h"
#include "os/sys.h"
#include "page/direct.h"
#include "support/support.h"

namespace ashlar::heap {
namespace {

using os::sys::kLimitAddressSpace;
using page::g_pages;
using page::g_window_owner;

constexpr size_t kLimit = 200 * kMiB;

// Bytes of this process as the kernel counts them: what RLIMIT_AS compares with ("VmSize"), or RLIMIT_DATA
// ("VmData").
size_t counted_bytes(const char* what) {
  char line[256];
  size_t kilobytes = 0;
  std::FILE* const file = std::fopen("/proc/self/status", "r");
  while (file != nullptr && std::fgets(line, sizeof line, file) != nullptr) {
    if (strncmp(line, what, strlen(what)) == 0)
      kilobytes = std::strtoull(line + strlen(what) + 1, nullptr, 10);
  }
  if (file != nullptr) std::fclose(file);
  return kilobytes * kKiB;
}
size_t mapped_bytes() { return counted_bytes("VmSize"); }

// Bytes of [start, end) by the kernel's list that may be written.
size_t writable_bytes(uintptr_t start, uintptr_t end) {
  size_t bytes = 0;
  std::FILE* const file = std::fopen("/proc/self/maps", "r");
  char line[512];
  while (file != nullptr && std::fgets(line, sizeof line, file) != nullptr) {
    uintptr_t from = 0, to = 0;
    char rights[8] = "";
    if (std::sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %7s", &from, &to, rights) != 3) continue;
    from = std::max(from, start);
    to = std::min(to, end);
    if (from < to && rights[1] == 'w') bytes += to - from;
  }
  if (file != nullptr) std::fclose(file);
  return bytes;
}

size_t writable_heap() {
  return writable_bytes(page::page_address(0), page::page_address(g_window_owner.reserved()));
}

Block make(size_t size, size_t number) {
  void* const p = allocate(size);
  const Block block{static_cast<unsigned char*>(p), size, static_cast<unsigned char>(number % 250 + 1)};
  if (p != nullptr) memset(p, block.value, size);
  return block;
}

// Fills `blocks` up to its capacity, or until there is no more memory.
void make_all(std::vector<Block>& blocks, size_t size) {
  while (blocks.size() < blocks.capacity()) {
    const Block block = make(size, blocks.size());
    if (block.start == nullptr) return;
    blocks.push_back(block);
  }
}

std::vector<Block> make_many(size_t size, size_t bytes) {
  std::vector<Block> blocks;
  blocks.reserve(bytes / size + 1);
  make_all(blocks, size);
  return blocks;
}

void free_all(std::vector<Block>& blocks) {
  for (const Block& block : blocks) {
    ASSERT_TRUE(intact(block));
    deallocate(block.start);
  }
  blocks.clear();
}

void set_real_limit(int resource, rlim_t bytes) {
  const rlimit limit{bytes, RLIM_INFINITY};
  ASSERT_EQ(setrlimit(static_cast<__rlimit_resource>(resource), &limit), 0);
}

// A limit that the program sets in the middle of its life: others' mappings fail.
void limit_addresses_later(size_t bytes) {
  fakes::fail_mmap_from(8 * kMiB);
  fakes::set_limit(kLimitAddressSpace, bytes);
}

void start_with_window(size_t bytes) {
  fakes::reset();
  g_options.window = bytes;
  deallocate(allocate(1));
}

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
              size_t direct = 0, bytes = 0, peak = 0, table = 0;
              page::g_direct.totals(&direct, &bytes, &peak, &table);
              EXPECT_EQ(direct, 0u) << "small blocks have a mapping of their own each";
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
              size_t direct = 0, bytes = 0, peak = 0, table = 0;
              page::g_direct.totals(&direct, &bytes, &peak, &table);
              EXPECT_EQ(direct, 0u);
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

// Everything that can be had is had, in small blocks and large; then nothing; then all of it again.
void exhaust_three_times(std::vector<Block>& blocks, size_t least) {
  for (const size_t size : {100u, 3000u, 100'000u}) {
    make_all(blocks, size);
    ASSERT_LT(blocks.size(), blocks.capacity());
    EXPECT_GT(blocks.size() * size, least) << size;
    EXPECT_EQ(allocate_zeroed(size), nullptr);
    ASSERT_EQ(debug::verify_heap(2), 0);
    free_all(blocks);
    ASSERT_EQ(debug::verify_heap(2), 0);
  }
}

TEST(AddressLimit, EnforcedByTheKernelItIsUsedUpAndRecoversWhole) {
#ifdef ASHLAR_TEST_SANITIZED
  GTEST_SKIP() << "a sanitizer maps more than the limit";
#endif
  EXPECT_EQ(test::run_in_child([] {
              std::vector<Block> blocks;
              blocks.reserve(kLimit / 100);  // not when memory is short
              set_real_limit(RLIMIT_AS, mapped_bytes() + kLimit);
              deallocate(allocate(1));
              exhaust_three_times(blocks, kLimit * 4 / 5);
            }),
            0);
}

TEST(DataLimit, EnforcedByTheKernelItIsUsedUpAndRecoversWhole) {
#ifdef ASHLAR_TEST_SANITIZED
  GTEST_SKIP() << "a sanitizer maps more than the limit";
#endif
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
#ifdef ASHLAR_TEST_SANITIZED
  GTEST_SKIP() << "a sanitizer maps more than the limit";
#endif
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

// Locked memory: what is opened is resident at once, and advice is refused, so that pages are not zero.
TEST(LockedMemory, StepsAreSmallAndPagesAreNotTrusted) {
#ifdef ASHLAR_TEST_SANITIZED
  GTEST_SKIP() << "a sanitizer's shadow cannot be locked";
#endif
  const int result = test::run_in_child([] {
    fakes::reset();
    g_options.window = 1024 * kMiB;
    g_options.purge_floor = 64 * kKiB;
    std::vector<Block> blocks = make_many(1000, 50 * kMiB);  // steps are some 6 MiB by now
    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) _exit(77);
    std::vector<Block> more = make_many(1000, 20 * kMiB);  // the first step finds out
    ASSERT_TRUE(g_window_owner.is_locked());
    uint64_t opened = fakes::calls(fakes::Call::kMprotect);
    const PageCount before = g_window_owner.opened();
    std::vector<Block> rest = make_many(1000, 2 * kMiB);
    opened = fakes::calls(fakes::Call::kMprotect) - opened;
    EXPECT_GE(opened, 4u);
    EXPECT_LE(g_window_owner.opened() - before, 2 * kMiB / kPageSize + 200);
    EXPECT_LT(g_pages.buddy().free_pages(), 2048u);
    free_all(blocks);
    const uint64_t purges = g_pages.counters().purge_calls;
    EXPECT_GT(purges, 0u);
    EXPECT_EQ(g_pages.counters().purged_pages, 0u);
    // Not asked again by every free: 50,000 of them were.
    EXPECT_LT(purges, 2000u);
    for (int i = 0; i < 100; ++i) {
      const size_t size = 50'000 + static_cast<size_t>(i) * 10'000;
      auto* const p = static_cast<unsigned char*>(allocate_zeroed(size));
      ASSERT_TRUE(p[0] == 0 && memcmp(p, p + 1, size - 1) == 0) << "calloc of " << size;
      memset(p, 1, size);
      deallocate(p);
    }
    munlockall();
    usleep(1'100'000);  // by then frees try again
    free_all(more);
    free_all(rest);
    purge();
    EXPECT_GT(g_pages.counters().purged_pages, 10'000u);
    std::vector<Block> last = make_many(1000, 90 * kMiB);
    EXPECT_FALSE(g_window_owner.is_locked());
    free_all(last);
    EXPECT_EQ(debug::verify_heap(2), 0);
  });
  if (result == 77) GTEST_SKIP() << "mlockall is not permitted here";
  EXPECT_EQ(result, 0);
}

// The kernel counts reserved addresses against RLIMIT_MEMLOCK where memory is locked, and refuses others'
// mappings with EAGAIN.
TEST(LockedMemory, WhereItsLimitIsReachedTheUnopenedWindowGoesBack) {
  EXPECT_EQ(test::run_in_child([] {
              const size_t before = mapped_bytes();
              start_with_window(16 * 1024 * kMiB);
              fakes::fail_mmap_from(8 * kMiB, EAGAIN);
              fakes::set_limit(os::sys::kLimitLocked, kLimit);
              std::vector<Block> blocks = make_many(1000, 20 * kMiB);
              EXPECT_GE(blocks.size() * 1000, 20 * kMiB);
              EXPECT_TRUE(g_window_owner.is_limited());
              EXPECT_LT(mapped_bytes() - before, 70 * kMiB);
              free_all(blocks);
              EXPECT_EQ(debug::verify_heap(2), 0);
            }),
            0);
}

// What a trim tries for others does not become resident in a process that has locked its memory meanwhile.
TEST(LockedMemory, ATrimTouchesNothing) {
#ifdef ASHLAR_TEST_SANITIZED
  GTEST_SKIP() << "a sanitizer's shadow cannot be locked";
#endif
  const int result = test::run_in_child([] {
    start_with_window(1024 * kMiB);
    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) _exit(77);
    rusage before{}, after{};
    getrusage(RUSAGE_SELF, &before);
    purge();
    getrusage(RUSAGE_SELF, &after);
    EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 4096);  // KiB
  });
  if (result == 77) GTEST_SKIP() << "mlockall is not permitted here";
  EXPECT_EQ(result, 0);
}

// 65,530 mappings, and all but a few in use: the window opens on, large blocks come from it, nothing stops.
TEST(Mappings, NearlyUsedUp) {
#ifdef ASHLAR_TEST_SANITIZED
  GTEST_SKIP() << "a sanitizer needs mappings of its own";
#endif
  EXPECT_EQ(test::run_in_child([] {
              fakes::reset();
              g_options.window = 1024 * kMiB;
              deallocate(allocate(1));
              std::vector<void*> taken;
              taken.reserve(1'000'000);
              std::vector<Block> blocks;
              blocks.reserve(50'000);
              for (int i = 0;; ++i) {  // neighbours of different rights are not merged
                void* const p = mmap(nullptr, kPageSize, i % 2 == 0 ? PROT_READ : PROT_NONE,
                                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                if (p == MAP_FAILED) break;
                taken.push_back(p);
                ASSERT_LT(taken.size(), 990'000u) << "vm.max_map_count is higher than this test expects";
              }
              ASSERT_GT(taken.size(), 10'000u);
              make_all(blocks, 1000);
              EXPECT_EQ(blocks.size(), 50'000u);
              void* const direct = allocate_zeroed(40 * kMiB);  // no mapping of its own to be had
              ASSERT_NE(direct, nullptr);
              memset(direct, 1, 40 * kMiB);
              void* const resized = reallocate(direct, 60 * kMiB);
              ASSERT_NE(resized, nullptr);
              for (size_t i = 0; i < 40 * kMiB; i += 4096)
                ASSERT_EQ(static_cast<char*>(resized)[i], 1);
              deallocate(resized);
              free_all(blocks);
              purge();
              EXPECT_GT(g_pages.counters().purged_pages, 10'000u);
              EXPECT_EQ(debug::verify_heap(2), 0);
              for (void* const p : taken)
                munmap(p, kPageSize);
              Workload workload;
              workload.run();
              EXPECT_EQ(workload.refused(), 0u);
            }),
            0);
}

// The guard against thrashing keeps up to 64 MiB; in a small cgroup, a sixteenth of what it has.
TEST(SmallMemory, TheGuardAgainstThrashingScales) {
  EXPECT_EQ(test::run_in_child([] {
              fakes::reset();
              fakes::set_file("/proc/self/cgroup", "0::/\n");
              fakes::set_file("/sys/fs/cgroup/memory.max", "134217728\n");  // 128 MiB
              size_t most = 0;
              for (int round = 0; round < 30; ++round) {
                std::vector<Block> blocks = make_many(200'000, 40 * kMiB);
                free_all(blocks);
                most = std::max(most, pages_to_bytes(g_pages.buddy().dirty_pages()));
              }
              EXPECT_GT(g_pages.counters().purged_again, 1000u);  // it did thrash
              EXPECT_LE(most, 128 * kMiB / 16 + kMiB);
            }),
            0);
}

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
              size_t direct = 0, bytes = 0, peak = 0, table = 0;
              page::g_direct.totals(&direct, &bytes, &peak, &table);
              EXPECT_EQ(direct, 0u);
              EXPECT_EQ(debug::verify_heap(2), 0);
              free_all(blocks);
            }),
            0);
}

TEST(SmallWindow, GrowsInPlace) { grow_from(8 * kMiB); }
TEST(SmallWindow, TheSmallestGrowsInPlace) { grow_from(4 * kMiB); }

}  // namespace
}  // namespace ashlar::heap
