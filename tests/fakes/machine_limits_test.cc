// Limits of the machine and of the group: a table of mappings that is full, a small memory (traps.md 30, 38).
#include <sys/mman.h>

#include "base/options.h"
#include "debug/verify.h"
#include "fakes/faulty_sys.h"
#include "fakes/limits_support.h"
#include "heap/heap.h"

namespace ashlar::heap {
namespace {

using page::g_pages;

// 65,530 mappings, and all but a few in use: the window opens on, large blocks come from it, nothing stops.
TEST(Mappings, NearlyUsedUp) {
  if (test::kSanitized) GTEST_SKIP() << "a sanitizer needs mappings of its own";
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

}  // namespace
}  // namespace ashlar::heap
