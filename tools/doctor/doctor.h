// `ashlar doctor`: is Ashlar loaded, by what path, does it serve, and what stands in its way.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace ashlar_command {

/// Exit status: a finding that stops Ashlar from serving.
inline constexpr int kExitProblem = 1;

struct DoctorRequest {
  std::vector<std::string> words;  // the program and its arguments
  pid_t pid = 0;                   // --pid; 0: none. Not together with words
  std::string library;             // --lib; empty: searched
  std::string conf;                // --conf: added to ASHLAR_CONF
  bool as_is = false;              // --as-is: the program as the environment has it
  bool follow = false;             // --follow: let a wrapper run until it executes the program proper
  bool json = false;
  bool verbose = false;
};

/// Looks at the program, the process or, with neither, at a program of its own; prints the report. Returns
/// the exit status: 0, kExitProblem, kExitUsage when there is no such process, or as `ashlar run` for a
/// program that is not there.
int doctor(const DoctorRequest& request);

}  // namespace ashlar_command
