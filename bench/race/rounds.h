// The race itself: every row under every allocator, round after round.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "race/options.h"
#include "race/result.h"

namespace ashlar::bench {

// Runs row `row` under allocator `allocator` once. Throws std::runtime_error when the run failed.
using Measure = std::function<Measurement(size_t row, size_t allocator)>;

// In each round all rows in order, and within a row all allocators, shuffled: what disturbs the
// machine for a while disturbs all of them. After a failure an allocator sits that row out.
RaceResult run_rounds(const Options& options, const std::vector<Allocator>& allocators,
                      const std::vector<std::string>& rows, const Measure& measure);

}  // namespace ashlar::bench
