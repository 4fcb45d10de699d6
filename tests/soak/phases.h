// The load of the soak, phase by phase: a cycle of them is repeated, so that the same phase can be compared
// with itself an hour later. Knows sizes and rates, no allocator and no thread.
#pragma once

#include <cstddef>

#include "support/random.h"

namespace ashlar::soak {

// How live memory, and the threads that make it, behave within a phase.
enum class Way {
  kRamp,          // live grows from nothing to the target
  kSteady,        // live stays at the target, blocks are replaced at random
  kShortThreads,  // the same, by threads that live for some hundred operations
  kHandOver,      // half of the threads allocate only, the other half free only
  kIdle,          // everything but a few blocks is freed; then nothing is called; then very little
  kBurst,         // live rises to the target and falls to an eighth of it, four times
  kForks,         // as kSteady, while children are forked
};

// Sizes as likely from 16 to 32 bytes as from 32 to 64.
struct Sizes {
  unsigned weight;  // shares of all sizes of a phase, of 1000 in all
  size_t smallest;
  size_t largest;
};

struct Phase {
  const char* name;
  Way way;
  unsigned threads;
  size_t live_bytes;  // target, in all
  double operations;  // a second, in all threads, where a phase takes kFullSeconds
  unsigned resizes;   // of 1000 operations
  unsigned cleared;   // of 1000 blocks, freed at the start whatever the target
  Sizes sizes[3];
};

constexpr double kFullSeconds = 60;
constexpr unsigned kPhases = 10;
extern const Phase kCycle[kPhases];

// What live memory should be now; `share` is how much of the phase has passed, 0 to 1.
size_t live_target(const Phase& phase, double share);

size_t draw_size(const Phase& phase, bench::Random& random);

}  // namespace ashlar::soak
