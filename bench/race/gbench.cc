// Listing, running and reading a Google Benchmark binary: see gbench.h.
#include "race/gbench.h"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <stdexcept>

#include "race/child.h"
#include "race/rounds.h"
#include "race/verify.h"

namespace ashlar::bench {

namespace {

using Json = nlohmann::json;

ChildSpec spec_of(const Options& options, const Allocator& allocator,
                  const std::vector<std::string>& arguments) {
  ChildSpec spec;
  spec.command = {std::filesystem::absolute(options.gbench).string()};
  spec.command.insert(spec.command.end(), arguments.begin(), arguments.end());
  spec.command.insert(spec.command.end(), options.command.begin(), options.command.end());
  spec.timeout = options.timeout();
  spec.sample_interval = std::chrono::milliseconds(options.sample_ms);
  spec.keep_output = true;
  if (const std::string preload = preload_variable(allocator); !preload.empty()) spec.environment = {preload};
  return spec;
}

ChildSpec listing_spec(const Options& options, const Allocator& allocator) {
  return spec_of(options, allocator, {"--benchmark_list_tests=true", "--benchmark_filter=" + options.filter});
}

std::vector<std::string> list_rows(const Options& options, const Allocator& allocator) {
  const ChildRun run = run_child(listing_spec(options, allocator));
  if (!run.succeeded()) throw std::runtime_error(fmt::format("{}: {}", options.gbench, run.failure()));
  std::vector<std::string> rows;
  std::istringstream lines(run.output);
  for (std::string line; std::getline(lines, line);)
    rows.push_back(line);
  if (rows.empty() || rows.front().starts_with("Failed to match")) {
    throw std::runtime_error(
        fmt::format("{}: no benchmark matches --filter {}", options.gbench, options.filter));
  }
  return rows;
}

double nanoseconds_in(const std::string& unit) {
  if (unit == "ns") return 1;
  if (unit == "us") return 1e3;
  if (unit == "ms") return 1e6;
  if (unit == "s") return 1e9;
  throw std::runtime_error("unknown time unit " + unit);
}

Measurement measure(const Options& options, const Allocator& allocator, const std::string& row) {
  const ChildRun run = run_child(spec_of(options, allocator,
                                         {"--benchmark_format=json", "--benchmark_filter=" + exactly(row),
                                          fmt::format("--benchmark_min_time={}", options.min_time)}));
  if (!run.succeeded()) throw std::runtime_error(run.failure());
  Measurement measurement = parse_gbench_report(run.output);
  measurement.emplace(kPeak, run.peak_rss_mib);  // unless the benchmark reported its own
  measurement["process_wall_ms"] = run.wall_seconds * 1e3;
  return measurement;
}

}  // namespace

std::string exactly(const std::string& name) {
  std::string pattern = "^";
  for (const char c : name) {
    if (std::string_view("\\^$.|?*+()[]{}").find(c) != std::string_view::npos) pattern += '\\';
    pattern += c;
  }
  return pattern + "$";
}

std::string short_name(const std::string& name) {
  std::string kept = name;
  for (const char* const mark : {"/threads:", "/real_time", "/iterations:"}) {
    kept = kept.substr(0, kept.find(mark));
  }
  return kept;
}

Measurement parse_gbench_report(const std::string& json) {
  static const std::set<std::string> kBookkeeping = {"family_index",    "per_family_instance_index",
                                                     "repetitions",     "repetition_index",
                                                     "threads",         "iterations",
                                                     "real_time",       "cpu_time",
                                                     "items_per_second"};
  Json report;
  try {
    report = Json::parse(json).at("benchmarks").at(0);
    if (report.value("error_occurred", false))
      throw std::runtime_error(report.value("error_message", "error"));
    const double per_second = report.value("items_per_second", 0.0);
    const double iteration = report.at("real_time").get<double>() * nanoseconds_in(report.at("time_unit"));
    Measurement measurement{{kTime, per_second > 0 ? 1e9 / per_second : iteration}};
    for (const auto& [key, value] : report.items()) {
      if (value.is_number() && !kBookkeeping.contains(key)) measurement[key] = value.get<double>();
    }
    return measurement;
  } catch (const Json::exception& error) {
    throw std::runtime_error(fmt::format("not a report of Google Benchmark: {}", error.what()));
  }
}

RaceResult race_gbench(const Options& options, const std::vector<Allocator>& allocators) {
  const std::vector<std::string> rows = list_rows(options, allocators.front());
  for (const Allocator& allocator : allocators) {
    if (options.verify) verify_program(allocator, listing_spec(options, allocator));
  }
  RaceResult result = run_rounds(options, allocators, rows, [&](size_t row, size_t allocator) {
    return measure(options, allocators[allocator], rows[row]);
  });
  for (Row& row : result.rows)
    row.name = short_name(row.name);
  return result;
}

}  // namespace ashlar::bench
