// What the micro-benchmarks draw by the array.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "micro/mapped_array.h"
#include "support/random.h"

namespace ashlar::bench {

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
