// A race's result as tables and as JSON.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "race/result.h"

namespace ashlar::bench {

// One table a program: allocators down, time and memory across, ratios to the best other allocator
// and to the baseline.
std::string program_report(const RaceResult& result, size_t baseline);

// Time, peak RSS and further counters: benchmarks down, allocators across; then how the judged
// allocator stands against its targets.
std::string gbench_report(const RaceResult& result, std::optional<size_t> judged);

// Two tables in Markdown, time and peak RSS: rows down, allocators across, each as its ratio to the best of
// the row that is not the judged one; and the geometric means of the columns.
std::string matrix_report(const RaceResult& result, std::optional<size_t> judged);

// Geometric means over all rows of each allocator's ratio to the best other one.
std::string summary_report(const RaceResult& result);

// All targets and whether they are met, as lines; `missed` counts those that aren't.
std::string target_report(const RaceResult& result, size_t judged, size_t& missed);

// Every sample and summary. Throws std::runtime_error when the file can't be written.
void write_json(const RaceResult& result, std::optional<size_t> judged, const std::string& path);

}  // namespace ashlar::bench
