// Races whole programs.
#pragma once

#include "race/options.h"
#include "race/result.h"

namespace ashlar::bench {

// Verifies, then runs the workloads of the options. Throws std::runtime_error.
RaceResult race_programs(const Options& options, const std::vector<Allocator>& allocators);

}  // namespace ashlar::bench
