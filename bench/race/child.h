// Runs one program as a child process and measures it: wall time, processor time, memory.
// One child at a time, from the main thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace ashlar::bench {

struct ChildSpec {
  std::vector<std::string> command;      // the first is looked up in PATH
  std::vector<std::string> environment;  // NAME=VALUE, in place of or beside the inherited ones
  std::string directory;                 // empty: this process's
  std::string input;                     // file to read as standard input; empty: none
  std::chrono::milliseconds timeout{0};  // 0: none
  std::chrono::milliseconds sample_interval{5};
  bool whole_tree = false;       // memory: the sum over the child and its descendants
  bool keep_output = false;      // otherwise standard output goes nowhere
  std::string look_for_library;  // sets `library_mapped`
};

struct ChildRun {
  double wall_seconds = 0;  // from just before fork until the end is seen
  double cpu_seconds = 0;   // user and system, with waited-for descendants
  double peak_rss_mib = 0;  // see measure_memory in child.cc
  double mean_rss_mib = 0;  // over the time it ran, from samples
  int exit_code = -1;       // -1: it did not exit by itself
  int signal = 0;
  bool timed_out = false;
  std::optional<bool> library_mapped;  // no value: it ended before it was looked at
  std::string output;
  std::string errors;  // the end of standard error

  bool succeeded() const { return exit_code == 0 && !timed_out; }
  // "exit code 3: last words", for a message.
  std::string failure() const;
};

// Throws std::runtime_error when the program cannot be started at all.
ChildRun run_child(const ChildSpec& spec);

}  // namespace ashlar::bench
