// `ashlar run`: starts a program under Ashlar and says whether Ashlar serves it.
#pragma once

#include <string>
#include <vector>

#include "program.h"

namespace ashlar_command {

/// Exit status for everything that is this command's own failure, as env(1) and timeout(1) use it.
inline constexpr int kExitOurs = 125;
/// A command line that is wrong, where no program's exit status can be mistaken for it: all but `run`.
inline constexpr int kExitUsage = 2;
inline constexpr int kExitNotExecutable = 126;
inline constexpr int kExitNotFound = 127;

struct RunRequest {
  std::vector<std::string> words;  // the program and its arguments
  std::string library;             // --lib; empty: searched
  std::string conf;                // --conf
  std::string stats;               // --stats: empty, "text" or "json"
  bool anyway = false;
  bool strict = false;
  bool verbose = false;
};

/// Says on stderr what is wrong with a program that cannot be executed; returns the exit status.
int report_missing(const Program& program);

/// The program, and for a script what runs it.
std::string describe(const Program& program);

/// Does it all and returns the exit status.
int run(const RunRequest& request);

}  // namespace ashlar_command
