// The heap on kernels that this machine hasn't got: pages of 16 and 64 KiB, which are found at run time, and
// addresses beyond 47 bits, which are never asked for (traps.md 32, 33). Each in a child, since a process has
// one heap.
#include <cstdlib>

#include "base/options.h"
#include "debug/verify.h"
#include "fakes/faulty_sys.h"
#include "fakes/workload.h"
#include "heap/heap.h"
#include "os/sys.h"
#include "os/system.h"
#include "page/direct.h"
#include "support/support.h"

namespace ashlar::heap {
namespace {

void run_on_pages_of(size_t bytes, size_t source) {
  fakes::reset();
  fakes::set_page_size(bytes);
  configure_small();
  g_options.source = source;
  Workload workload;
  workload.run();
  EXPECT_EQ(os::page_size(), bytes);
  EXPECT_EQ(workload.refused(), 0u);
  workload.finish();
  EXPECT_EQ(fakes::misaligned_calls(), 0u);  // purges round inward, openings end on a page
  EXPECT_GT(page::g_pages.counters().purged_pages, 0u);
  EXPECT_EQ(page::g_pages.counters().purge_failures, 0u);
  // What a kernel page holds besides stays dirty: less than two of them for each piece.
  EXPECT_LT(page::g_pages.buddy().dirty_pages(), 64 * bytes / kPageSize);
}

TEST(Kernels, PagesOf16KiB) {
  EXPECT_EQ(test::run_in_child([] { run_on_pages_of(16 * kKiB, 0); }), 0);
}
TEST(Kernels, PagesOf64KiB) {
  EXPECT_EQ(test::run_in_child([] { run_on_pages_of(64 * kKiB, 0); }), 0);
}

// Pages beside those that a purge takes keep their content: small blocks between the holes.
TEST(Kernels, HolesOfLiveSlabsAreWholeKernelPages) {
  EXPECT_EQ(test::run_in_child([] {
              fakes::reset();
              fakes::set_page_size(16 * kKiB);
              configure_small();
              std::vector<Block> blocks(20'000);
              for (size_t i = 0; i < blocks.size(); ++i) {
                blocks[i] = {static_cast<unsigned char*>(allocate(1000)), 1000,
                             static_cast<unsigned char>(i % 250 + 1)};
                memset(blocks[i].start, blocks[i].value, 1000);
              }
              for (size_t i = 0; i < blocks.size(); ++i) {
                if (i % 50 != 0) deallocate(blocks[i].start);
              }
              purge();
              EXPECT_GT(page::g_pages.counters().hole_pages, 1000u);
              EXPECT_EQ(fakes::misaligned_calls(), 0u);
              for (size_t i = 0; i < blocks.size(); i += 50)
                ASSERT_TRUE(intact(blocks[i]));
            }),
            0);
}

// Five-level page tables give addresses beyond 47 bits to those who ask, and to nobody else.
TEST(Kernels, NoAddressBeyond47BitsIsAskedFor) {
  for (const uint64_t limit : {os::sys::kNoLimit, uint64_t{200 * kMiB}}) {
    EXPECT_EQ(test::run_in_child([limit] {
                fakes::reset();
                fakes::set_limit(os::sys::kLimitAddressSpace, limit);
                configure_small();
                g_options.window = 1024 * kMiB;
                Workload workload;
                workload.run();
                workload.finish();
                EXPECT_LT(fakes::highest_hint(), uintptr_t{1} << 47);
                EXPECT_EQ(fakes::highest_hint() != 0, limit != os::sys::kNoLimit);
              }),
              0);
  }
}

// A pointer with something in its upper bits is outside the window, whatever the rest says.
TEST(Kernels, TaggedPointersAreForeign) {
  void* const p = allocate(100);
  for (const unsigned bit : {48u, 56u, 60u, 63u}) {
    void* const tagged = reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(p) | uintptr_t{1} << bit);
    PageIndex page = 0;
    EXPECT_FALSE(page::find_page(tagged, &page)) << bit;
    EXPECT_FALSE(owns(tagged)) << bit;
    EXPECT_NE(test::output_of(2, [tagged] { deallocate(tagged); }).find("ignored") == std::string::npos,
              bit == 48)
        << "named once, for the first";
  }
  EXPECT_TRUE(owns(p));
  memset(p, 1, 100);
  deallocate(p);
}

}  // namespace
}  // namespace ashlar::heap
