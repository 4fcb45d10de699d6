// The heap's calls at their borders: sizes beside class limits, thresholds, impossible requests.
#include "heap/heap.h"

#include <algorithm>
#include <cstring>

#include "base/options.h"
#include "heap_support.h"
#include "os/system.h"
#include "page/direct.h"

namespace ashlar::heap {
namespace {

class HeapTest : public ::testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(faults(), 0); }
};

// Both sides of every class limit, of slots to pages, and of pages to mappings.
std::vector<size_t> border_sizes() {
  std::vector<size_t> sizes{0};
  for (unsigned index = 1; index < slab::kClassCount; ++index) {
    for (const size_t size :
         {slab::kClasses[index].size - 1, slab::kClasses[index].size, slab::kClasses[index].size + 1}) {
      sizes.push_back(size);
    }
  }
  for (const size_t size : {64 * kKiB, 255 * kKiB, kMiB, 2 * kMiB, 5 * kMiB, g_options.direct_threshold}) {
    sizes.insert(sizes.end(), {size - 1, size, size + 1});
  }
  return sizes;
}

TEST_F(HeapTest, EveryBorderSize) {
  for (const size_t size : border_sizes()) {
    SCOPED_TRACE(size);
    unsigned char* p = static_cast<unsigned char*>(allocate(size));
    ASSERT_NE(p, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(p) % 16, 0u);
    const size_t usable = usable_size(p);
    EXPECT_GE(usable, size);
    const size_t page =
        size > g_options.direct_threshold ? os::page_size() : kPageSize;  // the kernel's there
    EXPECT_LE(usable, std::max<size_t>(16, size < 32 * kKiB ? size + size / 7 + 16 : size + page));
    EXPECT_TRUE(owns(p));
    memset(p, 0xee, usable);
    unsigned char* const same = static_cast<unsigned char*>(reallocate(p, usable));
    EXPECT_EQ(same, p) << "realloc(p, malloc_usable_size(p)) moved it";  // traps.md 9
    p = same;
    deallocate(p);
    const unsigned char* const zeroed = static_cast<unsigned char*>(allocate_zeroed(size));
    ASSERT_NE(zeroed, nullptr);
    EXPECT_TRUE(zeroed[0] == 0 && memcmp(zeroed, zeroed + 1, usable_size(zeroed) - 1) == 0);
    deallocate(const_cast<unsigned char*>(zeroed));
  }
}

TEST_F(HeapTest, ZeroBytesAreDistinctBlocks) {
  void* const a = allocate(0);
  void* const b = allocate(0);
  EXPECT_NE(a, nullptr);
  EXPECT_NE(a, b);
  EXPECT_GE(usable_size(a), 1u);
  deallocate(a);
  deallocate(b);
  deallocate(nullptr);
  EXPECT_EQ(usable_size(nullptr), 0u);
}

TEST_F(HeapTest, EveryAlignmentAndSize) {
  for (size_t alignment = 1; alignment <= 64 * kMiB; alignment *= 2) {
    for (const size_t size : {0u, 1u, 17u, 500u, 4096u, 5000u, 32768u, 32769u, 200'000u, 3'000'000u}) {
      char* const p = static_cast<char*>(allocate_aligned(alignment, size));
      ASSERT_NE(p, nullptr) << size << " at " << alignment;
      ASSERT_EQ(reinterpret_cast<uintptr_t>(p) % alignment, 0u) << size;
      ASSERT_GE(usable_size(p), size);
      memset(p, 1, size);
      char* const q = static_cast<char*>(reallocate(p, size + 100));
      ASSERT_NE(q, nullptr);
      ASSERT_TRUE(size == 0 || q[size - 1] == 1);
      deallocate(q);
    }
  }
  void* const huge = allocate_aligned(size_t{1} << 30, 1);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(huge) % (size_t{1} << 30), 0u);
  deallocate(huge);
}

TEST_F(HeapTest, ImpossibleRequestsAreNull) {
  for (const size_t size : {SIZE_MAX, SIZE_MAX - 4096, SIZE_MAX / 2 + 1, static_cast<size_t>(PTRDIFF_MAX)}) {
    EXPECT_EQ(allocate(size), nullptr) << size;
    EXPECT_EQ(allocate_zeroed(size), nullptr) << size;
    EXPECT_EQ(allocate_aligned(4096, size), nullptr) << size;
    EXPECT_EQ(allocate_aligned(16, size), nullptr) << size;
    char* const p = static_cast<char*>(allocate(100));
    p[99] = 9;
    EXPECT_EQ(reallocate(p, size), nullptr) << size;
    EXPECT_EQ(p[99], 9);  // it stays
    deallocate(p);
  }
  EXPECT_EQ(allocate_aligned(size_t{1} << 63, 1), nullptr);
  EXPECT_EQ(allocate_aligned(size_t{1} << 62, size_t{1} << 62), nullptr);
}

TEST_F(HeapTest, ReallocFromEverySizeToEveryOther) {
  const size_t sizes[] = {1,      16,     100,     512,       1000,      5000,
                          30'000, 40'000, 300'000, 1'500'000, 34 * kMiB, 40 * kMiB};
  for (const size_t from : sizes) {
    for (const size_t to : sizes) {
      unsigned char* const p = static_cast<unsigned char*>(reallocate(nullptr, from));
      for (size_t i = 0; i < from; i += 61)
        p[i] = static_cast<unsigned char>(i);
      unsigned char* const q = static_cast<unsigned char*>(reallocate(p, to));
      ASSERT_NE(q, nullptr);
      for (size_t i = 0; i < std::min(from, to); i += 61)
        ASSERT_EQ(q[i], static_cast<unsigned char>(i)) << from << " " << to;
      EXPECT_GE(usable_size(q), to);
      EXPECT_EQ(reallocate(q, 0), nullptr);
    }
  }
}

TEST_F(HeapTest, ShrunkBlocksGiveMemoryBack) {
  char* const p = static_cast<char*>(allocate(20 * kMiB));
  memset(p, 1, 20 * kMiB);
  char* const q = static_cast<char*>(reallocate(p, 100'000));
  EXPECT_LE(usable_size(q), 200'000u);
  EXPECT_LE(page::g_pages.counters().live_pages, 200u);
  deallocate(q);
}

TEST_F(HeapTest, TheDirectThresholdDivides) {
  void* const below = allocate(g_options.direct_threshold - 1);
  void* const above = allocate(g_options.direct_threshold);
  PageIndex page = 0;
  EXPECT_TRUE(page::find_page(below, &page));
  EXPECT_FALSE(page::find_page(above, &page));
  EXPECT_EQ(page::g_direct.size_of(above), g_options.direct_threshold);
  EXPECT_TRUE(owns(above));
  deallocate(below);
  deallocate(above);
  EXPECT_FALSE(owns(above));
}

TEST_F(HeapTest, PurgeReturnsWhatIsFree) {
  std::vector<void*> blocks(20'000);
  for (void*& block : blocks)
    block = memset(allocate(3000), 1, 3000);
  const size_t opened = pages_to_bytes(page::g_window_owner.opened());
  const char* const start = reinterpret_cast<char*>(page::g_window.base);
  EXPECT_GE(test::count_resident(start, opened / kPageSize) * kPageSize, 50 * kMiB);
  for (void* const block : blocks)
    deallocate(block);
  EXPECT_GT(purge(), 0u);
  EXPECT_LE(test::count_resident(start, opened / kPageSize), 16u);
  EXPECT_EQ(purge(), 0u);
}

TEST_F(HeapTest, ForeignPointersAreNamedOnce) {
  deallocate(allocate(1));
  alignas(16) static char foreign[64];
  const std::string said = test::output_of(2, [] {
    deallocate(foreign);
    deallocate(foreign + 16);
  });
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
  EXPECT_EQ(said.rfind("ashlar: free of 0x", 0), 0u) << said;
  EXPECT_FALSE(owns(foreign));
}

using HeapDeathTest = HeapTest;
const auto kAborts = ::testing::KilledBySignal(SIGABRT);

TEST_F(HeapDeathTest, BadFreesStop) {
  char* const p = static_cast<char*>(allocate(64));
  EXPECT_EXIT((deallocate(p), deallocate(p)), kAborts, "^ashlar: double free of 0x");
  char* const large = static_cast<char*>(allocate(100'000));
  EXPECT_EXIT((deallocate(large), deallocate(large)), kAborts,
              "^ashlar: free of 0x[0-9a-f]+, which is no live block");
  EXPECT_EXIT(deallocate(large + 4096), kAborts, "^ashlar: free of 0x");
  EXPECT_EXIT(deallocate(large + 16), kAborts, "^ashlar: free of 0x");
  char* const direct = static_cast<char*>(allocate(g_options.direct_threshold));
  EXPECT_EXIT(deallocate(direct + 4096), kAborts, "lies inside the direct mapping");
  deallocate(large);
  deallocate(direct);
  deallocate(p);
}

TEST_F(HeapDeathTest, ReallocAndUsableSizeOfNoBlockStop) {
  alignas(16) static char foreign[64];
  deallocate(allocate(1));
  EXPECT_EXIT(reallocate(foreign, 100), kAborts, "^ashlar: realloc of 0x[0-9a-f]+, which is not Ashlar's");
  EXPECT_EXIT(static_cast<void>(usable_size(foreign)), kAborts, "^ashlar: malloc_usable_size of 0x");
  char* const large = static_cast<char*>(allocate(100'000));
  EXPECT_EXIT(reallocate(large + 8192, 100), kAborts, "^ashlar: realloc of 0x");
  deallocate(large);
  g_options.foreign = 1;
  EXPECT_EXIT((g_options.foreign = 1, deallocate(allocate(1)), deallocate(foreign)), kAborts,
              "^ashlar: free of 0x");
}

}  // namespace
}  // namespace ashlar::heap
