// Seconds of the monotonic clock.
#pragma once

#include <time.h>

namespace ashlar::soak {

inline double now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// Returns at once when `when` has passed.
inline void sleep_until(double when) {
  const auto seconds = static_cast<time_t>(when);
  const timespec time = {seconds, static_cast<long>((when - static_cast<double>(seconds)) * 1e9)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr) != 0) {
  }
}

}  // namespace ashlar::soak
