// What a race measured: rows (programs or benchmarks) by allocators, with every sample.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "race/allocators.h"
#include "race/statistics.h"

namespace ashlar::bench {

// One run: metric → value. The names used by all: see kTime and the others below.
using Measurement = std::map<std::string, double>;

inline constexpr const char* kTime = "time_ns";  // wall time of a run, or of an item of a benchmark
inline constexpr const char* kPeak = "peak_rss_mib";
inline constexpr const char* kCpu = "cpu_ns";
inline constexpr const char* kMean = "mean_rss_mib";

// The runs of one row under one allocator.
struct Series {
  std::map<std::string, std::vector<double>> samples;  // by metric
  std::string failure;                                 // of the first run that failed; empty: none

  Summary summary(const std::string& metric) const {
    const auto found = samples.find(metric);
    return summarize(found == samples.end() ? std::vector<double>{} : found->second);
  }
};

struct Row {
  std::string name;
  std::vector<Series> by_allocator;  // in the order of RaceResult::allocators

  // NaN where an allocator has no sample.
  std::vector<double> medians(const std::string& metric) const {
    std::vector<double> values;
    for (const Series& series : by_allocator)
      values.push_back(series.summary(metric).median);
    return values;
  }
};

struct RaceResult {
  std::vector<Allocator> allocators;
  std::vector<Row> rows;
  std::vector<std::string> command;  // the program, or further arguments of the benchmark binary
  int rounds = 0;
  uint64_t seed = 0;

  bool failed() const {
    for (const Row& row : rows) {
      for (const Series& series : row.by_allocator) {
        if (!series.failure.empty()) return true;
      }
    }
    return false;
  }
};

}  // namespace ashlar::bench
