// Random numbers for the benchmarks: the same on every run and with every allocator, and cheap
// enough to be drawn inside a timed loop. xorshift64* (Vigna, "An experimental exploration of
// Marsaglia's xorshift generators, scrambled", 2016).
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "micro/mapped_array.h"

namespace ashlar::bench {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15u | 1) {}

  uint64_t next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545F4914F6CDD1Du;
  }

  // Uniform in [0, bound), up to a bias of bound / 2^32.
  size_t below(size_t bound) { return static_cast<size_t>((next() >> 32) * bound >> 32); }

  // Uniform in [low, high].
  size_t between(size_t low, size_t high) { return low + below(high - low + 1); }

 private:
  uint64_t state_;
};

// Fills the array with 0 … size-1 in random order (Fisher-Yates).
inline void fill_with_permutation(MappedArray<uint32_t>& order, Random& random) {
  for (size_t i = 0; i < order.size(); ++i)
    order[i] = static_cast<uint32_t>(i);
  for (size_t i = order.size(); i > 1; --i)
    std::swap(order[i - 1], order[random.below(i)]);
}

inline void fill_with_sizes(MappedArray<uint16_t>& sizes, size_t low, size_t high, Random& random) {
  for (uint16_t& size : sizes)
    size = static_cast<uint16_t>(random.between(low, high));
}

}  // namespace ashlar::bench
