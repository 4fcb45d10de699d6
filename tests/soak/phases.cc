#include "phases.h"

#include <cmath>

namespace ashlar::soak {
namespace {

constexpr size_t kKiB = 1024;
constexpr size_t kMiB = 1024 * kKiB;
constexpr Sizes kSmall = {1000, 16, 256};
constexpr Sizes kMixed[3] = {{900, 16, kKiB}, {95, kKiB, 8 * kKiB}, {5, 8 * kKiB, 64 * kKiB}};
constexpr Sizes kLarge[3] = {
    {300, 4 * kKiB, 32 * kKiB}, {698, 32 * kKiB, 2 * kMiB}, {2, 32 * kMiB, 40 * kMiB}};
constexpr unsigned kTeeth = 4;

}  // namespace

// Low rates on purpose: the soak is to run beside other work for an hour. The largest blocks of `large` and
// what realloc makes of them pass 32 MiB, from where a block is a mapping of its own.
const Phase kCycle[kPhases] = {
    {"ramp", Way::kRamp, 2, 64 * kMiB, 50000, 20, 0, {kSmall}},
    {"mixed", Way::kSteady, 4, 96 * kMiB, 100000, 50, 0, {kMixed[0], kMixed[1], kMixed[2]}},
    {"shift_64", Way::kSteady, 2, 40 * kMiB, 100000, 0, 900, {{1000, 56, 64}}},
    {"shift_200", Way::kSteady, 3, 96 * kMiB, 100000, 0, 0, {{1000, 192, 208}}},
    {"large", Way::kSteady, 4, 192 * kMiB, 400, 400, 950, {kLarge[0], kLarge[1], kLarge[2]}},
    {"short_threads", Way::kShortThreads, 8, 64 * kMiB, 100000, 50, 0, {kMixed[0], kMixed[1], kMixed[2]}},
    {"hand_over", Way::kHandOver, 8, 48 * kMiB, 100000, 0, 0, {{1000, 16, kKiB}}},
    {"idle", Way::kIdle, 1, 64 * kKiB, 100, 0, 1000, {kSmall}},
    {"burst", Way::kBurst, 6, 256 * kMiB, 50000, 20, 0, {{1000, 64, 4 * kKiB}}},
    {"forks", Way::kForks, 3, 64 * kMiB, 50000, 20, 0, {kMixed[0], kMixed[1], kMixed[2]}},
};

size_t live_target(const Phase& phase, double share) {
  const auto live = static_cast<double>(phase.live_bytes);
  switch (phase.way) {
    case Way::kRamp:
      return static_cast<size_t>(live * share);
    case Way::kBurst: {
      const double tooth = share * kTeeth - std::floor(share * kTeeth);
      const double height = tooth < 0.5 ? 2 * tooth : 2 - 2 * tooth;
      return static_cast<size_t>(live * (0.125 + 0.875 * height));
    }
    default:
      return phase.live_bytes;
  }
}

size_t draw_size(const Phase& phase, bench::Random& random) {
  size_t draw = random.below(1000);
  for (const Sizes& sizes : phase.sizes) {
    if (draw < sizes.weight) return random.log_between(sizes.smallest, sizes.largest);
    draw -= sizes.weight;
  }
  return phase.sizes[0].smallest;
}

}  // namespace ashlar::soak
