// Vector clocks: for each thread how far it is known.
#pragma once

#include <cstdint>

namespace ashlar::model {

inline constexpr unsigned kMaxThreads =
    4;  // three that are explored, and the one that looks at the final state

using ThreadMask = uint8_t;

struct Clock {
  uint32_t at[kMaxThreads] = {};

  void join(const Clock& other) {
    for (unsigned t = 0; t < kMaxThreads; ++t)
      at[t] = at[t] < other.at[t] ? other.at[t] : at[t];
  }
  // True if what `thread` did at this point of its own time is known.
  bool covers(unsigned thread, uint32_t time) const { return at[thread] >= time; }
};

}  // namespace ashlar::model
