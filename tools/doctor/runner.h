// A process that is `ashlar run`: what it runs is a child of it.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "doctor/tree.h"

namespace ashlar_command {

/// The words of the process's command line; empty when they cannot be read.
std::vector<std::string> command_line(const Tree& tree, pid_t pid);

/// The children of the process when it is `ashlar run`, in order of their numbers: none before it has started
/// the program, and when that has ended. Nothing: it is another program. What is read of /proc everybody may
/// read.
std::optional<std::vector<pid_t>> run_children(const Tree& tree, pid_t pid);

}  // namespace ashlar_command
