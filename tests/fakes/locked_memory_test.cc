// Locked memory: what is opened is resident at once, and advice is refused, so that pages are not zero
// (traps.md 29).
#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <functional>

#include "base/options.h"
#include "debug/verify.h"
#include "fakes/faulty_sys.h"
#include "fakes/limits_support.h"
#include "heap/heap.h"
#include "os/sys.h"

namespace ashlar::heap {
namespace {

using page::g_pages;
using page::g_window_owner;

constexpr int kNotPermitted = 77;

void lock_all() {
  if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) _exit(kNotPermitted);
}

// The whole of a test, in a child that calls lock_all; skipped where that can't be had.
void run_locking(const std::function<void()>& body) {
  if (test::kSanitized) GTEST_SKIP() << "a sanitizer's shadow cannot be locked";
  const int result = test::run_in_child(body);
  if (result == kNotPermitted) GTEST_SKIP() << "mlockall is not permitted here";
  EXPECT_EQ(result, 0);
}

TEST(LockedMemory, StepsAreSmallAndPagesAreNotTrusted) {
  run_locking([] {
    fakes::reset();
    g_options.window = 1024 * kMiB;
    g_options.purge_floor = 64 * kKiB;
    std::vector<Block> blocks = make_many(1000, 50 * kMiB);  // steps are some 6 MiB by now
    lock_all();
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
  run_locking([] {
    start_with_window(1024 * kMiB);
    lock_all();
    rusage before{}, after{};
    getrusage(RUSAGE_SELF, &before);
    purge();
    getrusage(RUSAGE_SELF, &after);
    EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 4096);  // KiB
  });
}

}  // namespace
}  // namespace ashlar::heap
