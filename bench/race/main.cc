// race: compares allocators on programs and on benchmarks. See --help, and options.cc for the flags.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <stdexcept>

#include "race/allocators.h"
#include "race/gbench.h"
#include "race/options.h"
#include "race/programs.h"
#include "race/report.h"
#include "race/verify.h"

namespace ashlar::bench {

namespace {

constexpr int kFailed = 1;
constexpr int kBadUsage = 2;
constexpr int kTargetMissed = 3;

// The default baseline need not run; one that was asked for must.
size_t baseline_of(const Options& options, const std::vector<Allocator>& allocators) {
  if (options.baseline == Options().baseline)
    return try_find_allocator(allocators, options.baseline).value_or(0);
  return find_allocator(allocators, options.baseline, "--baseline");
}

std::optional<size_t> judged_of(const Options& options, const std::vector<Allocator>& allocators) {
  if (options.judge == Options().judge) return try_find_allocator(allocators, options.judge);
  return find_allocator(allocators, options.judge, "--judge");
}

int race(const Options& options, const std::vector<Allocator>& allocators) {
  const size_t baseline = baseline_of(options, allocators);
  const std::optional<size_t> judged = judged_of(options, allocators);
  for (const Allocator& allocator : allocators) {
    if (options.verify) verify_with_probe(allocator);
  }
  const bool benchmarks = !options.gbench.empty();
  const RaceResult result =
      benchmarks ? race_gbench(options, allocators) : race_programs(options, allocators);
  fmt::print("{} rounds, seed {}; medians, ± half the interquartile range\n\n", result.rounds, result.seed);
  if (options.matrix) {
    fmt::print("{}", matrix_report(result, judged));
  } else {
    fmt::print("{}", benchmarks ? gbench_report(result, judged) : program_report(result, baseline));
  }
  size_t missed = 0;
  if (benchmarks && judged) fmt::print("\n{}", target_report(result, *judged, missed));
  if (!options.json.empty()) write_json(result, benchmarks ? judged : std::nullopt, options.json);
  if (result.failed()) return kFailed;
  return options.gate && missed > 0 ? kTargetMissed : 0;
}

// Parses, races, and turns what went wrong into a message and an exit status.
int run(int argc, char** argv) {
  Options options;
  if (const auto status = parse_options(argc, argv, options)) return *status;
  std::vector<Allocator> allocators;
  try {
    allocators = parse_allocators(options.allocators);
  } catch (const std::runtime_error& error) {
    fmt::print(stderr, "race: {}\n", error.what());
    return kBadUsage;
  }
  try {
    return race(options, allocators);
  } catch (const std::exception& error) {
    fmt::print(stderr, "race: {}\n", error.what());
    return kFailed;
  }
}

}  // namespace

}  // namespace ashlar::bench

int main(int argc, char** argv) { return ashlar::bench::run(argc, argv); }
