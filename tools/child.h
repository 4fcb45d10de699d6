// Starts the program, hears the library's load-time probe, passes signals on and waits.
//
// Owns the child process, the pipes to it and the signal mask of this one. One thread. What the
// probe's answer means for the user is run.cc's business.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "unique_fd.h"

namespace ashlar_command {

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

/// A pipe that programs executed do not inherit. Throws std::system_error.
Pipe make_pipe();

struct Launch {
  std::string path;
  std::vector<std::string> argv;
  std::vector<std::pair<std::string, std::string>> environment;  // set on top of the inherited one
  bool probe = false;                                            // pass ASHLAR_PROBE and wait for the answer
  std::string library = {};  // the library's file name, where it is mapped
};

enum class Verdict {
  kServing,     // the library answered "serving"
  kNotServing,  // it answered "not-serving": loaded, but somebody else's malloc comes first
  kSilent,      // no answer: it was not loaded
};

struct Answer {
  Verdict verdict = Verdict::kSilent;
  std::string text;                 // behind "serving " or "not-serving "; kSilent: why no answer
  std::vector<std::string> mapped;  // files mapped in the process at that moment, if it still ran
};

/// "serving 0.1.0" → kServing, "0.1.0"; anything unknown is kSilent.
Answer parse_answer(const std::string& line);

/// Called once, when it is known who serves. Returns false to have the program killed.
using AnswerHandler = std::function<bool(const Answer&)>;

struct Outcome {
  int exec_error = 0;   // errno of execve, or of fork; 0 when the program was started
  int wait_status = 0;  // as waitpid(2) gives it
  bool killed = false;  // because the handler said so
};

/// Runs the program to its end. While it runs, signals sent to this process by others are passed on
/// to it; those of the terminal are not, since it is in the same process group and has them already.
/// Stopping works through the group too. Standard input and output of this process are given up.
Outcome run_child(const Launch& launch, const AnswerHandler& on_answer);

/// In a forked child: sets the environment, tells the library to answer its probe on `probe_fd` (-1: not
/// asked) and executes the program. Returns only when that fails, with errno.
int execute(const Launch& launch, int probe_fd);

/// What a shell would report: the exit status, or 128 + signal.
int exit_code(int wait_status);

}  // namespace ashlar_command
