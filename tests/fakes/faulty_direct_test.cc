// Direct mappings when the system refuses: what grows stays as it was, what shrinks does so.
#include "base/types.h"
#include "fakes/faulty_sys.h"
#include "page/direct.h"
#include "support/support.h"

namespace ashlar::page {
namespace {

using fakes::Call;

constexpr size_t kBefore = 3 * kMiB;
constexpr size_t kAfter = kMiB;

size_t total_bytes() {
  size_t blocks = 0, bytes = 0, peak = 0, table = 0;
  g_direct.totals(&blocks, &bytes, &peak, &table);
  return bytes;
}

class FaultyDirect : public testing::Test {
 protected:
  void SetUp() override {
    fakes::reset();
    block_ = static_cast<char*>(g_direct.allocate(kBefore, 16));
    ASSERT_NE(block_, nullptr);
    memset(block_, 7, kBefore);
  }
  void TearDown() override {
    fakes::reset();
    EXPECT_TRUE(g_direct.release(block_));
    EXPECT_EQ(total_bytes(), 0u);
    EXPECT_TRUE(g_direct.check_invariants());
  }

  void expect_kept_start() {
    for (size_t i = 0; i < kAfter; ++i)
      ASSERT_EQ(block_[i], 7) << i;
  }
  size_t resident_pages() { return test::count_resident(block_, kBefore / kPageSize); }

  char* block_ = nullptr;
};

TEST_F(FaultyDirect, AShrinkNeedsNoMremap) {
  fakes::fail_always(Call::kMremap, true);
  fakes::fail_always(Call::kMmap, true);
  EXPECT_EQ(g_direct.resize(block_, kAfter), block_);
  EXPECT_EQ(g_direct.size_of(block_), kAfter);
  EXPECT_EQ(total_bytes(), kAfter);
  expect_kept_start();
}

// As where splitting a mapping would exceed vm.max_map_count.
TEST_F(FaultyDirect, AShrinkWithoutMunmapGivesTheMemoryBack) {
  fakes::fail_always(Call::kMunmap, true);
  EXPECT_EQ(g_direct.resize(block_, kAfter), block_);
  EXPECT_EQ(g_direct.size_of(block_), kBefore) << "the addresses are still the block's";
  EXPECT_EQ(total_bytes(), kBefore);
  EXPECT_EQ(resident_pages(), kAfter / kPageSize);
  expect_kept_start();
  fakes::reset();
  EXPECT_EQ(g_direct.resize(block_, kAfter), block_);
  EXPECT_EQ(g_direct.size_of(block_), kAfter);
}

TEST_F(FaultyDirect, AGrowthThatFailsChangesNothing) {
  fakes::fail_always(Call::kMremap, true);
  EXPECT_EQ(g_direct.resize(block_, 2 * kBefore), nullptr);
  EXPECT_EQ(g_direct.size_of(block_), kBefore);
  EXPECT_EQ(total_bytes(), kBefore);
  EXPECT_EQ(resident_pages(), kBefore / kPageSize);
  expect_kept_start();
}

}  // namespace
}  // namespace ashlar::page
