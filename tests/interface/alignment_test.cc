// traps.md 5-8: alignments that are refused, rounded, huge; every block on 16 bytes.
#include "support.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <string.h>
#include <unistd.h>

#include <cstdlib>

namespace interface_test {
namespace {

// 5. posix_memalign.
TEST(PosixMemalign, RefusesABadAlignmentAndTouchesNothing) {
  for (const size_t alignment : {0UL, 1UL, 2UL, 3UL, 4UL, 7UL, 12UL, 24UL, 48UL, 0x300UL, 4097UL, SIZE_MAX}) {
    void* p = &p;
    errno = 12345;
    EXPECT_EQ(posix_memalign(&p, opaque(alignment), 100), EINVAL) << alignment;
    EXPECT_EQ(p, &p) << alignment;
    EXPECT_EQ(errno, 12345) << alignment;
  }
}

TEST(PosixMemalign, ReturnsItsFailureAndTouchesNothing) {
  for (const size_t size : {static_cast<size_t>(PTRDIFF_MAX), SIZE_MAX - 64, SIZE_MAX}) {
    for (const size_t alignment : {8UL, 16UL, 64UL, 4096UL, kGiB}) {
      void* p = &p;
      errno = 12345;
      EXPECT_EQ(posix_memalign(&p, alignment, opaque(size)), ENOMEM);
      EXPECT_EQ(p, &p);
      EXPECT_EQ(errno, 12345);
    }
  }
}

TEST(PosixMemalign, AlignsEverySize) {
  for (size_t alignment = sizeof(void*); alignment <= 4 * kMiB; alignment *= 2) {
    for (const size_t size : {0UL, 1UL, 16UL, 100UL, 1000UL, 5000UL, 40000UL, 300 * kKiB, 2 * kMiB}) {
      void* p = nullptr;
      errno = 12345;
      ASSERT_EQ(posix_memalign(&p, opaque(alignment), size), 0);
      EXPECT_EQ(errno, 12345);
      EXPECT_TRUE(aligned(p, alignment)) << p << " for " << alignment;
      EXPECT_GE(malloc_usable_size(p), size);
      fill(p, size, 9);
      std::free(p);
    }
  }
}

// 6. memalign rounds up, aligned_alloc refuses.
TEST(Memalign, RoundsAnAlignmentUp) {
  const size_t asked[][2] = {{0, 16},       {1, 16},      {3, 16},      {17, 32},
                             {24, 32},      {48, 64},     {65, 128},    {100, 128},
                             {0x300, 1024}, {3000, 4096}, {4097, 8192}, {65537, 131072}};
  for (const auto& [alignment, rounded] : asked) {
    for (int i = 0; i < 20; ++i) {
      void* const p = memalign(opaque(alignment), 100);
      ASSERT_NE(p, nullptr) << alignment;
      EXPECT_TRUE(aligned(p, rounded)) << p << " for " << alignment;
    }
  }
}

TEST(AlignedAlloc, RefusesWhatIsNoPowerOfTwo) {
  for (const size_t alignment : {0UL, 3UL, 24UL, 48UL, 0x300UL, 4097UL, SIZE_MAX}) {
    errno = 0;
    EXPECT_EQ(aligned_alloc(opaque(alignment), 4800), nullptr) << alignment;
    EXPECT_EQ(errno, EINVAL) << alignment;
  }
}

TEST(AlignedAlloc, AsksForNoMultiple) {
  for (size_t alignment = 1; alignment <= 64 * kKiB; alignment *= 2) {
    for (const size_t size : {1UL, 17UL, 100UL, 4097UL}) {
      void* const p = aligned_alloc(opaque(alignment), opaque(size));
      ASSERT_NE(p, nullptr) << alignment << ", " << size;
      EXPECT_TRUE(aligned(p, alignment));
      EXPECT_GE(malloc_usable_size(p), size);
      std::free(p);
    }
  }
}

TEST(Valloc, GivesWholePages) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  for (const size_t size : {1UL, 100UL, 4096UL, 4097UL, 100000UL, 5 * kMiB}) {
    void* const p = valloc(opaque(size));
    void* const q = pvalloc(opaque(size));
    ASSERT_NE(p, nullptr);
    ASSERT_NE(q, nullptr);
    EXPECT_TRUE(aligned(p, page));
    EXPECT_TRUE(aligned(q, page));
    EXPECT_GE(malloc_usable_size(q), (size + page - 1) / page * page);
    std::free(p);
    std::free(q);
  }
}

// 7. Huge alignments.
TEST(HugeAlignment, WorksOrFailsCleanly) {
  for (int bit = 21; bit < 64; ++bit) {
    const size_t alignment = opaque(size_t{1} << bit);
    for (const size_t size : {1UL, 100UL, 5000UL, kMiB, 40 * kMiB}) {
      errno = 0;
      void* const p = memalign(alignment, size);
      if (p == nullptr) {
        EXPECT_TRUE(errno == ENOMEM || errno == EINVAL) << "bit " << bit << " errno " << errno;
        EXPECT_GT(bit, 30) << "1 GiB ought to work here";
        continue;
      }
      EXPECT_TRUE(aligned(p, alignment));
      EXPECT_GE(malloc_usable_size(p), size);
      static_cast<char*>(p)[0] = 1;
      static_cast<char*>(p)[size - 1] = 1;
      std::free(p);
    }
  }
  EXPECT_EQ(heap_faults(), 0);
}

TEST(HugeAlignment, PlusSizeDoesNotOverflow) {
  for (int bit = 30; bit < 64; ++bit) {
    const size_t alignment = opaque(size_t{1} << bit);
    for (const size_t size :
         {SIZE_MAX - alignment, SIZE_MAX - alignment + 1, SIZE_MAX - alignment + 2,
          static_cast<size_t>(PTRDIFF_MAX), static_cast<size_t>(PTRDIFF_MAX) - alignment}) {
      if (size < kGiB * 1024) {
        continue;  // small enough to be had
      }
      errno = 0;
      EXPECT_EQ(memalign(alignment, opaque(size)), nullptr) << alignment << " + " << size;
      EXPECT_TRUE(errno == ENOMEM || errno == EINVAL);
      errno = 0;
      EXPECT_EQ(aligned_alloc(alignment, opaque(size)), nullptr);
      EXPECT_TRUE(errno == ENOMEM || errno == EINVAL);
    }
  }
}

TEST(HugeAlignment, ManyAtOnceDoNotOverlap) {
  std::vector<void*> blocks;
  for (unsigned i = 0; i < 40; ++i) {
    const size_t alignment = size_t{1} << (12 + i % 14);
    blocks.push_back(memalign(alignment, 3000 + i * 1000));
    ASSERT_NE(blocks.back(), nullptr);
    EXPECT_TRUE(aligned(blocks.back(), alignment));
    fill(blocks.back(), 3000 + i * 1000, i);
  }
  for (unsigned i = 0; i < 40; ++i) {
    EXPECT_TRUE(filled(blocks[i], 3000 + i * 1000, i)) << i;
  }
  for (void* p : blocks) {
    std::free(p);
  }
}

// 8. 16 bytes for every block.
TEST(SixteenBytes, EveryBlockOfEveryFunction) {
  std::vector<void*> blocks;
  for (size_t size = 0; size < 6000; size = size < 300 ? size + 1 : size + 37) {
    blocks.push_back(std::malloc(opaque(size)));
    blocks.push_back(std::calloc(1, opaque(size)));
    blocks.push_back(std::realloc(std::malloc(opaque<size_t>(40)), size + 1));
    blocks.push_back(memalign(opaque<size_t>(2), size));
    blocks.push_back(aligned_alloc(opaque<size_t>(1), size));
    blocks.push_back(::operator new(opaque(size)));
    blocks.push_back(strdup(std::string(size, 'x').c_str()));
  }
  for (void* p : blocks) {
    ASSERT_NE(p, nullptr);
    EXPECT_TRUE(aligned(p, 16)) << p << " of " << malloc_usable_size(p);
    std::free(p);
  }
  for (const size_t size : sizes_of_every_path()) {
    void* const p = std::malloc(size);
    EXPECT_TRUE(aligned(p, 16)) << size;
    std::free(p);
  }
}

}  // namespace
}  // namespace interface_test
