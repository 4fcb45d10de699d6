// The shadow heap; see shadow_heap.h.
#include "shadow_heap.h"

#include <algorithm>
#include <cstring>

#include "heap_support.h"

namespace ashlar::heap {

namespace {

constexpr size_t kWhole = 2048;  // of larger blocks, both ends and one byte a page carry the pattern

unsigned char pattern_at(uint64_t name, size_t offset) {
  return static_cast<unsigned char>((name * 0x9e3779b97f4a7c15u >> 32) + offset * 7);
}

// Calls visit for every offset that carries the pattern.
template <typename Visit>
bool for_pattern(size_t size, Visit visit) {
  const size_t head = std::min(size, kWhole);
  for (size_t i = 0; i < head; ++i) {
    if (!visit(i)) return false;
  }
  for (size_t i = kPageSize; i < size; i += kPageSize) {
    if (!visit(i)) return false;
  }
  for (size_t i = size - std::min<size_t>(size, 64); i < size; ++i) {
    if (!visit(i)) return false;
  }
  return true;
}

}  // namespace

void write_pattern(const ShadowBlock& block) {
  for_pattern(block.size, [&block](size_t i) {
    block.start[i] = pattern_at(block.name, i);
    return true;
  });
}

long check_pattern(const ShadowBlock& block, size_t size) {
  long wrong = -1;
  for_pattern(size, [&](size_t i) {
    // Where a shrunk block ends now, no pattern was written unless the old one had it there too.
    if (i >= kWhole && i % kPageSize != 0 && i + 64 < block.size) return true;
    if (block.start[i] == pattern_at(block.name, i)) return true;
    wrong = static_cast<long>(i);
    return false;
  });
  return wrong;
}

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

void ShadowHeap::note(void* p, size_t size, size_t alignment, bool zeroed) {
  ASSERT_NE(p, nullptr) << size << " bytes at " << alignment;
  const uintptr_t start = reinterpret_cast<uintptr_t>(p);
  ASSERT_EQ(start % alignment, 0u) << size << " bytes";
  const size_t usable = usable_size(p);
  ASSERT_GE(usable, std::max<size_t>(size, 1));
  const auto [place, is_new] = ranges_.emplace(start, usable);
  ASSERT_TRUE(is_new) << "handed out twice: " << p;
  ASSERT_TRUE(place == ranges_.begin() || std::prev(place)->first + std::prev(place)->second <= start);
  ASSERT_TRUE(std::next(place) == ranges_.end() || start + usable <= std::next(place)->first);
  unsigned char* const bytes = static_cast<unsigned char*>(p);
  if (zeroed) {
    ASSERT_TRUE(bytes[0] == 0 && memcmp(bytes, bytes + 1, usable - 1) == 0)
        << size << " bytes are not all zero";
  }
  const ShadowBlock block{bytes, size, next_name_++};
  write_pattern(block);
  // The rest of the block is the program's as well.
  if (usable > size) bytes[usable - 1] = 0xa5;
  blocks_.push_back(block);
  bytes_ += size;
}

void ShadowHeap::forget(size_t place) {
  ranges_.erase(reinterpret_cast<uintptr_t>(blocks_[place].start));
  bytes_ -= blocks_[place].size;
  blocks_[place] = blocks_.back();
  blocks_.pop_back();
}

void ShadowHeap::allocate() {
  const size_t size = random_size();
  const size_t choice = random_.below(10);
  if (choice < 7) return note(heap::allocate(size), size, 16, false);
  if (choice < 9) return note(allocate_zeroed(size), size, 16, true);
  const size_t alignment = size_t{1} << random_.below(random_.one_in(10) ? 22 : 13);
  note(allocate_aligned(alignment, size), size, std::max<size_t>(alignment, 16), false);
}

void ShadowHeap::reallocate() {
  const size_t place = random_.below(blocks_.size());
  const ShadowBlock old = blocks_[place];
  ASSERT_EQ(check_pattern(old, old.size), -1) << "block " << old.name << " of " << old.size << " bytes";
  const size_t size =
      std::max<size_t>(1, random_.one_in(2) ? random_size() : old.size * random_.between(1, 300) / 100);
  if (size > largest_ * 2) return;
  const size_t usable = usable_size(old.start);
  forget(place);
  unsigned char* const p = static_cast<unsigned char*>(heap::reallocate(old.start, size));
  ASSERT_NE(p, nullptr);
  if (size <= usable && size > usable / 2) {
    ASSERT_EQ(p, old.start) << "moved without need";
  }
  ShadowBlock moved = old;
  moved.start = p;
  ASSERT_EQ(check_pattern(moved, std::min(size, old.size)), -1) << old.size << " -> " << size << " bytes";
  note(p, size, 16, false);
}

void ShadowHeap::free_one() {
  const size_t place = random_.below(blocks_.size());
  const ShadowBlock block = blocks_[place];
  ASSERT_EQ(check_pattern(block, block.size), -1)
      << "block " << block.name << " of " << block.size << " bytes";
  forget(place);
  deallocate(block.start);
}

void ShadowHeap::step(size_t most_blocks) {
  const bool full = blocks_.size() >= most_blocks || bytes_ > 64 * largest_;
  const size_t choice = random_.below(100);
  if (blocks_.empty() || (choice < 47 && !full)) return allocate();
  choice < 55 ? reallocate() : free_one();
}

void ShadowHeap::free_all() {
  while (!blocks_.empty() && !::testing::Test::HasFatalFailure())
    free_one();
}

ShadowBlock ShadowHeap::give_away() {
  const size_t place = random_.below(blocks_.size());
  const ShadowBlock block = blocks_[place];
  forget(place);
  return block;
}

void ShadowHeap::adopt(const ShadowBlock& block) {
  ASSERT_EQ(check_pattern(block, block.size), -1) << "block " << block.name << " from another thread";
  ASSERT_TRUE(ranges_.emplace(reinterpret_cast<uintptr_t>(block.start), usable_size(block.start)).second);
  blocks_.push_back(block);
  bytes_ += block.size;
}

}  // namespace ashlar::heap
