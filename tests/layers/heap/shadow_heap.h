// What the heap promises, written down beside it: every live block with its place, size and content.
//
// A block's content is a pattern of its own number, checked before it is freed or moved. Overlap shows
// twice: in the map of ranges, and in a foreign pattern. One thread; blocks may be handed to another's.
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

class ShadowHeap {
 public:
  ShadowHeap(uint64_t seed, uint64_t first_name, size_t largest)
      : random_(seed), next_name_(first_name), largest_(largest) {}

  // One random operation: malloc, calloc, realloc, an aligned allocation, or free. Fatal failures say why.
  void step(size_t most_blocks);
  void free_all();

  // Takes a random block out of the books, and into another's.
  ShadowBlock give_away();
  void adopt(const ShadowBlock& block);

  size_t blocks() const { return blocks_.size(); }
  size_t bytes() const { return bytes_; }

 private:
  size_t random_size();
  void note(void* p, size_t size, size_t alignment, bool zeroed);
  void allocate();
  void reallocate();
  void free_one();
  void forget(size_t place);

  test::Random random_;
  uint64_t next_name_;
  size_t largest_;
  size_t bytes_ = 0;
  std::vector<ShadowBlock> blocks_;
  std::map<uintptr_t, size_t> ranges_;  // start -> usable bytes
};

void write_pattern(const ShadowBlock& block);
// The offset of the first wrong byte among the first `size`, or -1.
long check_pattern(const ShadowBlock& block, size_t size);

}  // namespace ashlar::heap
