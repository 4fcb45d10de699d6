// Programs to race, from a JSON file or from the command line.
//
// The file is a list of objects: `name`; `command`, a list of strings, or one string for the shell;
// and, if need be, `env` (an object), `directory`, `input` (a file), `same_output` and `whole_tree`
// (true or false; a shell command counts the whole tree unless told otherwise).
#pragma once

#include <string>
#include <vector>

#include "race/options.h"

namespace ashlar::bench {

struct Workload {
  std::string name;
  std::vector<std::string> command;
  std::vector<std::string> environment;  // NAME=VALUE
  std::string directory;
  std::string input;
  bool same_output = false;
  bool whole_tree = false;
};

// Throws std::runtime_error that names the file, the entry and what is wrong with it.
std::vector<Workload> read_workloads(const std::string& path);
std::vector<Workload> parse_workloads(const std::string& json, const std::string& source);

// The single command of the command line.
Workload command_line_workload(const Options& options);

}  // namespace ashlar::bench
