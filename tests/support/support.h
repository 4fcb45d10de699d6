// What the layers' tests share: seeded random numbers, how much work a build does, children, residency.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace ashlar::test {

// Whether a sanitizer maps, locks and counts memory of its own in this build.
#ifdef ASHLAR_TEST_SANITIZED
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

// What decides, in a test of many operations, which one comes next: random numbers here, the bytes of an
// input in tests/fuzz.
class Choices {
 public:
  virtual ~Choices() = default;
  // 0 .. bound - 1.
  virtual size_t below(size_t bound) = 0;
  size_t between(size_t low, size_t high) { return low + below(high - low + 1); }
  bool one_in(size_t n) { return below(n) == 0; }
};

// splitmix64: the same numbers everywhere. The seed is fixed; ASHLAR_TEST_SEED sets another.
class Random final : public Choices {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next();
  size_t below(size_t bound) override { return static_cast<size_t>(next() % bound); }

 private:
  uint64_t state_;
};

uint64_t seed_or(uint64_t fallback);
std::string name_seed(uint64_t seed);  // for SCOPED_TRACE

// Operations for this build: fewer where they are slower, more where ASHLAR_TEST_LONG asks for it.
size_t scaled(size_t operations);

// Runs `body` in a forked child and returns how that ended: 0, its exit status, or -signal. A failed
// EXPECT in the child is printed and ends it with status 1.
int run_in_child(const std::function<void()>& body);

// Which of `pages` pages of 4 KiB from start are resident, as mincore says.
std::vector<bool> resident(const void* start, size_t pages);
size_t count_resident(const void* start, size_t pages);

// What a call writes to file descriptor `fd`.
std::string output_of(int fd, const std::function<void()>& body);

}  // namespace ashlar::test
