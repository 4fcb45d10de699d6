// Explorations as GoogleTest tests.
#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "model.h"

namespace ashlar::model {

// True in scripts/test-long: wider bounds.
inline bool is_long() { return std::getenv("ASHLAR_TEST_LONG") != nullptr; }

// How many loads of a thread may return an old value: in everybody's run, and in scripts/test-long.
inline unsigned old_values(unsigned quick, unsigned thorough) { return is_long() ? thorough : quick; }

inline void tell(const Result& result) {
  std::printf("model: %zu interleavings, %zu left as known, %zu steps at most%s\n", result.executions,
              result.abandoned, result.longest, result.complete ? ", complete" : "");
}

// Every interleaving is explored, and none breaks a property.
inline void expect_proved(const Program& program) {
  const Result result = explore(program);
  tell(result);
  EXPECT_EQ(result.failure, "") << "after " << result.executions << " interleavings:\n" << result.steps;
  EXPECT_TRUE(result.complete || !result.failure.empty()) << "not all interleavings were explored";
}

// None of the first so many interleavings breaks a property; whether there are more is told, not asserted.
// For programs too large to be explored whole.
inline void expect_unbroken(Program program, size_t executions) {
  program.most_executions = executions;
  const Result result = explore(program);
  tell(result);
  EXPECT_EQ(result.failure, "") << "after " << result.executions << " interleavings:\n" << result.steps;
}

// The fault that is seeded into the program is found: what it breaks begins with `failure`.
inline void expect_found(const Program& program, const std::string& failure) {
  const Result result = explore(program);
  tell(result);
  EXPECT_EQ(result.failure.substr(0, failure.size()), failure) << result.steps;
}

}  // namespace ashlar::model
