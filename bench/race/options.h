// The command line of `race`.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ashlar::bench {

struct Options {
  std::vector<std::string> allocators;  // as given: NAME=PATH
  std::string baseline = "glibc";
  std::string judge = "ashlar";
  int rounds = 11;
  size_t warm_mib = 1024;
  double timeout_seconds = 600;
  int sample_ms = 5;
  uint64_t seed = 0;  // 0: drawn from the clock, and printed
  std::string json;
  bool quiet = false;
  bool verify = true;
  bool gate = false;
  bool matrix = false;

  // Programs: a file of workloads, or one command with its flags.
  std::string workloads;
  std::vector<std::string> command;  // with --gbench: further arguments of the binary
  std::string input;
  bool same_output = false;
  bool whole_tree = false;

  // Google Benchmark.
  std::string gbench;
  std::string filter = ".";
  double min_time = 0.05;

  std::chrono::milliseconds timeout() const {
    return std::chrono::milliseconds(static_cast<int64_t>(timeout_seconds * 1000));
  }
};

// Parses the command line. A value is the exit status to leave with at once: the help has been
// printed, or what is wrong.
std::optional<int> parse_options(int argc, char** argv, Options& options);

}  // namespace ashlar::bench
