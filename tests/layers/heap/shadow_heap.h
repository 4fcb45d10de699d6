// Random operations on the heap, with books of its blocks kept beside (shadow_books.h). One thread; blocks
// may be handed to another's.
#pragma once

#include "shadow_books.h"

namespace ashlar::heap {

class ShadowHeap {
 public:
  ShadowHeap(uint64_t seed, uint64_t first_name, size_t largest)
      : random_(seed), books_(first_name), largest_(largest) {}

  // One random operation: malloc, calloc, realloc, an aligned allocation, or free. Fatal failures say why.
  void step(size_t most_blocks);
  void free_all();

  // Takes a random block out of the books, and into another's.
  ShadowBlock give_away() { return books_.forget(random_.below(blocks())); }
  void adopt(const ShadowBlock& block) { books_.adopt(block); }

  size_t blocks() const { return books_.blocks(); }
  size_t bytes() const { return books_.bytes(); }

 private:
  size_t random_size();
  void allocate();
  void reallocate();
  void free_one();

  test::Random random_;
  ShadowBooks books_;
  size_t largest_;
};

}  // namespace ashlar::heap
