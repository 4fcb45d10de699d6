// Random numbers for the benchmarks: the same on every run and with every allocator, and cheap
// enough to be drawn inside a timed loop. xorshift64* (Vigna, "An experimental exploration of
// Marsaglia's xorshift generators, scrambled", 2016).
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

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

  // As likely from 16 to 32 as from 32 to 64: most blocks of most programs are small.
  size_t log_between(size_t low, size_t high) {
    const double share = static_cast<double>(next() >> 11) * 0x1p-53;
    return static_cast<size_t>(static_cast<double>(low) *
                               std::pow(static_cast<double>(high) / static_cast<double>(low), share));
  }

 private:
  uint64_t state_;
};

}  // namespace ashlar::bench
