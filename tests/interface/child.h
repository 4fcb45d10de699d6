// Runs a program of its own for what this process can't do to itself: die, start, exit, hang.
#ifndef ASHLAR_TESTS_INTERFACE_CHILD_H
#define ASHLAR_TESTS_INTERFACE_CHILD_H

#include <string>
#include <vector>

namespace interface_test {

struct ChildResult {
  int signal = 0;     // that ended it, or 0
  int status = -1;    // exit status when no signal ended it
  bool hung = false;  // it was killed after the time it had
  std::string out;
  std::string err;
};

// Runs arguments[0] with the environment of this process (LD_PRELOAD included) and the given
// additions `NAME=value`, collects what it writes, and kills it after `seconds`
// (four times as many in an emulator).
ChildResult run_child(const std::vector<std::string>& arguments,
                      const std::vector<std::string>& environment = {}, int seconds = 60);

// How often the text occurs.
int occurrences(const std::string& text, const std::string& part);

}  // namespace interface_test

#endif
