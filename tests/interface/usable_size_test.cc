// traps.md 9: all of malloc_usable_size may be written to; it never shrinks; calloc zeroes all of it;
// realloc to it doesn't move. And realloc keeps the content.
#include "support.h"

#include <gtest/gtest.h>
#include <malloc.h>
#include <string.h>

#include <cstdlib>
#include <random>

namespace interface_test {
namespace {

std::vector<size_t> many_sizes() {
  std::vector<size_t> sizes = sizes_of_every_path();
  for (size_t size = 1; size < 2 * kMiB; size += size / 7 + 1) {
    sizes.push_back(size);
  }
  return sizes;
}

TEST(UsableSize, AllOfItMayBeWritten) {
  std::vector<void*> blocks;
  std::vector<size_t> usable;
  for (const size_t size : many_sizes()) {
    for (int copy = 0; copy < 3; ++copy) {
      blocks.push_back(std::malloc(size));
      ASSERT_NE(blocks.back(), nullptr);
      usable.push_back(malloc_usable_size(blocks.back()));
      ASSERT_GE(usable.back(), size);
      fill(blocks.back(), usable.back(), static_cast<unsigned>(blocks.size()));
    }
  }
  for (size_t i = 0; i < blocks.size(); ++i) {
    EXPECT_TRUE(filled(blocks[i], usable[i], static_cast<unsigned>(i + 1))) << usable[i];
    EXPECT_EQ(malloc_usable_size(blocks[i]), usable[i]) << "it changed during the block's life";
  }
  EXPECT_EQ(heap_faults(), 0);
  for (void* p : blocks) {
    std::free(p);
  }
  EXPECT_EQ(heap_faults(), 0);
}

TEST(UsableSize, HoldsForAlignedBlocks) {
  for (size_t alignment = 16; alignment <= kMiB; alignment *= 2) {
    for (const size_t size : {1UL, 100UL, 1000UL, 5000UL, 100000UL}) {
      void* const p = memalign(alignment, size);
      ASSERT_NE(p, nullptr);
      const size_t usable = malloc_usable_size(p);
      ASSERT_GE(usable, size);
      memset(p, 0xff, usable);
      EXPECT_EQ(malloc_usable_size(p), usable);
      std::free(p);
    }
  }
  EXPECT_EQ(heap_faults(), 0);
}

TEST(UsableSize, CallocZeroesAllOfIt) {
  for (int round = 0; round < 3; ++round) {
    for (const size_t size : many_sizes()) {
      const int copies = size < 64 * kKiB ? 20 : 2;
      void* blocks[20];
      for (int i = 0; i < copies; ++i) {
        blocks[i] = std::malloc(size);
        memset(opaque(blocks[i]), 0xff, malloc_usable_size(blocks[i]));
      }
      for (int i = 0; i < copies; ++i) {
        std::free(blocks[i]);
      }
      for (int i = 0; i < copies; ++i) {
        blocks[i] = std::calloc(1, opaque(size));
        ASSERT_NE(blocks[i], nullptr);
        ASSERT_TRUE(all_zero(blocks[i], malloc_usable_size(blocks[i]))) << size;
      }
      for (int i = 0; i < copies; ++i) {
        memset(opaque(blocks[i]), 0xff, malloc_usable_size(blocks[i]));
        std::free(blocks[i]);
      }
    }
  }
}

TEST(UsableSize, ReallocToItStays) {
  for (const size_t size : many_sizes()) {
    void* const p = std::malloc(size);
    ASSERT_NE(p, nullptr);
    const uintptr_t address = address_of(p);
    const size_t usable = malloc_usable_size(p);
    void* const q = std::realloc(p, opaque(usable));
    EXPECT_EQ(address_of(q), address) << size << " of " << usable;
    EXPECT_GE(malloc_usable_size(q), usable);
    std::free(q);
  }
}

TEST(Realloc, KeepsTheContentUpAndDown) {
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    size_t size = 1 + random() % 200;
    auto* p = static_cast<unsigned char*>(std::malloc(size));
    fill(p, size, 5);
    for (int step = 0; step < 12; ++step) {
      const size_t limit = size_t{64} << (random() % 14);
      const size_t next = 1 + random() % limit;
      p = static_cast<unsigned char*>(std::realloc(p, next));
      ASSERT_NE(p, nullptr);
      ASSERT_TRUE(filled(p, std::min(size, next), 5)) << size << " to " << next;
      fill(p, next, 5);
      size = next;
    }
    std::free(p);
  }
}

TEST(Realloc, KeepsTheContentOfLargeBlocks) {
  size_t size = 100 * kKiB;
  void* p = std::malloc(size);
  fill(p, size, 6);
  for (const size_t next : {kMiB, 20 * kMiB, 40 * kMiB, 100 * kMiB, 60 * kMiB, 34 * kMiB, 10 * kMiB, 3 * kMiB,
                            50 * kMiB, 100 * kKiB, 1000UL}) {
    p = std::realloc(p, next);
    ASSERT_NE(p, nullptr);
    ASSERT_TRUE(filled(p, std::min(size, next), 6)) << size << " to " << next;
    fill(p, next, 6);
    size = next;
  }
  std::free(p);
  EXPECT_EQ(heap_faults(), 0);
}

TEST(Realloc, ShrinkingGivesTheTailBack) {
  void* p = std::malloc(30 * kMiB);
  memset(opaque(p), 1, 30 * kMiB);
  const size_t before = resident_bytes();
  p = std::realloc(p, 100 * kKiB);
  malloc_trim(0);
  EXPECT_LT(resident_bytes() + 20 * kMiB, before);
  std::free(p);
}

}  // namespace
}  // namespace interface_test
