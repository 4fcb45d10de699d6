// The random operations; see shadow_heap.h.
#include "shadow_heap.h"

#include <algorithm>

#include "heap_support.h"

namespace ashlar::heap {

// Mostly small, as programs are: 60 % up to 128 B, 25 % up to 1 KiB, 10 % up to 32 KiB, the rest above.
size_t ShadowHeap::random_size() {
  const size_t choice = random_.below(1000);
  size_t most = choice < 600   ? 128
                : choice < 850 ? 1024
                : choice < 950 ? 32 * kKiB
                : choice < 998 ? 256 * kKiB
                               : largest_;
  if (choice % 97 == 0) most = 1;
  most = std::min(most, largest_);
  return random_.below(most + 1);
}

void ShadowHeap::allocate() {
  const size_t size = random_size();
  const size_t choice = random_.below(10);
  if (choice < 7) return books_.note(heap::allocate(size), size, 16, false);
  if (choice < 9) return books_.note(allocate_zeroed(size), size, 16, true);
  const size_t alignment = size_t{1} << random_.below(random_.one_in(10) ? 22 : 13);
  books_.note(allocate_aligned(alignment, size), size, std::max<size_t>(alignment, 16), false);
}

void ShadowHeap::reallocate() {
  const size_t place = random_.below(blocks());
  books_.check(place);
  const ShadowBlock old = books_.block(place);
  const size_t size =
      std::max<size_t>(1, random_.one_in(2) ? random_size() : old.size * random_.between(1, 300) / 100);
  if (size > largest_ * 2) return;
  const size_t usable = usable_size(old.start);
  books_.forget(place);
  unsigned char* const p = static_cast<unsigned char*>(heap::reallocate(old.start, size));
  ASSERT_NE(p, nullptr);
  if (size <= usable && size > usable / 2) {
    ASSERT_EQ(p, old.start) << "moved without need";
  }
  ShadowBlock moved = old;
  moved.start = p;
  ASSERT_EQ(check_pattern(moved, std::min(size, old.size)), -1) << old.size << " -> " << size << " bytes";
  books_.note(p, size, 16, false);
}

void ShadowHeap::free_one() {
  const size_t place = random_.below(blocks());
  books_.check(place);
  deallocate(books_.forget(place).start);
}

void ShadowHeap::step(size_t most_blocks) {
  const bool full = blocks() >= most_blocks || bytes() > 64 * largest_;
  const size_t choice = random_.below(100);
  if (blocks() == 0 || (choice < 47 && !full)) return allocate();
  choice < 55 ? reallocate() : free_one();
}

void ShadowHeap::free_all() {
  while (blocks() > 0 && !::testing::Test::HasFatalFailure())
    free_one();
}

}  // namespace ashlar::heap
