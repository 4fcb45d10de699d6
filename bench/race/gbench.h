// Races the rows of a Google Benchmark binary, one process for each run of each row.
#pragma once

#include <string>
#include <vector>

#include "race/options.h"
#include "race/result.h"

namespace ashlar::bench {

// Lists the rows that match, verifies, races. Throws std::runtime_error.
RaceResult race_gbench(const Options& options, const std::vector<Allocator>& allocators);

// Time and counters of the one benchmark in Google Benchmark's JSON. The time is that of one item
// where the benchmark counts items, else of one iteration.
Measurement parse_gbench_report(const std::string& json);

// A regular expression that matches `name` alone.
std::string exactly(const std::string& name);

// The row's name without what Google Benchmark appends: "/iterations:1", "/real_time", "/threads:2".
std::string short_name(const std::string& name);

}  // namespace ashlar::bench
