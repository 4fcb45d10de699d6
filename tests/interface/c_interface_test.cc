// traps.md 1-4 and 13: the edges of the C functions (zero, too large, overflow), errno, and what libc
// allocates itself. Alignment is alignment_test's, usable sizes are usable_size_test's.
#include "support.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <string.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <set>

namespace interface_test {
namespace {

constexpr size_t kTooLarge[] = {static_cast<size_t>(PTRDIFF_MAX) + 1,
                                static_cast<size_t>(PTRDIFF_MAX) + 4096,
                                SIZE_MAX - 65536,
                                SIZE_MAX - 4096,
                                SIZE_MAX - 4095,
                                SIZE_MAX - 16,
                                SIZE_MAX - 15,
                                SIZE_MAX - 1,
                                SIZE_MAX};

void expect_enomem(const std::function<void*()>& call, const char* what, size_t size) {
  errno = 0;
  void* const p = call();
  EXPECT_EQ(p, nullptr) << what << " of " << size;
  EXPECT_EQ(errno, ENOMEM) << what << " of " << size;
  std::free(p);
}

// 1. malloc(0) and realloc(p, 0).
TEST(Zero, MallocOfZeroGivesDistinctBlocks) {
  std::set<void*> blocks;
  for (int i = 0; i < 1000; ++i) {
    void* const p = std::malloc(opaque<size_t>(0));
    ASSERT_NE(p, nullptr);
    EXPECT_TRUE(blocks.insert(p).second) << "the same block twice";
  }
  for (void* p : blocks) {
    std::free(p);
  }
}

TEST(Zero, EveryFunctionGivesABlockForNoBytes) {
  void* const blocks[] = {std::calloc(opaque<size_t>(0), 8),
                          std::calloc(8, opaque<size_t>(0)),
                          std::realloc(opaque<void*>(nullptr), opaque<size_t>(0)),
                          reallocarray(nullptr, opaque<size_t>(0), 8),
                          memalign(64, opaque<size_t>(0)),
                          aligned_alloc(64, opaque<size_t>(0)),
                          valloc(opaque<size_t>(0)),
                          pvalloc(opaque<size_t>(0))};
  std::set<void*> distinct;
  for (void* p : blocks) {
    EXPECT_NE(p, nullptr);
    EXPECT_TRUE(distinct.insert(p).second);
  }
  for (void* p : distinct) {
    std::free(p);
  }
}

TEST(Zero, ReallocOfNullIsMalloc) {
  for (const size_t size : sizes_of_every_path()) {
    void* const p = std::realloc(opaque<void*>(nullptr), size);
    ASSERT_NE(p, nullptr);
    EXPECT_GE(malloc_usable_size(p), size);
    fill(p, size, 1);
    std::free(p);
  }
}

TEST(Zero, ReallocToZeroFreesAndGivesNull) {
  for (const size_t size : {16UL, 1000UL, 100 * kKiB, 40 * kMiB}) {
    errno = 0;
    EXPECT_EQ(std::realloc(std::malloc(opaque(size)), opaque<size_t>(0)), nullptr);
    EXPECT_EQ(reallocarray(std::malloc(opaque(size)), opaque<size_t>(0), 8), nullptr);
    EXPECT_EQ(errno, 0) << "it is no failure";
  }
  const size_t before = live_bytes();
  for (int i = 0; i < 100000; ++i) {
    ASSERT_EQ(std::realloc(std::malloc(opaque<size_t>(1000)), opaque<size_t>(0)), nullptr);
  }
  EXPECT_LT(live_bytes(), before + kMiB) << "realloc(p, 0) doesn't free";
}

TEST(Zero, FreeOfNullDoesNothing) {
  std::free(opaque<void*>(nullptr));
  EXPECT_EQ(malloc_usable_size(opaque<void*>(nullptr)), 0U);
  if (auto* const old_free = find_function<void(void*)>("cfree")) {
    old_free(nullptr);
  }
}

// 2. Sizes above PTRDIFF_MAX.
TEST(TooLarge, EveryAllocatingFunctionSetsEnomem) {
  for (const size_t size : kTooLarge) {
    const size_t n = opaque(size);
    expect_enomem([n] { return std::malloc(n); }, "malloc", n);
    expect_enomem([n] { return std::calloc(1, n); }, "calloc", n);
    expect_enomem([n] { return std::calloc(n, 1); }, "calloc", n);
    expect_enomem([n] { return std::realloc(nullptr, n); }, "realloc", n);
    expect_enomem([n] { return reallocarray(nullptr, n, 1); }, "reallocarray", n);
    expect_enomem([n] { return memalign(8, n); }, "memalign 8", n);
    expect_enomem([n] { return memalign(64, n); }, "memalign 64", n);
    expect_enomem([n] { return memalign(65536, n); }, "memalign 65536", n);
    expect_enomem([n] { return aligned_alloc(64, n); }, "aligned_alloc", n);
    expect_enomem([n] { return valloc(n); }, "valloc", n);
    expect_enomem([n] { return pvalloc(n); }, "pvalloc", n);
    void* p = &p;
    EXPECT_EQ(posix_memalign(&p, 64, n), ENOMEM);
    EXPECT_EQ(p, &p);
  }
}

TEST(TooLarge, TheLargestLegalSizesFailAsWell) {
  for (const size_t below : {0UL, 1UL, 15UL, 16UL, 4095UL, 4096UL, kMiB, kGiB}) {
    const size_t n = opaque(static_cast<size_t>(PTRDIFF_MAX) - below);
    expect_enomem([n] { return std::malloc(n); }, "malloc", n);
    expect_enomem([n] { return std::calloc(1, n); }, "calloc", n);
    expect_enomem([n] { return memalign(4096, n); }, "memalign", n);
    expect_enomem([n] { return pvalloc(n); }, "pvalloc", n);
  }
}

TEST(TooLarge, AFailedReallocLeavesTheBlock) {
  for (const size_t size : {24UL, 1000UL, 100 * kKiB, 40 * kMiB}) {
    void* const p = std::malloc(size);
    ASSERT_NE(p, nullptr);
    fill(p, size, 7);
    for (const size_t n : kTooLarge) {
      expect_enomem([&] { return std::realloc(opaque(p), opaque(n)); }, "realloc", n);
      expect_enomem([&] { return reallocarray(opaque(p), opaque(n), 1); }, "reallocarray", n);
    }
    EXPECT_TRUE(filled(p, size, 7));
    std::free(p);
  }
}

// 3. Products that overflow.
TEST(Overflow, CallocAndReallocarrayRefuse) {
  const size_t factors[][2] = {{SIZE_MAX, SIZE_MAX},   {SIZE_MAX / 2 + 1, 2},   {2, SIZE_MAX / 2 + 1},
                               {1UL << 33, 1UL << 33}, {SIZE_MAX / 16 + 2, 16}, {3, SIZE_MAX / 3 + 1},
                               {1UL << 32, 1UL << 32}, {SIZE_MAX, 16}};
  for (const auto& factor : factors) {
    const size_t n = opaque(factor[0]);
    const size_t m = opaque(factor[1]);
    expect_enomem([=] { return std::calloc(n, m); }, "calloc", n);
    expect_enomem([=] { return reallocarray(nullptr, n, m); }, "reallocarray", n);
    void* const p = std::malloc(100);
    fill(p, 100, 3);
    expect_enomem([=] { return reallocarray(p, n, m); }, "reallocarray of a block", n);
    EXPECT_TRUE(filled(p, 100, 3));
    std::free(p);
  }
}

TEST(Overflow, PvallocDoesNotWrap) {
  for (size_t below = 0; below <= 4096; ++below) {
    const size_t n = opaque(SIZE_MAX - below);
    expect_enomem([n] { return pvalloc(n); }, "pvalloc", n);
  }
}

TEST(Overflow, ReallocarrayMultiplies) {
  void* p = reallocarray(nullptr, opaque<size_t>(10), 100);
  EXPECT_GE(malloc_usable_size(p), 1000U);
  p = reallocarray(p, opaque<size_t>(1000), 1000);
  EXPECT_GE(malloc_usable_size(p), 1000000U);
  std::free(p);
}

// 4. free and errno.
TEST(Errno, FreeKeepsIt) {
  for (const size_t size : sizes_of_every_path()) {
    const int rounds = size < kMiB ? 200 : 3;
    std::vector<void*> blocks;
    for (int i = 0; i < rounds; ++i) {
      blocks.push_back(std::malloc(size));
      memset(blocks.back(), 1, size);
    }
    for (void* p : blocks) {
      errno = 12345;
      std::free(p);
      ASSERT_EQ(errno, 12345) << "free of " << size;
    }
  }
}

TEST(Errno, AllocationThatSucceedsKeepsIt) {
  for (const size_t size : sizes_of_every_path()) {
    errno = 12345;
    void* p = std::malloc(size);
    EXPECT_EQ(errno, 12345) << "malloc of " << size;
    p = std::realloc(p, size + 1000);
    EXPECT_EQ(errno, 12345) << "realloc of " << size;
    std::free(p);
  }
}

// 13. What libc allocates comes from us.
TEST(Libc, ItsOwnAllocationsAreOurs) {
  char* const copy = strdup(opaque("a text that is copied"));
  char* const part = strndup(opaque("a text that is copied"), 6);
  char* text = nullptr;
  ASSERT_GT(asprintf(&text, "%s %d", "text", 5), 0);
  char* stream_text = nullptr;
  size_t stream_size = 0;
  FILE* const stream = open_memstream(&stream_text, &stream_size);
  std::fputs("into memory", stream);
  std::fclose(stream);
  char* line = nullptr;
  size_t line_size = 0;
  FILE* const file = std::fopen("/proc/self/status", "re");
  ASSERT_GT(getline(&line, &line_size, file), 0);
  std::fclose(file);
  char* const path = realpath("/", nullptr);
  for (char* p : {copy, part, text, stream_text, line, path}) {
    ASSERT_NE(p, nullptr);
    EXPECT_TRUE(owned(p));
    EXPECT_GT(malloc_usable_size(p), strlen(p));
    std::free(p);
  }
}

}  // namespace
}  // namespace interface_test
