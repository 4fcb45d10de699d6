// What the small programs keep beside the heap that they measure: random numbers, and arrays that no
// allocator serves. The pages of an array are resident from the start, so that they cancel out of
// every difference of RSS. Knows no allocator; each object is used by one thread at a time.
#pragma once

#include <sys/mman.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace ashlar::bench {

// xorshift64*: the same sequence on every machine and in every run.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15u + 1) {}

  uint64_t next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545F4914F6CDD1Du;
  }

  // From 0 to bound - 1. The high bits: the low ones of xorshift64* are weaker.
  size_t below(size_t bound) { return static_cast<size_t>((next() >> 32) * bound >> 32); }

  size_t between(size_t low, size_t high) { return low + below(high - low + 1); }

  // As likely from 16 to 32 as from 32 to 64: most blocks of most programs are small.
  size_t log_between(size_t low, size_t high) {
    const double share = static_cast<double>(next() >> 11) * 0x1p-53;
    return static_cast<size_t>(static_cast<double>(low) *
                               std::pow(static_cast<double>(high) / static_cast<double>(low), share));
  }

 private:
  uint64_t state_;
};

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
