// The books; see shadow_books.h.
#include "shadow_books.h"

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

void ShadowBooks::note(void* p, size_t size, size_t alignment, bool zeroed) {
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

void ShadowBooks::check(size_t place) const {
  const ShadowBlock& block = blocks_[place];
  ASSERT_EQ(check_pattern(block, block.size), -1)
      << "block " << block.name << " of " << block.size << " bytes";
}

void ShadowBooks::check_all() const {
  for (size_t place = 0; place < blocks_.size(); ++place)
    check(place);
}

ShadowBlock ShadowBooks::forget(size_t place) {
  const ShadowBlock block = blocks_[place];
  ranges_.erase(reinterpret_cast<uintptr_t>(block.start));
  bytes_ -= block.size;
  blocks_[place] = blocks_.back();
  blocks_.pop_back();
  return block;
}

void ShadowBooks::adopt(const ShadowBlock& block) {
  ASSERT_EQ(check_pattern(block, block.size), -1) << "block " << block.name << " from another thread";
  ASSERT_TRUE(ranges_.emplace(reinterpret_cast<uintptr_t>(block.start), usable_size(block.start)).second);
  blocks_.push_back(block);
  bytes_ += block.size;
}

}  // namespace ashlar::heap
