// Millions of random operations beside the shadow heap, in one thread.
#include "base/options.h"
#include "heap_support.h"
#include "shadow_heap.h"

namespace ashlar::heap {
namespace {

void run(uint64_t seed, size_t steps, size_t most_blocks, size_t largest) {
  SCOPED_TRACE(test::name_seed(seed));
  ShadowHeap shadow(seed, 1, largest);
  test::Random random(seed + 1);
  size_t most = most_blocks;
  for (size_t step = 0; step < steps; ++step) {
    if (step % 50'000 == 0)
      most = random.one_in(3) ? most_blocks / 20 : most_blocks;  // the load rises and falls
    shadow.step(most);
    if (step % 100'000 == 0) {
      ASSERT_EQ(faults(), 0);
    }
    if (step % 300'000 == 0) purge();
    if (::testing::Test::HasFatalFailure()) FAIL() << "at step " << step;
  }
  shadow.free_all();
  ASSERT_EQ(faults(), 0);
  purge();
  EXPECT_EQ(page::g_pages.counters().live_pages, 0u);
  EXPECT_EQ(page::g_pages.buddy().dirty_pages(), 0u);
}

TEST(ShadowHeap, RandomSmallAndLarge) { run(test::seed_or(201), test::scaled(3'000'000), 10'000, 2 * kMiB); }

TEST(ShadowHeap, RandomSmallAlone) { run(test::seed_or(202), test::scaled(1'500'000), 50'000, 2000); }

// Direct mappings and blocks of the window in turn.
TEST(ShadowHeap, RandomAcrossTheDirectThreshold) {
  g_options.direct_threshold = 1 * kMiB;
  run(test::seed_or(203), test::scaled(200'000), 300, 4 * kMiB);
}

TEST(ShadowHeap, RandomInASmallWindow) {  // most of it is mapped directly, for want of room
  g_options.window = 4 * kMiB;
  run(test::seed_or(204), test::scaled(300'000), 3000, 256 * kKiB);
}

TEST(ShadowHeap, RandomOnTheBreak) {
  g_options.source = 1;
  run(test::seed_or(205), test::scaled(500'000), 5000, 1 * kMiB);
}

TEST(ShadowHeap, RandomWithoutBudget) {
  g_options.purge_floor = 0;
  g_options.purge_share = 1024;
  g_options.regret_limit = 0;
  run(test::seed_or(206), test::scaled(300'000), 5000, 1 * kMiB);
}

}  // namespace
}  // namespace ashlar::heap
