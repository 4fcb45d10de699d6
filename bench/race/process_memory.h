// Memory of another process, or of a process and its descendants, from /proc.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>

namespace ashlar::bench {

// Resident memory in KiB as /proc/PID/statm has it: cheap, and exact to some pages a thread. 0 once
// the process has ended.
size_t resident_kib_of(pid_t pid);

// The same, summed over the process and its descendants. Pages that they share count once for each.
size_t resident_kib_of_tree(pid_t pid);

// Whether the process has mapped the file.
bool maps_file(pid_t pid, const std::string& path);

}  // namespace ashlar::bench
