// What the heap promises, written down beside it: every live block with its place, size and content.
//
// A block's content is a pattern of its own number, checked before it is freed or moved. Overlap shows
// twice: in the map of ranges, and in a foreign pattern. One thread; blocks may be handed to another's books.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "support/support.h"

namespace ashlar::heap {

struct ShadowBlock {
  unsigned char* start;
  size_t size;    // as asked for
  uint64_t name;  // of the pattern
};

// Fatal failures say what was wrong.
class ShadowBooks {
 public:
  explicit ShadowBooks(uint64_t first_name) : next_name_(first_name) {}

  // A new block: aligned, large enough, over no other, all zero if it is to be; writes its pattern.
  void note(void* p, size_t size, size_t alignment, bool zeroed);
  // The block at `place` is what was written.
  void check(size_t place) const;
  void check_all() const;
  // Out of the books: about to be freed or resized, or to go into another's.
  ShadowBlock forget(size_t place);
  // A block that `forget` of other books gave.
  void adopt(const ShadowBlock& block);

  const ShadowBlock& block(size_t place) const { return blocks_[place]; }
  size_t blocks() const { return blocks_.size(); }
  size_t bytes() const { return bytes_; }

 private:
  uint64_t next_name_;
  size_t bytes_ = 0;
  std::vector<ShadowBlock> blocks_;
  std::map<uintptr_t, size_t> ranges_;  // start -> usable bytes
};

void write_pattern(const ShadowBlock& block);
// The offset of the first wrong byte among the first `size`, or -1.
long check_pattern(const ShadowBlock& block, size_t size);

}  // namespace ashlar::heap
