// Bit arithmetic that <bit> lacks, and branch hints. Pure functions.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

// The compiler watches memory accesses (a sanitizer, or tests/model): then none may hide in assembler.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define ASHLAR_WATCHED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define ASHLAR_WATCHED 1
#endif
#endif

#define ASHLAR_LIKELY(x) __builtin_expect(!!(x), 1)
#define ASHLAR_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define ASHLAR_NOINLINE __attribute__((noinline))
#define ASHLAR_ALWAYS_INLINE inline __attribute__((always_inline))

namespace ashlar {

constexpr bool is_power_of_two(size_t value) { return value != 0 && (value & (value - 1)) == 0; }

// Alignment must be a power of two; the caller rules overflow out.
constexpr size_t align_up(size_t value, size_t alignment) {
  return (value + alignment - 1) & ~(alignment - 1);
}
constexpr size_t align_down(size_t value, size_t alignment) { return value & ~(alignment - 1); }

constexpr unsigned lowest_bit(uint64_t word) { return static_cast<unsigned>(std::countr_zero(word)); }
constexpr unsigned highest_bit(uint64_t word) { return 63u - static_cast<unsigned>(std::countl_zero(word)); }

// Written out: without the popcnt instruction, which the x86-64 baseline lacks, compilers call libgcc.
// Source: Warren, Hacker's Delight, 5-1.
constexpr unsigned count_bits(uint64_t word) {
#if defined(__POPCNT__) || defined(__aarch64__)
  return static_cast<unsigned>(std::popcount(word));
#else
  word -= word >> 1 & 0x5555555555555555u;
  word = (word & 0x3333333333333333u) + (word >> 2 & 0x3333333333333333u);
  word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu;
  return static_cast<unsigned>(word * 0x0101010101010101u >> 56);
#endif
}

// The smallest k with 2^k >= value; value >= 1.
constexpr unsigned log2_up(size_t value) {
  return value <= 1 ? 0 : 64u - static_cast<unsigned>(std::countl_zero(value - 1));
}

// `count` ones from bit `from` up; from < 64, from + count <= 64.
constexpr uint64_t bit_range(unsigned from, unsigned count) {
  return (count >= 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1) << from;
}

constexpr uint64_t bit(unsigned index) { return uint64_t{1} << index; }

}  // namespace ashlar
