// Starts a program and stops it before its main function, to be looked at: everything is loaded and bound,
// the library has answered its probe, and the program itself has done nothing.
//
// Owns the process, which ends with it. By ptrace(2) of the child: a breakpoint at the program's entry point,
// where the dynamic loader hands over. One thread: the one that made it must use it.
#pragma once

#include <sys/types.h>

#include <string>

#include "child.h"

namespace ashlar_command {

class StoppedProgram {
 public:
  /// Where it is stopped.
  enum class Stop {
    kEntry,     // at the entry point of the program
    kAnswer,    // at the answer: Ashlar is linked into the program itself, whose constructors run behind it
    kFollowed,  // at the entry point of the first program that is no wrapper (is_wrapper): what wrappers do
                // until then is done, with nothing to read and their output among the messages; what they
                // started beside ends with it, also when SIGHUP, SIGINT or SIGTERM ends this process
  };

  /// Starts it.
  StoppedProgram(const Launch& launch, Stop stop);
  StoppedProgram(const StoppedProgram&) = delete;
  StoppedProgram& operator=(const StoppedProgram&) = delete;
  ~StoppedProgram();

  /// Why it is not there to be looked at; empty when it is.
  const std::string& error() const { return error_; }
  /// Whether the dynamic loader gave up: a library or a symbol is missing. It then ends with status 127.
  bool loader_failed() const { return status_ == 127; }
  pid_t pid() const { return child_; }
  const Answer& answer() const { return answer_; }
  /// What it, and the loader before it, wrote to stderr; the beginning.
  std::string messages() const;

 private:
  void start(const Launch& launch, bool quiet);
  void run_to_entry();
  void run_to_exec();
  void run_to_answer();
  bool wait_for_stop(int* signal, bool* executed = nullptr);
  void read_answer();

  pid_t child_ = -1;
  pid_t group_ = -1;  // the process group to end, where it is followed
  bool ended_ = false;
  int status_ = 0;  // when it ended: its exit status, 0 after a signal
  std::string error_;
  Answer answer_;
  Pipe probe_;
  UniqueFd messages_;
};

}  // namespace ashlar_command
