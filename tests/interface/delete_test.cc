// traps.md 10 and 11: every operator new and delete, wrong sizes that corrupt nothing, the new_handler.
#include "support.h"

#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/resource.h>

#include <cstdlib>
#include <new>

namespace interface_test {
namespace {

using FreeSized = void(void*, size_t);
using FreeAlignedSized = void(void*, size_t, size_t);

constexpr size_t kSizes[] = {1,    8,    16,    24,    100,        512,      513,
                             1000, 4096, 20000, 40000, 200 * kKiB, 3 * kMiB, 40 * kMiB};
constexpr size_t kHuge = static_cast<size_t>(PTRDIFF_MAX) - 4096;

// After the wrong frees: blocks of all these sizes neither overlap nor lose what is written to them.
void expect_sound_heap() {
  std::vector<void*> blocks;
  for (int round = 0; round < 30; ++round) {
    for (const size_t size : kSizes) {
      if (size <= 40000) {
        blocks.push_back(std::malloc(size));
        fill(blocks.back(), size, static_cast<unsigned>(blocks.size()));
      }
    }
  }
  size_t i = 0;
  for (int round = 0; round < 30; ++round) {
    for (const size_t size : kSizes) {
      if (size <= 40000) {
        ASSERT_TRUE(filled(blocks[i], size, static_cast<unsigned>(i + 1))) << size;
        ++i;
      }
    }
  }
  for (void* p : blocks) {
    std::free(p);
  }
  EXPECT_EQ(heap_faults(), 0);
}

// 10. Wrong sizes and alignments.
TEST(WrongSize, DeleteDoesNotCorrupt) {
  for (const size_t size : kSizes) {
    for (const size_t wrong : {0UL, 1UL, 16UL, 100UL, 600UL, 5000UL, 50000UL, kMiB, 100 * kMiB, SIZE_MAX}) {
      ::operator delete(::operator new(opaque(size)), opaque(wrong));
      ::operator delete[](::operator new[](opaque(size)), opaque(wrong));
      ::operator delete (::operator new (opaque(size), std::align_val_t{64}), opaque(wrong),
                         std::align_val_t{64});
      ::operator delete[](::operator new[](opaque(size), std::align_val_t{64}), opaque(wrong),
                          std::align_val_t{64});
    }
  }
  expect_sound_heap();
}

TEST(WrongSize, DeleteWithAWrongAlignmentDoesNotCorrupt) {
  for (const size_t size : kSizes) {
    for (const size_t wrong : {1UL, 16UL, 32UL, 4096UL, kMiB, kGiB}) {
      ::operator delete (::operator new(opaque(size)), std::align_val_t{opaque(wrong)});
      ::operator delete (::operator new (opaque(size), std::align_val_t{128}), opaque(size),
                         std::align_val_t{opaque(wrong)});
      ::operator delete(::operator new (opaque(size), std::align_val_t{4096}), opaque(size));
    }
  }
  expect_sound_heap();
}

TEST(WrongSize, FreeSizedDoesNotCorrupt) {
  auto* const free_sized = find_function<FreeSized>("free_sized");
  ASSERT_NE(free_sized, nullptr);
  free_sized(nullptr, 100);
  for (const size_t size : kSizes) {
    free_sized(std::malloc(size), size);
    free_sized(std::calloc(1, size), size);
    for (const size_t wrong : {0UL, 1UL, 16UL, 100UL, 600UL, 5000UL, 50000UL, kMiB, SIZE_MAX}) {
      free_sized(std::malloc(size), wrong);
    }
  }
  expect_sound_heap();
}

TEST(WrongSize, FreeAlignedSizedDoesNotCorrupt) {
  auto* const free_aligned_sized = find_function<FreeAlignedSized>("free_aligned_sized");
  ASSERT_NE(free_aligned_sized, nullptr);
  free_aligned_sized(nullptr, 64, 100);
  for (const size_t size : kSizes) {
    free_aligned_sized(aligned_alloc(64, size), 64, size);
    for (const size_t wrong : {0UL, 1UL, 100UL, 5000UL, 50000UL, SIZE_MAX}) {
      free_aligned_sized(aligned_alloc(64, size), 64, wrong);
      free_aligned_sized(aligned_alloc(64, size), opaque(wrong), size);
      free_aligned_sized(std::malloc(size), 4096, wrong);
    }
  }
  expect_sound_heap();
}

// 11. Every form of operator new.
TEST(OperatorNew, EveryFormGivesItsBlock) {
  for (const size_t size : kSizes) {
    const size_t n = opaque(size);
    const auto align = std::align_val_t{256};
    void* const blocks[] = {::operator new(n),
                            ::operator new[](n),
                            ::operator new(n, std::nothrow),
                            ::operator new[](n, std::nothrow),
                            ::operator new(n, align),
                            ::operator new[](n, align),
                            ::operator new(n, align, std::nothrow),
                            ::operator new[](n, align, std::nothrow)};
    for (int i = 0; i < 8; ++i) {
      ASSERT_NE(blocks[i], nullptr);
      EXPECT_TRUE(owned(blocks[i]));
      EXPECT_TRUE(aligned(blocks[i], i < 4 ? 16 : 256));
      EXPECT_GE(malloc_usable_size(blocks[i]), n);
      fill(blocks[i], n, static_cast<unsigned>(i));
    }
    for (int i = 0; i < 8; ++i) {
      EXPECT_TRUE(filled(blocks[i], n, static_cast<unsigned>(i)));
    }
    ::operator delete(blocks[0]);
    ::operator delete[](blocks[1], n);
    ::operator delete(blocks[2], std::nothrow);
    ::operator delete[](blocks[3], std::nothrow);
    ::operator delete(blocks[4], align);
    ::operator delete[](blocks[5], n, align);
    ::operator delete(blocks[6], align, std::nothrow);
    ::operator delete[](blocks[7], align, std::nothrow);
  }
}

TEST(OperatorNew, OfNoBytesGivesDistinctBlocks) {
  void* const p = ::operator new(opaque<size_t>(0));
  void* const q = ::operator new[](opaque<size_t>(0));
  EXPECT_NE(p, nullptr);
  EXPECT_NE(q, nullptr);
  EXPECT_NE(p, q);
  ::operator delete(p);
  ::operator delete[](q);
}

TEST(OperatorNew, DeleteOfNullDoesNothing) {
  ::operator delete(opaque<void*>(nullptr));
  ::operator delete[](opaque<void*>(nullptr));
  ::operator delete(opaque<void*>(nullptr), opaque<size_t>(10));
  ::operator delete[](opaque<void*>(nullptr), opaque<size_t>(10));
  ::operator delete(opaque<void*>(nullptr), std::nothrow);
  ::operator delete (opaque<void*>(nullptr), std::align_val_t{64});
  ::operator delete (opaque<void*>(nullptr), 10, std::align_val_t{64});
}

TEST(OperatorNew, ThrowsBadAllocAtTheEnd) {
  const size_t n = opaque(kHuge);
  const auto align = std::align_val_t{256};
  EXPECT_THROW(static_cast<void>(opaque(::operator new(n))), std::bad_alloc);
  EXPECT_THROW(static_cast<void>(opaque(::operator new[](n))), std::bad_alloc);
  EXPECT_THROW(static_cast<void>(opaque(::operator new(n, align))), std::bad_alloc);
  EXPECT_THROW(static_cast<void>(opaque(::operator new[](n, align))), std::bad_alloc);
  EXPECT_EQ(opaque(::operator new(n, std::nothrow)), nullptr);
  EXPECT_EQ(opaque(::operator new[](n, std::nothrow)), nullptr);
  EXPECT_EQ(opaque(::operator new(n, align, std::nothrow)), nullptr);
  EXPECT_EQ(opaque(::operator new[](n, align, std::nothrow)), nullptr);
}

// A handler that gives up at its third call.
int handler_calls = 0;
void give_up_at_third() {
  if (++handler_calls == 3) {
    std::set_new_handler(nullptr);
  }
}

TEST(NewHandler, IsCalledUntilItGivesUp) {
  const size_t n = opaque(kHuge);
  for (int form = 0; form < 4; ++form) {
    handler_calls = 0;
    std::set_new_handler(give_up_at_third);
    bool threw = false;
    void* p = nullptr;
    try {
      p = form == 0   ? ::operator new(n)
          : form == 1 ? ::operator new (n, std::align_val_t{64})
          : form == 2 ? ::operator new(n, std::nothrow)
                      : ::operator new (n, std::align_val_t{64}, std::nothrow);
    } catch (const std::bad_alloc&) {
      threw = true;
    }
    EXPECT_EQ(opaque(p), nullptr);
    EXPECT_EQ(threw, form < 2) << form;
    EXPECT_EQ(handler_calls, 3) << form;
    std::set_new_handler(nullptr);
  }
}

TEST(NewHandler, MayThrow) {
  std::set_new_handler([] { throw std::bad_alloc(); });
  const size_t n = opaque(kHuge);
  EXPECT_THROW(static_cast<void>(opaque(::operator new(n))), std::bad_alloc);
  EXPECT_EQ(opaque(::operator new(n, std::nothrow)), nullptr);
  EXPECT_EQ(opaque(::operator new (n, std::align_val_t{64}, std::nothrow)), nullptr);
  std::set_new_handler(nullptr);
}

// A handler that makes room: the limit on memory is lifted.
rlimit old_limit;
void lift_limit() {
  ++handler_calls;
  setrlimit(RLIMIT_AS, &old_limit);
}

TEST(NewHandler, MayMakeRoom) {
  ASSERT_EQ(getrlimit(RLIMIT_AS, &old_limit), 0);
  handler_calls = 0;
  std::set_new_handler(lift_limit);
  rlimit tight = old_limit;
  tight.rlim_cur = 64 * kMiB;  // below what is mapped already: every further mapping fails
  ASSERT_EQ(setrlimit(RLIMIT_AS, &tight), 0);
  void* p = nullptr;
  EXPECT_NO_THROW(p = ::operator new(opaque(500 * kMiB)));
  setrlimit(RLIMIT_AS, &old_limit);
  std::set_new_handler(nullptr);
  EXPECT_NE(p, nullptr);
  EXPECT_EQ(handler_calls, 1);
  ::operator delete(p);
}

}  // namespace
}  // namespace interface_test
