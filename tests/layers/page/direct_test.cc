// Direct mappings: the table, alignment, moving, threads.
#include "page/direct.h"

#include <cstring>
#include <thread>

#include "base/bits.h"
#include "base/types.h"
#include "os/system.h"
#include "support/support.h"

namespace ashlar::page {
namespace {

size_t blocks() {
  size_t blocks = 0, bytes = 0, peak = 0, table = 0;
  g_direct.totals(&blocks, &bytes, &peak, &table);
  return blocks;
}

TEST(Direct, AllocateSizeRelease) {
  EXPECT_EQ(g_direct.size_of(&g_direct), 0u);  // an empty table
  char* const p = static_cast<char*>(g_direct.allocate(100'000, 16));
  ASSERT_NE(p, nullptr);
  const size_t mapped = align_up(100'000, os::page_size());
  EXPECT_EQ(g_direct.size_of(p), mapped);
  for (size_t i = 0; i < mapped; ++i)
    ASSERT_EQ(p[i], 0);
  EXPECT_EQ(g_direct.size_of(p + 4096), 0u);
  size_t size = 0;
  EXPECT_EQ(g_direct.containing(p + mapped - 1, &size), reinterpret_cast<uintptr_t>(p));
  EXPECT_EQ(size, mapped);
  EXPECT_EQ(g_direct.containing(p + mapped, &size), 0u);
  EXPECT_FALSE(g_direct.release(p + 4096));
  EXPECT_FALSE(g_direct.release(nullptr));
  EXPECT_FALSE(g_direct.release(reinterpret_cast<void*>(1)));
  EXPECT_TRUE(g_direct.release(p));
  EXPECT_FALSE(g_direct.release(p));
  EXPECT_EQ(g_direct.size_of(nullptr), 0u);
  EXPECT_EQ(g_direct.size_of(reinterpret_cast<void*>(1)), 0u);
  EXPECT_EQ(blocks(), 0u);
}

TEST(Direct, EveryAlignment) {
  for (size_t alignment = 16; alignment <= 1024 * kMiB; alignment *= 2) {
    char* const p = static_cast<char*>(g_direct.allocate(5000, alignment));
    ASSERT_NE(p, nullptr) << alignment;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(p) % alignment, 0u);
    p[0] = p[4999] = 1;
    EXPECT_TRUE(g_direct.release(p));
  }
}

TEST(Direct, ImpossibleSizesAreNull) {
  EXPECT_EQ(g_direct.allocate(size_t{1} << 62, 16), nullptr);
  EXPECT_EQ(g_direct.allocate(PTRDIFF_MAX, size_t{1} << 62), nullptr);
  EXPECT_EQ(blocks(), 0u);
}

TEST(Direct, ResizingKeepsTheContent) {
  size_t bytes = 10'000;
  char* p = static_cast<char*>(g_direct.allocate(bytes, 16));
  memset(p, 0x21, bytes);
  for (const size_t wanted : {20'000, 5'000'000, 60'000'000, 60'001'000, 1'000'000, 4096, 1}) {
    char* const q = static_cast<char*>(g_direct.resize(p, wanted));
    ASSERT_NE(q, nullptr) << wanted;
    EXPECT_EQ(g_direct.size_of(q), align_up(wanted, os::page_size()));
    if (q != p) {
      EXPECT_EQ(g_direct.size_of(p), 0u);
    }
    const size_t kept = std::min(bytes, wanted);
    for (size_t i = 0; i < kept; i += 97)
      ASSERT_EQ(q[i], 0x21);
    memset(q, 0x21, wanted);
    p = q;
    bytes = wanted;
    EXPECT_TRUE(g_direct.check_invariants());
  }
  EXPECT_EQ(g_direct.resize(p, size_t{1} << 62), nullptr);
  EXPECT_EQ(g_direct.size_of(p), os::page_size());  // a failure changes nothing
  EXPECT_EQ(p[0], 0x21);
  EXPECT_TRUE(g_direct.release(p));
  EXPECT_EQ(g_direct.resize(p, 5000), nullptr);
}

TEST(Direct, TheTableFollowsTheNumberOfBlocks) {
  void* p = g_direct.allocate(5000, 16);
  for (size_t round = 0; round < 5000; ++round) {
    p = g_direct.resize(p, 4096 * (2 + round % 7));
    ASSERT_NE(p, nullptr);
    ASSERT_TRUE(g_direct.release(g_direct.allocate(4096, 16)));
  }
  size_t blocks = 0, bytes = 0, peak = 0, table = 0;
  g_direct.totals(&blocks, &bytes, &peak, &table);
  EXPECT_EQ(blocks, 1u);
  EXPECT_LE(table, 2 * kPageSize);  // whatever came and went
  EXPECT_TRUE(g_direct.release(p));
}

TEST(Direct, RandomManyEntries) {
  const uint64_t seed = test::seed_or(61);
  SCOPED_TRACE(test::name_seed(seed));
  test::Random random(seed);
  std::vector<std::pair<uint64_t*, size_t>> live;
  size_t most = 0;
  for (size_t step = 0; step < test::scaled(40'000); ++step) {
    const size_t bytes = random.between(8, 20'000);
    if (live.size() < 4000 && !random.one_in(3)) {
      uint64_t* const p = static_cast<uint64_t*>(g_direct.allocate(bytes, 16));
      ASSERT_NE(p, nullptr);
      ASSERT_EQ(*p, 0u);
      *p = step;
      live.emplace_back(p, step);
    } else if (!live.empty()) {
      std::swap(live[random.below(live.size())], live.back());
      auto& [p, content] = live.back();
      ASSERT_EQ(*p, content);
      if (random.one_in(3)) {
        p = static_cast<uint64_t*>(g_direct.resize(p, bytes));
        ASSERT_NE(p, nullptr);
        ASSERT_EQ(*p, content);
        ASSERT_GE(g_direct.size_of(p), bytes);
      } else {
        ASSERT_TRUE(g_direct.release(p));
        ASSERT_EQ(g_direct.size_of(p), 0u);
        live.pop_back();
      }
    }
    most = std::max(most, live.size());
    ASSERT_EQ(blocks(), live.size());
    if (step % 1000 == 0) {
      ASSERT_TRUE(g_direct.check_invariants());
    }
  }
  EXPECT_GT(most, 500u);
  size_t visited = 0;
  g_direct.visit([](uintptr_t, size_t, void* context) { ++*static_cast<size_t*>(context); }, &visited);
  EXPECT_EQ(visited, live.size());
  for (const auto& [p, content] : live) {
    EXPECT_EQ(*p, content);
    EXPECT_TRUE(g_direct.release(p));
  }
  EXPECT_EQ(blocks(), 0u);
}

TEST(Direct, ThreadsMoveAndFreeTheirs) {
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      test::Random random(70 + t);
      for (size_t round = 0; round < test::scaled(3000); ++round) {
        uint64_t* p = static_cast<uint64_t*>(g_direct.allocate(random.between(4096, 50'000), 16));
        ASSERT_NE(p, nullptr);
        *p = t * 1'000'000 + round;
        for (int i = 0; i < 3; ++i) {
          p = static_cast<uint64_t*>(g_direct.resize(p, random.between(4096, 200'000)));
          ASSERT_NE(p, nullptr);
          ASSERT_EQ(*p, t * 1'000'000 + round);
        }
        ASSERT_TRUE(g_direct.release(p));
      }
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  EXPECT_TRUE(g_direct.check_invariants());
  EXPECT_EQ(blocks(), 0u);
}

}  // namespace
}  // namespace ashlar::page
