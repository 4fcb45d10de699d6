// What the small programs keep beside the heap that they measure: arrays that no
// allocator serves. The pages of an array are resident from the start, so that they cancel out of
// every difference of RSS. Knows no allocator; each object is used by one thread at a time.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "support/random.h"

namespace ashlar::bench {

// `count` zeroed elements in resident pages of their own; never given back.
template <typename T>
T* mapped_array(size_t count) {
  void* const memory = mmap(nullptr, count * sizeof(T), PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory == MAP_FAILED) {
    perror("mmap");
    exit(1);
  }
  return static_cast<T*>(memory);
}

template <typename T>
void shuffle(T* elements, size_t count, Random& random) {
  for (size_t i = count; i > 1; --i)
    std::swap(elements[i - 1], elements[random.below(i)]);
}

// A block that is resident: every page of it is written.
inline char* touched_block(size_t bytes) {
  constexpr size_t kPage = 4096;
  char* const block = static_cast<char*>(malloc(bytes));
  if (block == nullptr) {
    perror("malloc");
    exit(1);
  }
  for (size_t at = 0; at < bytes; at += kPage)
    static_cast<volatile char*>(block)[at] = 1;
  static_cast<volatile char*>(block)[bytes - 1] = 1;
  return block;
}

}  // namespace ashlar::bench
