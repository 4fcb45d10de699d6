// Whether a process is there to be looked into, and when not, why not and what helps.
//
// Reads /proc/PID/status and /proc/PID/stat, which everybody may read, and the system's settings.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "doctor/finding.h"
#include "doctor/tree.h"

namespace ashlar_command {

/// Why there is nothing to look into: no such process, a thread of the kernel, a zombie; in words, with what
/// helps. Nothing when there is.
std::optional<std::string> absent_reason(const Tree& tree, pid_t pid);

/// Why this command, run by user `caller`, may not read the process's memory although it is there.
Finding access_finding(const Tree& tree, pid_t pid, uid_t caller);

}  // namespace ashlar_command
